//! Runs of runbooks, the freezes they took, and rehearsals.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    runs::{KeptRun, RunEnd},
    value::{from_ms, rows, to_digest, to_ms},
};

/// What a run of a runbook has beside other runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfRunbook {
    pub runbook: String,
    pub title: String,
    /// Folder in which its commands run.
    pub folder: String,
    /// Folder in which it leaves its evidence.
    pub artifacts: String,
}

/// A run of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookRun {
    pub run: KeptRun,
    pub of: OfRunbook,
}

struct Row {
    id: Vec<u8>,
    plan_hash: Vec<u8>,
    fleet: String,
    operator: String,
    started_at_ms: i64,
    ended_at_ms: Option<i64>,
    outcome: Option<String>,
    runbook: String,
    title: String,
    folder: String,
    artifacts: String,
}

impl TryFrom<Row> for RunbookRun {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let end = match (row.ended_at_ms, row.outcome) {
            (Some(at), Some(outcome)) => Some(RunEnd { at: from_ms(at)?, outcome }),
            _ => None,
        };
        let run = KeptRun {
            id: run_of(&row.id)?,
            plan: PlanHash(to_digest(&row.plan_hash)?),
            fleet: FleetId::new(row.fleet).map_err(|e| StoreError::malformed("fleet")(e.into()))?,
            operator: row.operator,
            started_at: from_ms(row.started_at_ms)?,
            end,
        };
        let Row { runbook, title, folder, artifacts, .. } = row;
        Ok(Self { run, of: OfRunbook { runbook, title, folder, artifacts } })
    }
}

fn run_of(bytes: &[u8]) -> Result<RunId, StoreError> {
    let id: [u8; 16] = bytes
        .try_into()
        .map_err(|_| StoreError::malformed("run id")("it is not 16 bytes".into()))?;
    Ok(RunId::from_bytes(id))
}

/// Says that a run, recorded already, is one of a runbook.
pub async fn insert(
    conn: &mut SqliteConnection,
    run: RunId,
    of: &OfRunbook,
) -> Result<(), StoreError> {
    let id = run.as_bytes().as_slice();
    let OfRunbook { runbook, title, folder, artifacts } = of;
    let done =
        sqlx::query_file!("queries/runbook_run/insert.sql", id, runbook, title, folder, artifacts)
            .execute(&mut *conn)
            .await;
    attempt(conn, "recording a run of a runbook", done).await.map(drop)
}

/// The runbook of a run; nothing where it is one of a plan.
pub async fn get(conn: &mut SqliteConnection, run: RunId) -> Result<Option<OfRunbook>, StoreError> {
    let id = run.as_bytes().as_slice();
    let row = sqlx::query_file_as!(OfRunbook, "queries/runbook_run/get.sql", id)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a run of a runbook", row).await
}

/// The newest runs of runbooks in a fleet, newest first.
pub async fn list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<RunbookRun>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found = sqlx::query_file_as!(Row, "queries/runbook_run/list.sql", fleet, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "listing runs of runbooks", found).await?;
    found.into_iter().map(RunbookRun::try_from).collect()
}

/// A freeze that a step took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFreeze {
    pub run: RunId,
    pub step: String,
    pub reason: String,
    pub since: Timestamp,
    /// By when it has to be lifted.
    pub until: Timestamp,
}

/// Takes a freeze; one that the step took already stands as it is. Tells until when it is due; nothing where
/// the step took it before and it was lifted since.
pub async fn freeze(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    freeze: &KeptFreeze,
    envelope: Option<&str>,
) -> Result<Option<Timestamp>, StoreError> {
    let KeptFreeze { run, step, reason, since, until } = freeze;
    let id = run.as_bytes().as_slice();
    let (fleet, since_ms, until_ms) = (fleet.as_str(), to_ms(*since), to_ms(*until));
    let done = sqlx::query_file!(
        "queries/freeze/take.sql",
        id,
        step,
        fleet,
        reason,
        since_ms,
        until_ms,
        envelope
    )
    .execute(&mut *conn)
    .await;
    attempt(conn, "taking a freeze", done).await?;
    let row = sqlx::query_file!("queries/freeze/get.sql", id, step).fetch_one(&mut *conn).await;
    let row = attempt(conn, "reading a freeze", row).await?;
    row.lifted_at_ms.is_none().then(|| from_ms(row.until_ms)).transpose()
}

/// Lifts a freeze; one that is lifted stays so.
pub async fn lift(
    conn: &mut SqliteConnection,
    run: RunId,
    step: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (id, at_ms) = (run.as_bytes().as_slice(), to_ms(at));
    let done =
        sqlx::query_file!("queries/freeze/lift.sql", id, step, at_ms).execute(&mut *conn).await;
    attempt(conn, "lifting a freeze", done).await.map(drop)
}

/// Freezes of a fleet that nobody lifted, oldest first.
pub async fn in_force(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<KeptFreeze>, StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file_as!(FreezeRow, "queries/freeze/in_force.sql", fleet)
        .fetch_all(&mut *conn)
        .await;
    attempt(conn, "reading freezes", found).await?.into_iter().map(KeptFreeze::try_from).collect()
}

struct FreezeRow {
    run_id: Vec<u8>,
    step: String,
    reason: String,
    since_ms: i64,
    until_ms: i64,
}

impl TryFrom<FreezeRow> for KeptFreeze {
    type Error = StoreError;

    fn try_from(row: FreezeRow) -> Result<Self, StoreError> {
        let FreezeRow { run_id, step, reason, since_ms, until_ms } = row;
        let (since, until) = (from_ms(since_ms)?, from_ms(until_ms)?);
        Ok(Self { run: run_of(&run_id)?, step, reason, since, until })
    }
}

/// What a rehearsal came to; the report is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRehearsal {
    /// SHA-256 over the documents that were rehearsed.
    pub documents: Digest,
    pub at: Timestamp,
    pub green: bool,
    pub report: String,
}

pub async fn add_rehearsal(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    runbook: &str,
    rehearsal: &KeptRehearsal,
) -> Result<(), StoreError> {
    let KeptRehearsal { documents, at, green, report } = rehearsal;
    let (fleet, documents) = (fleet.as_str(), documents.as_bytes().as_slice());
    let (at_ms, green) = (to_ms(*at), i64::from(*green));
    let done = sqlx::query_file!(
        "queries/rehearsal/add.sql",
        fleet,
        runbook,
        documents,
        at_ms,
        green,
        report
    )
    .execute(&mut *conn)
    .await;
    attempt(conn, "keeping a rehearsal", done).await.map(drop)
}

/// The newest rehearsal of a runbook in a fleet.
pub async fn rehearsal(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    runbook: &str,
) -> Result<Option<KeptRehearsal>, StoreError> {
    let fleet = fleet.as_str();
    let row = sqlx::query_file!("queries/rehearsal/newest.sql", fleet, runbook)
        .fetch_optional(&mut *conn)
        .await;
    let Some(row) = attempt(conn, "reading a rehearsal", row).await? else { return Ok(None) };
    Ok(Some(KeptRehearsal {
        documents: to_digest(&row.documents)?,
        at: from_ms(row.rehearsed_at_ms)?,
        green: row.green != 0,
        report: row.report,
    }))
}
