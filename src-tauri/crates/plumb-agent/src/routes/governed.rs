//! `/v1/agent/refused` and `/v1/agent/roster`: what is signed by the people of the roster.

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use plumb_trust::{refused::RefusedError, roster::RosterError};
use plumb_wire::v1::{LogLevel, PlanAccepted, PlanSubmission, RefusedHeld, RosterHeld};

use super::{read_json, to_the_end};
use crate::{
    approved::NotApproved,
    chain::chain,
    core::Core,
    governed::{Governed, Held, NotTaken},
    problem::Fault,
    reload::blocking,
};

/// `GET refused`.
pub(super) async fn refused(State(core): State<Arc<Core>>) -> Result<Json<RefusedHeld>, Fault> {
    let governed = governed(&core)?;
    Ok(Json(held(governed, governed.held().as_deref())))
}

/// `PUT refused`.
pub(super) async fn put_refused(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<RefusedHeld>, Fault> {
    governed(&core)?;
    let change = Arc::clone(&core);
    to_the_end(&core, async move {
        let taken = take_refused(&change, body.to_vec()).await?;
        Ok(Json(held(governed(&change)?, Some(&taken))))
    })
    .await
}

/// Judges a list that was handed in or asked for. Whatever becomes of it stands in the log.
pub(crate) async fn take_refused(core: &Arc<Core>, bytes: Vec<u8>) -> Result<Arc<Held>, Fault> {
    let governed = governed(core)?;
    // No change of what is in force is under way: it is judged by one list from begin to end.
    let _turn = core.turn.lock().await;
    let known = governed.held().map(|held| held.list.version());
    let taking = Arc::clone(core);
    let taken = blocking(move |reply| {
        let taken = self::governed(&taking).map(|to| to.take_list(bytes, taking.now()));
        let _ = reply.send(taken);
    });
    let taken = taken.await?.map_err(|error| not_taken(core, "refused list", &error))?;
    let (version, count) = (taken.list.version(), taken.list.document().refused.len());
    if known != Some(version) {
        let text = format!("Refused list version {version} in force: {count} contents");
        core.log(LogLevel::Info, &text);
    }
    Ok(taken)
}

/// `PUT roster`.
pub(super) async fn put_roster(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<RosterHeld>, Fault> {
    governed(&core)?;
    let change = Arc::clone(&core);
    to_the_end(&core, async move {
        let taking = Arc::clone(&change);
        let taken = blocking(move |reply| {
            let _ = reply.send(governed(&taking).map(|to| to.take_roster(&body)));
        });
        let taken = taken.await?.map_err(|error| not_taken(&change, "roster", &error))?;
        let reference = taken.reference();
        let text = format!("Roster version {} in force", reference.version);
        change.log(LogLevel::Info, &text);
        Ok(Json(RosterHeld { version: reference.version, digest: reference.digest.to_hex() }))
    })
    .await
}

/// `POST plans`.
pub(super) async fn plan(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<PlanAccepted>, Fault> {
    let submission: PlanSubmission = read_json(&body)?;
    let governed = governed(&core)?;
    if governed.approved.is_none() {
        let text = "this agent was not started with --require-approval, and verifies no approvals";
        return Err(Fault::not_governed(text));
    }
    let taking = Arc::clone(&core);
    let taken = blocking(move |reply| {
        let Some(governed) = &taking.governed else { unreachable!("it was there") };
        let Some(approved) = &governed.approved else { unreachable!("it was there") };
        let (config, roster) = (&governed.config, governed.roster());
        let _ = reply.send(approved.take(&submission, config, &roster, taking.now()));
    });
    match taken.await {
        Ok(plan) => {
            core.log(LogLevel::Info, &format!("Plan {plan} was approved; it may change this node"));
            Ok(Json(PlanAccepted { plan: plan.to_string() }))
        }
        Err(error) => {
            let text = format!("the plan was not taken, nothing changed: {}", chain(&error));
            core.log(LogLevel::Warn, &text);
            Err(match error {
                NotApproved::NotWritten(_) => Fault::state_not_written(text),
                NotApproved::Unreadable { .. } => Fault::bad_request(text),
                _ => Fault::not_approved(text),
            })
        }
    }
}

fn governed(core: &Core) -> Result<&Governed, Fault> {
    core.governed.as_ref().ok_or_else(|| {
        Fault::not_governed(
            "this agent knows nobody who could sign that: start it with --roster and --member",
        )
    })
}

fn held(governed: &Governed, held: Option<&Held>) -> RefusedHeld {
    RefusedHeld {
        fleet: governed.config.fleet.to_string(),
        version: held.map(|held| held.list.version()),
        digest: held.map(|held| held.list.digest().to_hex()),
        envelope: held.map(|held| String::from_utf8_lossy(&held.envelope).into_owned()),
    }
}

fn not_taken(core: &Core, what: &str, error: &NotTaken) -> Fault {
    let text = format!("the {what} was not taken, nothing changed: {}", chain(error));
    core.log(LogLevel::Warn, &text);
    match error {
        NotTaken::NotWritten(_) => Fault::state_not_written(text),
        NotTaken::List(RefusedError::Older { .. } | RefusedError::Forked { .. })
        | NotTaken::Roster(RosterError::Older { .. } | RosterError::Forked { .. }) => {
            Fault::outdated(text)
        }
        _ => Fault::not_accepted(text),
    }
}
