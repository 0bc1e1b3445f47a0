//! Convergence certificates, as they were signed.

use jiff::Timestamp;
use plumb_fleet::{FleetId, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, rows, to_ms},
};

/// One certificate as it is kept: the statement is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    pub run: RunId,
    pub fleet: FleetId,
    pub observed_at: Timestamp,
    /// Every target stood as the plan wanted it.
    pub green: bool,
    /// The in-toto statement, exactly as signed.
    pub statement: String,
    /// Its DSSE envelope; nothing where the console had no key.
    pub envelope: Option<String>,
}

struct Row {
    run_id: Vec<u8>,
    fleet: String,
    observed_at_ms: i64,
    green: i64,
    statement: String,
    envelope: Option<String>,
}

impl TryFrom<Row> for KeptCertificate {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id: [u8; 16] = row
            .run_id
            .try_into()
            .map_err(|_| StoreError::malformed("run id")("it is not 16 bytes".into()))?;
        Ok(Self {
            run: RunId::from_bytes(id),
            fleet: FleetId::new(row.fleet).map_err(|e| StoreError::malformed("fleet")(e.into()))?,
            observed_at: from_ms(row.observed_at_ms)?,
            green: row.green != 0,
            statement: row.statement,
            envelope: row.envelope,
        })
    }
}

/// Keeps a certificate beside those a run has already.
pub async fn add(
    conn: &mut SqliteConnection,
    certificate: &KeptCertificate,
) -> Result<(), StoreError> {
    let KeptCertificate { run, fleet, observed_at, green, statement, envelope } = certificate;
    let (id, fleet, at_ms) = (run.as_bytes().as_slice(), fleet.as_str(), to_ms(*observed_at));
    let green = i64::from(*green);
    let done = sqlx::query_file!(
        "queries/certificate/add.sql",
        id,
        fleet,
        at_ms,
        green,
        statement,
        envelope
    )
    .execute(&mut *conn)
    .await;
    attempt(conn, "keeping a certificate", done).await.map(drop)
}

/// The newest certificate of a run.
pub async fn newest(
    conn: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<KeptCertificate>, StoreError> {
    let id = run.as_bytes().as_slice();
    let row = sqlx::query_file_as!(Row, "queries/certificate/newest.sql", id)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a certificate", row).await?.map(KeptCertificate::try_from).transpose()
}

/// The newest certificates of a fleet, newest first.
pub async fn list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    green_only: bool,
    limit: usize,
) -> Result<Vec<KeptCertificate>, StoreError> {
    let (fleet, green, limit) = (fleet.as_str(), i64::from(green_only), rows(limit));
    let found = sqlx::query_file_as!(Row, "queries/certificate/list.sql", fleet, green, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "listing certificates", found).await?;
    found.into_iter().map(KeptCertificate::try_from).collect()
}
