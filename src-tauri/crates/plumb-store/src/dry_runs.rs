//! What dry runs of plans found, as approvals bind it.

use jiff::Timestamp;
use plumb_fleet::{Digest, PlanHash};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_digest, to_ms},
};

/// One report as it is kept: canonical bytes that are not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDryRun {
    pub made_at: Timestamp,
    /// SHA-256 of the document.
    pub digest: Digest,
    pub document: String,
}

struct Row {
    made_at_ms: i64,
    digest: Vec<u8>,
    document: String,
}

impl TryFrom<Row> for KeptDryRun {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let (made_at, digest) = (from_ms(row.made_at_ms)?, to_digest(&row.digest)?);
        Ok(Self { made_at, digest, document: row.document })
    }
}

/// Keeps a report about a kept plan.
pub async fn add(
    conn: &mut SqliteConnection,
    plan: PlanHash,
    report: &KeptDryRun,
) -> Result<(), StoreError> {
    let (plan, at_ms) = (plan.0.as_bytes().as_slice(), to_ms(report.made_at));
    let (digest, document) = (report.digest.as_bytes().as_slice(), report.document.as_str());
    let done = sqlx::query_file!("queries/dry_run/add.sql", plan, at_ms, digest, document)
        .execute(&mut *conn)
        .await;
    attempt(conn, "keeping a dry run", done).await.map(drop)
}

/// The newest report about a plan that was made until a moment.
pub async fn newest(
    conn: &mut SqliteConnection,
    plan: PlanHash,
    until: Timestamp,
) -> Result<Option<KeptDryRun>, StoreError> {
    let (plan, until_ms) = (plan.0.as_bytes().as_slice(), to_ms(until));
    let row = sqlx::query_file_as!(Row, "queries/dry_run/newest.sql", plan, until_ms)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a dry run", row).await?.map(KeptDryRun::try_from).transpose()
}

/// A report by its digest.
pub async fn get(
    conn: &mut SqliteConnection,
    digest: Digest,
) -> Result<Option<KeptDryRun>, StoreError> {
    let digest = digest.as_bytes().as_slice();
    let row = sqlx::query_file_as!(Row, "queries/dry_run/get.sql", digest)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a dry run", row).await?.map(KeptDryRun::try_from).transpose()
}
