//! The sweeps that took place: one small row each.

use jiff::Timestamp;
use plumb_fleet::{FleetId, SnapshotId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    snapshots::SweepMeta,
    value::{from_ms, rows},
};

/// One sweep, as the settings and the bench show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub snapshot: SnapshotId,
    pub taken_at: Timestamp,
    pub meta: SweepMeta,
    pub nodes: u32,
    pub answered: u32,
}

/// The newest sweeps of a fleet, newest first.
pub async fn list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<Sweep>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found =
        sqlx::query_file!("queries/sweep/list.sql", fleet, limit).fetch_all(&mut *conn).await;
    let found = attempt(conn, "listing sweeps", found).await?;
    let count = |n: i64| u32::try_from(n).map_err(|e| StoreError::malformed("count")(e.into()));
    found
        .into_iter()
        .map(|row| {
            let id: [u8; 16] = row
                .snapshot_id
                .try_into()
                .map_err(|_| StoreError::malformed("snapshot id")("it is not 16 bytes".into()))?;
            Ok(Sweep {
                snapshot: SnapshotId::from_bytes(id),
                taken_at: from_ms(row.taken_at_ms)?,
                meta: SweepMeta {
                    started_at: from_ms(row.started_at_ms)?,
                    finished_at: from_ms(row.finished_at_ms)?,
                },
                nodes: count(row.nodes)?,
                answered: count(row.answered)?,
            })
        })
        .collect()
}
