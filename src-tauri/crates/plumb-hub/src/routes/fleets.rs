//! Desired versions, the lock, deployments, the list of what is refused, and the mailbox of approvals.

use std::collections::HashSet;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use plumb_fleet::Digest;
use plumb_trust::refused::LIST_BYTES_MAX;
use plumb_wire::hub::{
    DeploymentEntry, DeploymentQuery, DeploymentReport, Deployments, Desired, DesiredChange,
    DesiredHistory, DesiredHistoryEntry, LiftDesired, LockView, LogQuery, MailView, Mailbox,
    RefuseQuery, ReleaseLock, SetDesired, TakeLock,
};

use serde::{Deserialize, Serialize};

use super::admin::wanted;
use crate::{
    access::Caller,
    conditional::{Stand, value},
    desired::{self, check_name},
    extract::{self, Params, body},
    hub::Hub,
    limits::{DOCUMENTS_MAX, MAIL_BYTES_MAX, MAIL_FILES_MAX},
    problem::Problem,
    refused::{Letter, follows, names_fleet, no_jump, read_list},
    served::whole_seconds,
    state::{
        Change, Document,
        collection::{DESIRED, MAIL, REFUSED},
        topic,
    },
};

pub(super) fn routes() -> Router<Hub> {
    Router::new()
        .route("/v1/hub/fleets/{fleet}/desired", get(desired_now).put(set))
        .route("/v1/hub/fleets/{fleet}/desired/lift", post(lift))
        .route("/v1/hub/fleets/{fleet}/desired/history", get(history))
        .route("/v1/hub/fleets/{fleet}/lock", get(lock).post(take).delete(release))
        .route("/v1/hub/fleets/{fleet}/refused", get(refused).put(refuse))
        .route("/v1/hub/deployments", get(deployments).post(report))
        .route("/v1/hub/plans/{plan}/approvals", get(mailbox).post(deliver))
        .route("/v1/hub/plans/{plan}/approvals/{id}", get(letter))
}

async fn desired_now(
    State(hub): State<Hub>,
    Path(fleet): Path<String>,
) -> Result<Json<Desired>, Problem> {
    let found: Option<Document<Desired>> = hub.state.get(DESIRED, &fleet).await?;
    Ok(Json(found.map(|found| found.body).unwrap_or_default()))
}

async fn set(
    State(hub): State<Hub>,
    caller: Caller,
    Path(fleet): Path<String>,
    extract::Json(wanted): extract::Json<SetDesired>,
) -> Result<Json<Desired>, Problem> {
    desired::set(&hub, &fleet, &wanted, caller.name()).await.map(Json)
}

async fn lift(
    State(hub): State<Hub>,
    caller: Caller,
    Path(fleet): Path<String>,
    extract::Json(wanted): extract::Json<LiftDesired>,
) -> Result<Json<Desired>, Problem> {
    desired::lift(&hub, &fleet, &wanted, caller.name()).await.map(Json)
}

async fn history(
    State(hub): State<Hub>,
    Path(fleet): Path<String>,
    Params(query): Params<LogQuery>,
) -> Result<Json<DesiredHistory>, Problem> {
    let mut entries = wanted(topic::DESIRED, &query, hub.now());
    entries.subject = fleet;
    let found = hub.state.entries::<DesiredChange>(&entries).await?;
    let changes = found.into_iter().map(|entry| DesiredHistoryEntry {
        seq: entry.seq,
        at: entry.at,
        change: entry.body,
    });
    Ok(Json(DesiredHistory { changes: changes.collect() }))
}

async fn lock(
    State(hub): State<Hub>,
    Path(fleet): Path<String>,
) -> Result<Json<LockView>, Problem> {
    desired::lock(&hub.state, &fleet, hub.time().await?).await.map(Json)
}

async fn take(
    State(hub): State<Hub>,
    caller: Caller,
    Path(fleet): Path<String>,
    extract::Json(wanted): extract::Json<TakeLock>,
) -> Result<Json<LockView>, Problem> {
    desired::take_lock(&hub, &fleet, &wanted, caller.name()).await.map(Json)
}

async fn release(
    State(hub): State<Hub>,
    caller: Caller,
    Path(fleet): Path<String>,
    extract::Json(wanted): extract::Json<ReleaseLock>,
) -> Result<Json<LockView>, Problem> {
    desired::release_lock(&hub, &fleet, &wanted.lease, caller.name()).await.map(Json)
}

/// A report as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    by: String,
    report: DeploymentReport,
}

async fn report(
    State(hub): State<Hub>,
    caller: Caller,
    extract::Json(report): extract::Json<DeploymentReport>,
) -> Result<StatusCode, Problem> {
    check_name("fleet", &report.fleet)?;
    check_name("run", &report.id)?;
    if report.nodes.len() > DOCUMENTS_MAX {
        return Err(Problem::refused(format!("{DOCUMENTS_MAX} nodes at most")));
    }
    let fleet = report.fleet.clone();
    let told = Told { by: caller.name().to_owned(), report };
    let change = Change::default().log(topic::DEPLOYMENT, &fleet, &told);
    hub.state.commit(&change, hub.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The newest report of each run.
async fn deployments(
    State(hub): State<Hub>,
    Params(query): Params<DeploymentQuery>,
) -> Result<Json<Deployments>, Problem> {
    let log = LogQuery { last_minutes: query.last_minutes, limit: query.limit };
    let mut entries = wanted(topic::DEPLOYMENT, &log, hub.now());
    let limit = std::mem::replace(&mut entries.limit, DOCUMENTS_MAX);
    entries.subject = query.fleet.unwrap_or_default();
    let found = hub.state.entries::<Told>(&entries).await?;
    let mut known = HashSet::new();
    let newest = found
        .into_iter()
        .filter(|entry| known.insert((entry.subject.clone(), entry.body.report.id.clone())));
    let runs = query.runs.as_deref().map(|runs| runs.split(',').collect::<HashSet<_>>());
    let wanted = newest
        .filter(|entry| {
            runs.as_ref().is_none_or(|runs| runs.contains(entry.body.report.id.as_str()))
        })
        .filter(|entry| query.status.is_none_or(|status| entry.body.report.status == status))
        .take(limit);
    let deployments = wanted.map(|entry| DeploymentEntry {
        seq: entry.seq,
        at: entry.at,
        by: entry.body.by,
        report: entry.body.report,
    });
    Ok(Json(Deployments { deployments: deployments.collect() }))
}

async fn read_letter(
    hub: &Hub,
    caller: &Caller,
    request: Request,
    bytes_max: usize,
) -> Result<Letter, Problem> {
    let bytes = body(request.into_body(), bytes_max).await?;
    let refused = |_| Problem::refused("a signed document is a JSON object");
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes)
        .map_err(refused)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| Problem::refused("a signed document is UTF-8"))?;
    Ok(Letter { text, at: hub.now(), by: caller.name().to_owned() })
}

/// The refused list of a fleet, as it was signed. Who reads it verifies it.
async fn refused(
    State(hub): State<Hub>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found: Option<Document<Letter>> = hub.state.get(REFUSED, &fleet).await?;
    let Document { version, body, .. } = found
        .ok_or_else(|| Problem::not_found(format!("{fleet} has no list of what is refused")))?;
    let digest = Digest::of(body.text.as_bytes());
    let stand = Stand { digest, modified_at: whole_seconds(body.at) };
    let held = stand.is_held(&headers);
    let mut answer = if held {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body.text).into_response()
    };
    stand.identify(answer.headers_mut());
    answer.headers_mut().insert("x-document-version", value(&version.to_string()));
    Ok(answer)
}

/// Takes a newer list. Whose signature counts is judged by consoles and agents, which have the roster; a hub holds it to
/// what a list says by itself: its fleet, that it is newer, and that nothing is forgotten that was refused.
async fn refuse(
    State(hub): State<Hub>,
    caller: Caller,
    Path(fleet): Path<String>,
    Params(query): Params<RefuseQuery>,
    request: Request,
) -> Result<StatusCode, Problem> {
    check_name("fleet", &fleet)?;
    let letter = read_letter(&hub, &caller, request, LIST_BYTES_MAX).await?;
    let list = read_list(&letter)?;
    let known: Option<Document<Letter>> = hub.state.get(REFUSED, &fleet).await?;
    if let Some(known) = &known {
        let former = read_list(&known.body)?;
        if former.digest() == list.digest() {
            return Ok(StatusCode::NO_CONTENT);
        }
        follows(&former, &list)?;
    } else {
        let expected = query.list_of.as_deref().unwrap_or(&fleet);
        names_fleet(&list, expected)?;
        no_jump(0, list.version())?;
    }
    let version = known.map(|known| known.version);
    let done = format!("list of what {fleet} refuses, version {}", list.version());
    let change = Change::default().put(REFUSED, &fleet, version, &letter);
    hub.state.commit(&change.done(caller.name(), "refused", &done), hub.now()).await?;
    // What is desired and refused now is not handed out any more.
    hub.refresh().await;
    Ok(StatusCode::NO_CONTENT)
}

async fn mailbox(
    State(hub): State<Hub>,
    Path(plan): Path<String>,
) -> Result<Json<Mailbox>, Problem> {
    let plan = hash(&plan)?;
    let found: Vec<Document<Letter>> = hub.state.list(MAIL, &format!("{plan}/")).await?;
    let files = found.into_iter().map(|one| MailView {
        id: one.key.rsplit('/').next().unwrap_or_default().to_owned(),
        bytes: one.body.text.len() as u64,
        at: one.body.at,
        by: one.body.by,
    });
    Ok(Json(Mailbox { files: files.collect() }))
}

/// Puts a file into the mailbox of a plan; the same file again changes nothing.
async fn deliver(
    State(hub): State<Hub>,
    caller: Caller,
    Path(plan): Path<String>,
    request: Request,
) -> Result<Json<MailView>, Problem> {
    let plan = hash(&plan)?;
    let letter = read_letter(&hub, &caller, request, MAIL_BYTES_MAX).await?;
    let id = Digest::of(letter.text.as_bytes()).to_string();
    let key = format!("{plan}/{id}");
    let view = |letter: &Letter| MailView {
        id: id.clone(),
        bytes: letter.text.len() as u64,
        at: letter.at,
        by: letter.by.clone(),
    };
    if let Some(known) = hub.state.get::<Letter>(MAIL, &key).await? {
        return Ok(Json(view(&known.body)));
    }
    let others: Vec<Document<Letter>> = hub.state.list(MAIL, &format!("{plan}/")).await?;
    if others.len() >= MAIL_FILES_MAX {
        let told = format!("the mailbox of this plan holds {MAIL_FILES_MAX} files already");
        return Err(Problem::refused(told));
    }
    let change = Change::default().put(MAIL, &key, None, &letter).done(
        caller.name(),
        "approvals",
        &format!("{id} for plan {plan}"),
    );
    hub.state.commit(&change, hub.now()).await?;
    Ok(Json(view(&letter)))
}

async fn letter(
    State(hub): State<Hub>,
    Path((plan, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (plan, id) = (hash(&plan)?, hash(&id)?);
    let found: Option<Document<Letter>> = hub.state.get(MAIL, &format!("{plan}/{id}")).await?;
    let found = found.ok_or_else(|| Problem::not_found("this file is not in the mailbox"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], found.body.text).into_response())
}

fn hash(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| Problem::refused("a hash is 64 lower-case hex digits"))
}
