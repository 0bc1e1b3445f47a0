//! Fleets about which the desktop of this machine is told nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_fleet::FleetId;
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::to_ms,
};

/// Tells the desktop about a fleet, or nothing of it from now on.
pub async fn set(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    quiet: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (fleet, at_ms) = (fleet.as_str(), to_ms(at));
    let done = if quiet {
        sqlx::query_file!("queries/quiet_fleet/add.sql", fleet, at_ms).execute(&mut *conn).await
    } else {
        sqlx::query_file!("queries/quiet_fleet/remove.sql", fleet).execute(&mut *conn).await
    };
    attempt(conn, "noting whether a fleet notifies", done).await.map(drop)
}

/// Every fleet about which the desktop is told nothing.
pub async fn list(conn: &mut SqliteConnection) -> Result<BTreeSet<FleetId>, StoreError> {
    let found =
        sqlx::query_file_scalar!("queries/quiet_fleet/list.sql").fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading which fleets notify", found).await?;
    found
        .into_iter()
        .map(|name| FleetId::new(name).map_err(|e| StoreError::malformed("fleet")(e.into())))
        .collect()
}
