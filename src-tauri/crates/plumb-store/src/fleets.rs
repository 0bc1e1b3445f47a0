//! Fleets on this machine: a name and the file that describes it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use plumb_fleet::FleetId;
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_ms},
};

/// A fleet on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFleet {
    pub name: FleetId,
    pub file: PathBuf,
    pub added_at: Timestamp,
}

/// Puts a fleet on the list, or changes where its file is.
pub async fn add(
    conn: &mut SqliteConnection,
    name: &FleetId,
    file: &Path,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (name, at_ms) = (name.as_str(), to_ms(at));
    let file = file.to_str().ok_or_else(|| StoreError::File {
        doing: "noting the fleet file",
        path: file.to_owned(),
        error: std::io::Error::other("its path is not UTF-8"),
    })?;
    let done =
        sqlx::query_file!("queries/fleet/add.sql", name, file, at_ms).execute(&mut *conn).await;
    attempt(conn, "adding a fleet", done).await.map(drop)
}

/// Takes a fleet off the list and tells whether it was on it; what is recorded of it stays.
pub async fn remove(
    conn: &mut SqliteConnection,
    name: &FleetId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (name, at_ms) = (name.as_str(), to_ms(at));
    let done = sqlx::query_file!("queries/fleet/remove.sql", name, at_ms).execute(&mut *conn).await;
    Ok(attempt(conn, "removing a fleet", done).await?.rows_affected() > 0)
}

/// The fleets on the list, by name.
pub async fn list(conn: &mut SqliteConnection) -> Result<Vec<KnownFleet>, StoreError> {
    let found = sqlx::query_file!("queries/fleet/list.sql").fetch_all(&mut *conn).await;
    let found = attempt(conn, "listing fleets", found).await?;
    found
        .into_iter()
        .map(|row| {
            Ok(KnownFleet {
                name: FleetId::new(row.name)
                    .map_err(|e| StoreError::malformed("fleet")(e.into()))?,
                file: row.file.into(),
                added_at: from_ms(row.added_at_ms)?,
            })
        })
        .collect()
}
