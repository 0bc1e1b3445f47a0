//! Plans by their hash.

use jiff::Timestamp;
use plumb_fleet::{FleetId, PlanHash};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_ms},
};

/// A plan as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPlan {
    pub hash: PlanHash,
    pub fleet: FleetId,
    pub created_at: Timestamp,
    pub document: String,
}

/// Keeps a plan; one with the same hash is the same plan, and stays.
pub async fn insert(
    conn: &mut SqliteConnection,
    hash: PlanHash,
    fleet: &FleetId,
    created_at: Timestamp,
    document: &str,
) -> Result<(), StoreError> {
    let (bytes, fleet, at_ms) = (hash.0.as_bytes().as_slice(), fleet.as_str(), to_ms(created_at));
    let done = sqlx::query_file!("queries/plan/insert.sql", bytes, fleet, at_ms, document)
        .execute(&mut *conn)
        .await;
    attempt(conn, "keeping a plan", done).await.map(drop)
}

/// The plan with a hash, or nothing when it was not kept here.
pub async fn get(
    conn: &mut SqliteConnection,
    hash: PlanHash,
) -> Result<Option<KeptPlan>, StoreError> {
    let bytes = hash.0.as_bytes().as_slice();
    let row = sqlx::query_file!("queries/plan/get.sql", bytes).fetch_optional(&mut *conn).await;
    let Some(row) = attempt(conn, "reading a plan", row).await? else { return Ok(None) };
    Ok(Some(KeptPlan {
        hash,
        fleet: FleetId::new(row.fleet).map_err(|e| StoreError::malformed("fleet")(e.into()))?,
        created_at: from_ms(row.created_at_ms)?,
        document: row.document,
    }))
}
