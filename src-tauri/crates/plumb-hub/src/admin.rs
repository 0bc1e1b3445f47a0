//! What the person on the hub's own machine does with its data folder or its database, beside a running hub or without
//! one.

use std::path::Path;

use jiff::Timestamp;
use plumb_alert::{Retention, RoleMatrix, RoutingPolicy};
use plumb_inbox::{Inbox, PostgresSettings, PostgresStore, Settings, SqliteStore};
pub use plumb_inbox::{Migration, Step};
use plumb_wire::hub::{CreatedIdentity, Identities, IdentityView, NewIdentity};

pub use crate::retention::Expired;
use crate::{
    error::HubError,
    identity,
    problem::Problem,
    retention,
    state::{State, StatePlace},
};

/// Makes an identity where a hub keeps them.
pub async fn create_identity(
    at: impl Into<StatePlace>,
    roles: &RoleMatrix,
    wanted: &NewIdentity,
    by: &str,
    now: Timestamp,
) -> Result<CreatedIdentity, HubError> {
    let state = open(&at.into()).await?;
    let made = identity::create(&state, roles, wanted, by, now).await;
    close(state, made).await
}

/// Every identity of a hub.
pub async fn identities(at: impl Into<StatePlace>, now: Timestamp) -> Result<Identities, HubError> {
    let state = open(&at.into()).await?;
    let listed = identity::list(&state, now).await;
    close(state, listed).await
}

/// Ends an identity; a running hub refuses it from its next request on.
pub async fn revoke_identity(
    at: impl Into<StatePlace>,
    id: &str,
    by: &str,
    now: Timestamp,
) -> Result<IdentityView, HubError> {
    let state = open(&at.into()).await?;
    let revoked = identity::revoke(&state, id, by, now).await;
    close(state, revoked).await
}

/// Makes or brings up to date what a hub keeps in its data folder. Safe to repeat.
pub async fn migrate(data: &Path) -> Result<(), HubError> {
    open(&data.into()).await?.close().await;
    Ok(())
}

/// The tables of a hub that are in a database, and those that are made now; with `dry_run`, that would be made.
pub async fn migrate_state(
    settings: &PostgresSettings,
    dry_run: bool,
) -> Result<Vec<Step>, HubError> {
    Ok(State::migrate(settings, !dry_run).await?)
}

/// The tables of alerts that are there, and those that are made now; with `dry_run`, that would be made.
pub async fn migrate_alerts(alerts: &Settings, dry_run: bool) -> Result<Vec<Step>, HubError> {
    Ok(match (alerts, dry_run) {
        (Settings::Sqlite(path), true) => SqliteStore::preview(path).await?,
        (Settings::Sqlite(path), false) => SqliteStore::migrate(path).await?,
        (Settings::Postgres(settings), true) => PostgresStore::preview(settings).await?,
        (Settings::Postgres(settings), false) => PostgresStore::migrate(settings).await?,
        (Settings::Memory, _) => Vec::new(),
    })
}

/// Alerts that were acknowledged longer ago than they are kept: how many would go, or how many went.
pub async fn retain_alerts(
    alerts: &Settings,
    acked_days: u32,
    remove: bool,
) -> Result<u64, HubError> {
    let inbox = Inbox::new(alerts.open().await?, RoutingPolicy::default());
    let kept = async {
        let preview = inbox.retention_preview(Retention { acked_days }).await?;
        if remove { inbox.retain(preview.before).await } else { Ok(preview.expiring.alerts) }
    };
    let kept = kept.await;
    inbox.close().await?;
    kept.map_err(|error| HubError::Refused(error.to_string()))
}

/// How much of each log is older than it is kept; removes nothing.
pub async fn expired(
    at: impl Into<StatePlace>,
    before: Timestamp,
) -> Result<Vec<Expired>, HubError> {
    let state = open(&at.into()).await?;
    let expired = retention::preview(&state, before).await;
    state.close().await;
    Ok(expired?)
}

/// Removes what is older than it is kept, log by log, and says so in the audit log.
pub async fn expire(
    at: impl Into<StatePlace>,
    before: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<Vec<Expired>, HubError> {
    let state = open(&at.into()).await?;
    let expired = retention::remove(&state, before, by, now).await;
    state.close().await;
    Ok(expired?)
}

async fn open(place: &StatePlace) -> Result<State, HubError> {
    if let StatePlace::Folder(data) = place {
        let failed = |error| HubError::Folder { path: data.clone(), error };
        std::fs::create_dir_all(data).map_err(failed)?;
    }
    Ok(State::open(place).await?)
}

async fn close<T>(state: State, done: Result<T, Problem>) -> Result<T, HubError> {
    state.close().await;
    done.map_err(|problem| HubError::Refused(problem.detail().to_owned()))
}
