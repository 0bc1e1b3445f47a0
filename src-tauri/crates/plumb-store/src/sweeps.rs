//! The sweeps that took place: one small row each.

use jiff::Timestamp;
use plumb_fleet::{FleetId, Snapshot, SnapshotId};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    intern,
    snapshots::SweepMeta,
    value::{from_ms, rows, to_ms},
};

/// How long ago sources had confirmed what nodes run, in seconds, over the nodes that can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestAges {
    pub median_s: i64,
    pub highest_s: i64,
}

impl DigestAges {
    /// As of the moment of a snapshot; nothing where no node can tell. A clock ahead of ours makes no age below zero.
    pub(crate) fn of(snapshot: &Snapshot) -> Option<Self> {
        let reports = snapshot.nodes.values().filter_map(|seen| seen.report.as_deref());
        let confirmed = reports.filter_map(|report| Some(report.confirmed_at.as_ref()?.value));
        let mut ages: Vec<i64> = confirmed
            .map(|at| snapshot.taken_at.as_second().saturating_sub(at.as_second()).max(0))
            .collect();
        ages.sort_unstable();
        Some(Self { median_s: *ages.get(ages.len() / 2)?, highest_s: *ages.last()? })
    }
}

/// One sweep, as the settings and the bench show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub snapshot: SnapshotId,
    pub taken_at: Timestamp,
    pub meta: SweepMeta,
    pub nodes: u32,
    pub answered: u32,
    /// Nothing where no node could tell, and of sweeps before this was kept.
    pub ages: Option<DigestAges>,
}

/// Adds sweeps of the past, of which nothing but this is known.
pub async fn add_past(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    sweeps: &[Sweep],
) -> Result<(), StoreError> {
    let fleet = intern::fleet(conn, fleet).await?;
    for sweep in sweeps {
        insert(conn, fleet, sweep).await?;
    }
    Ok(())
}

/// Records that a sweep took place, and tells its number.
pub(crate) async fn insert(
    conn: &mut SqliteConnection,
    fleet: i64,
    sweep: &Sweep,
) -> Result<i64, StoreError> {
    let Sweep { snapshot, taken_at, meta, nodes, answered, ages } = sweep;
    let (snapshot_id, taken_at_ms) = (snapshot.as_bytes().as_slice(), to_ms(*taken_at));
    let (started_at_ms, finished_at_ms) = (to_ms(meta.started_at), to_ms(meta.finished_at));
    let (nodes, answered) = (i64::from(*nodes), i64::from(*answered));
    let (median_s, highest_s) = (ages.map(|ages| ages.median_s), ages.map(|ages| ages.highest_s));
    let done = sqlx::query_file!(
        "queries/sweep/insert.sql",
        fleet,
        snapshot_id,
        taken_at_ms,
        started_at_ms,
        finished_at_ms,
        nodes,
        answered,
        median_s,
        highest_s
    )
    .execute(&mut *conn)
    .await;
    Ok(attempt(conn, "recording a sweep", done).await?.last_insert_rowid())
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
                ages: row
                    .age_median_s
                    .zip(row.age_highest_s)
                    .map(|(median_s, highest_s)| DigestAges { median_s, highest_s }),
            })
        })
        .collect()
}
