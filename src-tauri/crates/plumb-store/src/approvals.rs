//! Envelopes about plans, what approvers were asked, which approvals runs used, and which reviews are due.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, rows, to_digest, to_ms},
};

/// An envelope as it came, and what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptApproval {
    /// SHA-256 of the signed payload.
    pub payload: Digest,
    pub plan: PlanHash,
    pub fleet: FleetId,
    pub person: String,
    pub act: String,
    pub envelope: Vec<u8>,
    pub added_at: Timestamp,
}

/// A rollback without approvals that nobody looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReview {
    pub run: RunId,
    pub plan: PlanHash,
    pub operator: String,
    pub reason: String,
    pub due_at: Timestamp,
}

struct Row {
    payload: Vec<u8>,
    plan_hash: Vec<u8>,
    fleet: String,
    person: String,
    act: String,
    envelope: Vec<u8>,
    added_at_ms: i64,
}

impl TryFrom<Row> for KeptApproval {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            payload: to_digest(&row.payload)?,
            plan: PlanHash(to_digest(&row.plan_hash)?),
            fleet: FleetId::new(row.fleet).map_err(|e| StoreError::malformed("fleet")(e.into()))?,
            person: row.person,
            act: row.act,
            envelope: row.envelope,
            added_at: from_ms(row.added_at_ms)?,
        })
    }
}

/// Keeps an envelope; whether it was not there yet.
pub async fn add(conn: &mut SqliteConnection, approval: &KeptApproval) -> Result<bool, StoreError> {
    let payload = approval.payload.as_bytes().as_slice();
    let (plan, fleet) = (approval.plan.0.as_bytes().as_slice(), approval.fleet.as_str());
    let (person, act) = (approval.person.as_str(), approval.act.as_str());
    let (envelope, at_ms) = (approval.envelope.as_slice(), to_ms(approval.added_at));
    let done = sqlx::query_file!(
        "queries/approval/add.sql",
        payload,
        plan,
        fleet,
        person,
        act,
        envelope,
        at_ms
    )
    .execute(&mut *conn)
    .await;
    Ok(attempt(conn, "keeping an approval", done).await?.rows_affected() > 0)
}

/// Every envelope about a plan, in the order in which they came.
pub async fn of_plan(
    conn: &mut SqliteConnection,
    plan: PlanHash,
) -> Result<Vec<KeptApproval>, StoreError> {
    let plan = plan.0.as_bytes().as_slice();
    let found =
        sqlx::query_file_as!(Row, "queries/approval/of_plan.sql", plan).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading approvals", found).await?;
    found.into_iter().map(KeptApproval::try_from).collect()
}

/// The newest envelopes about plans of a fleet, newest first.
pub async fn of_fleet(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<KeptApproval>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found = sqlx::query_file_as!(Row, "queries/approval/of_fleet.sql", fleet, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading approvals", found).await?;
    found.into_iter().map(KeptApproval::try_from).collect()
}

/// Keeps what approvers of a kept plan are asked.
pub async fn add_request(
    conn: &mut SqliteConnection,
    plan: PlanHash,
    at: Timestamp,
    document: &str,
) -> Result<(), StoreError> {
    let (plan, at_ms) = (plan.0.as_bytes().as_slice(), to_ms(at));
    let done = sqlx::query_file!("queries/approval_request/add.sql", plan, at_ms, document)
        .execute(&mut *conn)
        .await;
    attempt(conn, "keeping a request for approval", done).await.map(drop)
}

/// The newest request for a plan.
pub async fn request(
    conn: &mut SqliteConnection,
    plan: PlanHash,
) -> Result<Option<String>, StoreError> {
    let plan = plan.0.as_bytes().as_slice();
    let row = sqlx::query_file_scalar!("queries/approval_request/newest.sql", plan)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a request for approval", row).await
}

/// Remembers, in the transaction that records a run, which approvals it uses. One that another run used
/// is an error.
pub async fn spend(
    conn: &mut SqliteConnection,
    run: RunId,
    nonces: impl IntoIterator<Item = String>,
) -> Result<(), StoreError> {
    let id = run.as_bytes().as_slice();
    for nonce in nonces {
        let done =
            sqlx::query_file!("queries/spent_nonce/add.sql", nonce, id).execute(&mut *conn).await;
        attempt(conn, "noting that an approval was used", done).await?;
    }
    Ok(())
}

/// Nonces of all approvals that runs used, except by this run.
pub async fn spent(
    conn: &mut SqliteConnection,
    except: Option<RunId>,
) -> Result<BTreeSet<String>, StoreError> {
    let except = except.as_ref().map(|run| run.as_bytes().as_slice());
    let found = sqlx::query_file_scalar!("queries/spent_nonce/list.sql", except)
        .fetch_all(&mut *conn)
        .await;
    Ok(attempt(conn, "reading used approvals", found).await?.into_iter().collect())
}

/// Remembers, in the transaction that records a run, that it must be reviewed.
pub async fn owe_review(
    conn: &mut SqliteConnection,
    run: RunId,
    fleet: &FleetId,
    reason: &str,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    let (id, fleet, at_ms) = (run.as_bytes().as_slice(), fleet.as_str(), to_ms(due_at));
    let done = sqlx::query_file!("queries/review/add.sql", id, fleet, reason, at_ms)
        .execute(&mut *conn)
        .await;
    attempt(conn, "noting a review that is due", done).await.map(drop)
}

/// Why a run was started without approvals; nothing where it was not.
pub async fn review_reason(
    conn: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<String>, StoreError> {
    let id = run.as_bytes().as_slice();
    let found =
        sqlx::query_file_scalar!("queries/review/reason.sql", id).fetch_optional(&mut *conn).await;
    attempt(conn, "reading why a run needs a review", found).await
}

/// Reviews of a fleet that were not given yet, the most urgent first.
pub async fn open_reviews(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<OpenReview>, StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file!("queries/review/open.sql", fleet).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading reviews that are due", found).await?;
    found
        .into_iter()
        .map(|row| {
            let id: [u8; 16] = row
                .run_id
                .try_into()
                .map_err(|_| StoreError::malformed("run id")("it is not 16 bytes".into()))?;
            Ok(OpenReview {
                run: RunId::from_bytes(id),
                plan: PlanHash(to_digest(&row.plan_hash)?),
                operator: row.operator,
                reason: row.reason,
                due_at: from_ms(row.due_at_ms)?,
            })
        })
        .collect()
}

/// Notes the review of a run by its payload; whether one was still open.
pub async fn give_review(
    conn: &mut SqliteConnection,
    run: RunId,
    payload: Digest,
) -> Result<bool, StoreError> {
    let (id, payload) = (run.as_bytes().as_slice(), payload.as_bytes().as_slice());
    let done = sqlx::query_file!("queries/review/give.sql", id, payload).execute(&mut *conn).await;
    Ok(attempt(conn, "noting a review", done).await?.rows_affected() > 0)
}
