//! Signed bundles a fleet ever had: what makes a rollback possible where nodes have no endpoint for it.

use plumb_fleet::{Catalogue, CatalogueEntry, FleetId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_json, to_json},
};

/// Remembers a bundle by its digest, or where its file is now.
pub async fn upsert(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    entry: &CatalogueEntry,
) -> Result<(), StoreError> {
    let (fleet, version, document) = (fleet.as_str(), entry.version.as_str(), to_json(entry));
    let digest = entry.digest.0.as_bytes().as_slice();
    let done =
        sqlx::query_file!("queries/catalogue_entry/upsert.sql", fleet, digest, version, document)
            .execute(&mut *conn)
            .await;
    attempt(conn, "remembering a bundle", done).await.map(drop)
}

/// The bundles known for a fleet, in the order they became known.
pub async fn list(conn: &mut SqliteConnection, fleet: &FleetId) -> Result<Catalogue, StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file_scalar!("queries/catalogue_entry/list.sql", fleet)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading the catalogue", found).await?;
    let entries: Result<_, _> =
        found.iter().map(|document| from_json("catalogue entry", document)).collect();
    Ok(Catalogue { entries: entries? })
}
