//! What the person on the hub's own machine does with its data folder, beside a running hub or without one.

use std::path::Path;

use jiff::Timestamp;
use plumb_alert::{Retention, RoleMatrix, RoutingPolicy};
use plumb_inbox::{Inbox, PostgresStore, Settings, SqliteStore};
pub use plumb_inbox::{Migration, Step};
use plumb_wire::hub::{CreatedIdentity, Identities, IdentityView, NewIdentity};

use crate::{
    error::HubError,
    identity,
    problem::Problem,
    state::{State, topic},
};

/// Makes an identity in the data folder of a hub.
pub async fn create_identity(
    data: &Path,
    roles: &RoleMatrix,
    wanted: &NewIdentity,
    by: &str,
    now: Timestamp,
) -> Result<CreatedIdentity, HubError> {
    let state = open(data).await?;
    let made = identity::create(&state, roles, wanted, by, now).await;
    close(state, made).await
}

/// Every identity of a hub.
pub async fn identities(data: &Path, now: Timestamp) -> Result<Identities, HubError> {
    let state = open(data).await?;
    let listed = identity::list(&state, now).await;
    close(state, listed).await
}

/// Ends an identity; a running hub refuses it from its next request on.
pub async fn revoke_identity(
    data: &Path,
    id: &str,
    by: &str,
    now: Timestamp,
) -> Result<IdentityView, HubError> {
    let state = open(data).await?;
    let revoked = identity::revoke(&state, id, by, now).await;
    close(state, revoked).await
}

/// Makes or brings up to date what a hub keeps in its data folder. Safe to repeat.
pub async fn migrate(data: &Path) -> Result<(), HubError> {
    open(data).await?.close().await;
    Ok(())
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

/// Entries of one log that are older than they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    pub log: &'static str,
    pub entries: u64,
}

/// What is older than it is kept, log by log; removes it where asked to.
pub async fn retention(
    data: &Path,
    before: Timestamp,
    remove: bool,
) -> Result<Vec<Expired>, HubError> {
    let state = open(data).await?;
    let mut expired = Vec::new();
    for log in topic::ALL {
        let entries = state.expire(log, before, remove).await?;
        expired.push(Expired { log, entries });
    }
    state.close().await;
    Ok(expired)
}

async fn open(data: &Path) -> Result<State, HubError> {
    let failed = |error| HubError::Folder { path: data.to_owned(), error };
    std::fs::create_dir_all(data).map_err(failed)?;
    Ok(State::open(data).await?)
}

async fn close<T>(state: State, done: Result<T, Problem>) -> Result<T, HubError> {
    state.close().await;
    done.map_err(|problem| HubError::Refused(problem.detail().to_owned()))
}
