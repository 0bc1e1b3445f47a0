//! Runs: who started which plan, and how it ended.

use jiff::Timestamp;
use plumb_fleet::{FleetId, PlanHash, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, rows, to_digest, to_ms},
};

/// One run. Without an end it goes on somewhere, or a crash cut it off: the run's lock tells which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    pub id: RunId,
    pub plan: PlanHash,
    pub fleet: FleetId,
    pub operator: String,
    pub started_at: Timestamp,
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    pub at: Timestamp,
    pub outcome: String,
}

struct Row {
    id: Vec<u8>,
    plan_hash: Vec<u8>,
    fleet: String,
    operator: String,
    started_at_ms: i64,
    ended_at_ms: Option<i64>,
    outcome: Option<String>,
}

impl TryFrom<Row> for KeptRun {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id: [u8; 16] = row
            .id
            .try_into()
            .map_err(|_| StoreError::malformed("run id")("it is not 16 bytes".into()))?;
        let end = match (row.ended_at_ms, row.outcome) {
            (Some(at), Some(outcome)) => Some(RunEnd { at: from_ms(at)?, outcome }),
            _ => None,
        };
        Ok(Self {
            id: RunId::from_bytes(id),
            plan: PlanHash(to_digest(&row.plan_hash)?),
            fleet: FleetId::new(row.fleet).map_err(|e| StoreError::malformed("fleet")(e.into()))?,
            operator: row.operator,
            started_at: from_ms(row.started_at_ms)?,
            end,
        })
    }
}

/// Records that a run of a kept plan started.
pub async fn insert(
    conn: &mut SqliteConnection,
    run: RunId,
    plan: PlanHash,
    fleet: &FleetId,
    operator: &str,
    started_at: Timestamp,
) -> Result<(), StoreError> {
    let (id, plan) = (run.as_bytes().as_slice(), plan.0.as_bytes().as_slice());
    let (fleet, at_ms) = (fleet.as_str(), to_ms(started_at));
    let done = sqlx::query_file!("queries/run/insert.sql", id, plan, fleet, operator, at_ms)
        .execute(&mut *conn)
        .await;
    attempt(conn, "recording a run", done).await.map(drop)
}

/// Records how a run ended, once: a run that is not there or has ended is an error.
pub async fn finish(
    conn: &mut SqliteConnection,
    run: RunId,
    ended_at: Timestamp,
    outcome: &str,
) -> Result<(), StoreError> {
    let (id, at_ms) = (run.as_bytes().as_slice(), to_ms(ended_at));
    let done =
        sqlx::query_file!("queries/run/finish.sql", id, at_ms, outcome).execute(&mut *conn).await;
    match attempt(conn, "recording the end of a run", done).await?.rows_affected() {
        0 => Err(StoreError::NoSuchRun { run }),
        _ => Ok(()),
    }
}

pub async fn get(conn: &mut SqliteConnection, run: RunId) -> Result<Option<KeptRun>, StoreError> {
    let id = run.as_bytes().as_slice();
    let row = sqlx::query_file_as!(Row, "queries/run/get.sql", id).fetch_optional(&mut *conn).await;
    attempt(conn, "reading a run", row).await?.map(KeptRun::try_from).transpose()
}

/// The newest runs of a fleet, newest first.
pub async fn list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<KeptRun>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found =
        sqlx::query_file_as!(Row, "queries/run/list.sql", fleet, limit).fetch_all(&mut *conn).await;
    attempt(conn, "listing runs", found).await?.into_iter().map(KeptRun::try_from).collect()
}

/// Runs without an end, of every fleet, oldest first.
pub async fn unfinished(conn: &mut SqliteConnection) -> Result<Vec<KeptRun>, StoreError> {
    let found = sqlx::query_file_as!(Row, "queries/run/unfinished.sql").fetch_all(&mut *conn).await;
    attempt(conn, "listing runs", found).await?.into_iter().map(KeptRun::try_from).collect()
}

/// Whether a fleet had a run of this plan, however it ended.
pub async fn had(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    plan: PlanHash,
) -> Result<bool, StoreError> {
    let (fleet, plan) = (fleet.as_str(), plan.0.as_bytes().as_slice());
    let row = sqlx::query_file!("queries/run/of_plan.sql", fleet, plan).fetch_one(&mut *conn).await;
    Ok(attempt(conn, "looking for runs of a plan", row).await?.had)
}
