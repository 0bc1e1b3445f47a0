//! Identities and the audit log.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get},
};
use jiff::{SignedDuration, Timestamp};
use plumb_wire::hub::{
    Audit, AuditEntry, CreatedIdentity, Identities, IdentityView, LogQuery, NewIdentity,
};

use crate::{
    access::Caller,
    audit::Audited,
    extract::{self, Params},
    hub::Hub,
    identity,
    limits::{ENTRIES_DEFAULT, ENTRIES_MAX},
    problem::Problem,
    state::{Entries, topic},
};

pub(super) fn routes() -> Router<Hub> {
    Router::new()
        .route("/v1/hub/tokens", get(tokens).post(create))
        .route("/v1/hub/tokens/{id}", delete(revoke))
        .route("/v1/hub/audit", get(audit))
}

async fn tokens(State(hub): State<Hub>) -> Result<Json<Identities>, Problem> {
    identity::list(&hub.state, hub.now()).await.map(Json)
}

async fn create(
    State(hub): State<Hub>,
    caller: Caller,
    extract::Json(wanted): extract::Json<NewIdentity>,
) -> Result<Json<CreatedIdentity>, Problem> {
    let (roles, now) = (&hub.roles, hub.now());
    identity::create(&hub.state, roles, &wanted, caller.name(), now).await.map(Json)
}

async fn revoke(
    State(hub): State<Hub>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<IdentityView>, Problem> {
    identity::revoke(&hub.state, &id, caller.name(), hub.now()).await.map(Json)
}

async fn audit(
    State(hub): State<Hub>,
    Params(query): Params<LogQuery>,
) -> Result<Json<Audit>, Problem> {
    let entries = hub.state.entries::<Audited>(&wanted(topic::AUDIT, &query, hub.now())).await?;
    let line = |entry: crate::state::Entry<Audited>| AuditEntry {
        seq: entry.seq,
        at: entry.at,
        who: entry.body.who,
        role: entry.body.role,
        method: entry.body.method,
        path: entry.body.path,
        outcome: entry.body.outcome,
        detail: entry.body.detail,
    };
    Ok(Json(Audit { entries: entries.into_iter().map(line).collect() }))
}

/// The entries a query is after.
pub(super) fn wanted(topic: &'static str, query: &LogQuery, now: Timestamp) -> Entries {
    let mut wanted = Entries::of(topic);
    if let Some(minutes) = query.last_minutes {
        let last = SignedDuration::from_mins(i64::from(minutes));
        wanted.since = now.saturating_sub(last).unwrap_or(Timestamp::MIN);
    }
    let limit = query.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX);
    wanted.limit = usize::try_from(limit).unwrap_or_default();
    wanted
}
