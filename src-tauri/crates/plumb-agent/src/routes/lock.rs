//! `/v1/agent/lock`: the deployment lock.

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use plumb_wire::v1::{
    LEASE_S_MAX, LOCK_OWNER_BYTES_MAX, LockAnswer, LockRequest, LockState, LogLevel,
};

use super::read_json;
use crate::{chain::chain, core::Core, plans::checked_run, problem::Fault, reload::blocking};

/// `GET lock`.
pub(super) async fn lock(State(core): State<Arc<Core>>) -> Json<LockState> {
    Json(LockState { held: core.lease.held(core.now()) })
}

/// `POST lock`.
pub(super) async fn ask(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<LockAnswer>, Fault> {
    let request: LockRequest = read_json(&body)?;
    checked_run(&request.run).map_err(Fault::bad_request)?;
    if request.ttl_s > LEASE_S_MAX {
        return Err(Fault::bad_request(format!("a lease lasts at most {LEASE_S_MAX} s")));
    }
    let owner = &request.owner;
    if owner.is_empty() || owner.len() > LOCK_OWNER_BYTES_MAX || owner.contains(char::is_control) {
        let text = format!("the owner is not 1 to {LOCK_OWNER_BYTES_MAX} bytes of plain text");
        return Err(Fault::bad_request(text));
    }
    let before = core.lease.held(core.now());
    let asking = Arc::clone(&core);
    let asked = request.clone();
    let answer = blocking(move |reply| {
        let _ = reply.send(asking.lease.ask(&asked, asking.now()));
    });
    let answer = answer.await.map_err(|error| {
        let text = format!("the lease could not be kept, nothing changed: {}", chain(&error));
        core.log(LogLevel::Error, &text);
        Fault::state_not_written(text)
    })?;
    let LockRequest { run, owner, .. } = &request;
    if answer.granted && before.is_none() {
        core.log(LogLevel::Info, &format!("Deployment lock taken by {owner}, run {run}"));
    } else if answer.held.is_none() && before.is_some() {
        core.log(LogLevel::Info, &format!("Deployment lock given back by {owner}, run {run}"));
    }
    Ok(Json(answer))
}
