//! What shows that items of readiness checklists are ready; the newest of an item counts.

use jiff::Timestamp;
use plumb_fleet::FleetId;
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_ms},
};

/// Evidence of one item; the document is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReadiness {
    pub item: String,
    /// Nothing where it was withdrawn.
    pub document: Option<String>,
    pub added_by: String,
    pub added_at: Timestamp,
}

struct Row {
    item: String,
    document: Option<String>,
    added_by: String,
    added_at_ms: i64,
}

impl TryFrom<Row> for KeptReadiness {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { item, document, added_by, added_at_ms } = row;
        Ok(Self { item, document, added_by, added_at: from_ms(added_at_ms)? })
    }
}

/// Keeps evidence beside what an item had before.
pub async fn add(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    evidence: &KeptReadiness,
) -> Result<(), StoreError> {
    let KeptReadiness { item, document, added_by, added_at } = evidence;
    let (fleet, at_ms) = (fleet.as_str(), to_ms(*added_at));
    let done =
        sqlx::query_file!("queries/readiness/add.sql", fleet, item, document, added_by, at_ms)
            .execute(&mut *conn)
            .await;
    attempt(conn, "keeping evidence of readiness", done).await.map(drop)
}

/// The newest of each item of a fleet that was added until a moment, by item.
pub async fn newest(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    until: Timestamp,
) -> Result<Vec<KeptReadiness>, StoreError> {
    let (fleet, until_ms) = (fleet.as_str(), to_ms(until));
    let found = sqlx::query_file_as!(Row, "queries/readiness/newest.sql", fleet, until_ms)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading evidence of readiness", found).await?;
    found.into_iter().map(KeptReadiness::try_from).collect()
}

/// Everything that was added or withdrawn until a moment, oldest first.
pub async fn all(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    until: Timestamp,
) -> Result<Vec<KeptReadiness>, StoreError> {
    let (fleet, until_ms) = (fleet.as_str(), to_ms(until));
    let found = sqlx::query_file_as!(Row, "queries/readiness/all.sql", fleet, until_ms)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading evidence of readiness", found).await?;
    found.into_iter().map(KeptReadiness::try_from).collect()
}
