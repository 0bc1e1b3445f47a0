//! What the person on the hub's own machine does with its data folder, beside a running hub or without one.

use std::path::Path;

use jiff::Timestamp;
use plumb_alert::RoleMatrix;
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
