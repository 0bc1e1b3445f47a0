//! Certificates of other consoles, and whose keys are trusted for them.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, rows, to_digest, to_ms},
};

/// A certificate as it came; the envelope is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCertificate {
    /// SHA-256 of the signed payload.
    pub digest: Digest,
    pub fleet: FleetId,
    pub observed_at: Timestamp,
    pub envelope: String,
    /// The file it came from.
    pub source: String,
    pub imported_by: String,
    pub imported_at: Timestamp,
}

struct Row {
    digest: Vec<u8>,
    fleet: String,
    observed_at_ms: i64,
    envelope: String,
    source: String,
    imported_by: String,
    imported_at_ms: i64,
}

impl TryFrom<Row> for ImportedCertificate {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            digest: to_digest(&row.digest)?,
            fleet: fleet_of(row.fleet)?,
            observed_at: from_ms(row.observed_at_ms)?,
            envelope: row.envelope,
            source: row.source,
            imported_by: row.imported_by,
            imported_at: from_ms(row.imported_at_ms)?,
        })
    }
}

fn fleet_of(name: String) -> Result<FleetId, StoreError> {
    FleetId::new(name).map_err(|error| StoreError::malformed("fleet")(error.into()))
}

/// Keeps a certificate; whether it was not there yet.
pub async fn add(
    conn: &mut SqliteConnection,
    certificate: &ImportedCertificate,
) -> Result<bool, StoreError> {
    let ImportedCertificate { digest, fleet, observed_at, envelope, source, .. } = certificate;
    let (digest, fleet) = (digest.as_bytes().as_slice(), fleet.as_str());
    let (observed_ms, at_ms) = (to_ms(*observed_at), to_ms(certificate.imported_at));
    let by = certificate.imported_by.as_str();
    let done = sqlx::query_file!(
        "queries/imported_certificate/add.sql",
        digest,
        fleet,
        observed_ms,
        envelope,
        source,
        by,
        at_ms
    )
    .execute(&mut *conn)
    .await;
    Ok(attempt(conn, "keeping a certificate", done).await?.rows_affected() > 0)
}

/// Certificates of a fleet, newest first.
pub async fn list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<ImportedCertificate>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found = sqlx::query_file_as!(Row, "queries/imported_certificate/list.sql", fleet, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "listing certificates", found).await?;
    found.into_iter().map(ImportedCertificate::try_from).collect()
}

/// Fleets of which certificates came from elsewhere.
pub async fn fleets(conn: &mut SqliteConnection) -> Result<Vec<FleetId>, StoreError> {
    let found = sqlx::query_file_scalar!("queries/imported_certificate/fleets.sql")
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "listing certificates", found).await?;
    found.into_iter().map(fleet_of).collect()
}

/// A key that is trusted for the certificates of a fleet, or no longer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleTrust<'a> {
    pub fleet: &'a FleetId,
    /// Fingerprint of the key.
    pub key_id: &'a str,
    /// The key as one word.
    pub public_key: &'a str,
    pub trusted: bool,
    pub decided_by: &'a str,
    pub decided_at: Timestamp,
}

/// Keeps the decision beside those about the same key before.
pub async fn decide(
    conn: &mut SqliteConnection,
    trust: &ConsoleTrust<'_>,
) -> Result<(), StoreError> {
    let ConsoleTrust { fleet, key_id, public_key, trusted, decided_by, decided_at } = *trust;
    let (fleet, trusted, at_ms) = (fleet.as_str(), i64::from(trusted), to_ms(decided_at));
    let done = sqlx::query_file!(
        "queries/trusted_console/add.sql",
        fleet,
        key_id,
        public_key,
        trusted,
        decided_by,
        at_ms
    )
    .execute(&mut *conn)
    .await;
    attempt(conn, "keeping whose certificates are trusted", done).await.map(drop)
}

/// Keys that are trusted for the certificates of a fleet now, each as one word.
pub async fn trusted(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<String>, StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file_scalar!("queries/trusted_console/list.sql", fleet)
        .fetch_all(&mut *conn)
        .await;
    attempt(conn, "reading whose certificates are trusted", found).await
}
