//! Rosters that were accepted for a fleet: append-only, the newest holds.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_digest, to_ms},
};

/// A roster as it is kept: the envelope is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRoster {
    pub version: u32,
    pub digest: Digest,
    pub envelope: Vec<u8>,
    /// What the next one is judged by, as JSON.
    pub pin: String,
    pub accepted_at: Timestamp,
}

/// Keeps a roster for a fleet; one of the same version stays as it is.
pub async fn add(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    roster: &KeptRoster,
) -> Result<(), StoreError> {
    let (fleet, version) = (fleet.as_str(), i64::from(roster.version));
    let (digest, envelope) = (roster.digest.as_bytes().as_slice(), roster.envelope.as_slice());
    let (pin, at_ms) = (roster.pin.as_str(), to_ms(roster.accepted_at));
    let done =
        sqlx::query_file!("queries/roster/add.sql", fleet, version, digest, envelope, pin, at_ms)
            .execute(&mut *conn)
            .await;
    attempt(conn, "keeping a roster", done).await.map(drop)
}

/// The newest roster of a fleet, or nothing where none was accepted.
pub async fn newest(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Option<KeptRoster>, StoreError> {
    let fleet = fleet.as_str();
    let row = sqlx::query_file_as!(Row, "queries/roster/newest.sql", fleet)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a roster", row).await?.map(Row::kept).transpose()
}

/// The roster of a fleet that a plan was made for, or nothing where it was never accepted.
pub async fn by_digest(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    digest: Digest,
) -> Result<Option<KeptRoster>, StoreError> {
    let (fleet, digest) = (fleet.as_str(), digest.as_bytes().as_slice());
    let row = sqlx::query_file_as!(Row, "queries/roster/by_digest.sql", fleet, digest)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading a roster", row).await?.map(Row::kept).transpose()
}

/// Every roster that was accepted for a fleet, oldest first.
pub async fn all(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<KeptRoster>, StoreError> {
    let fleet = fleet.as_str();
    let rows =
        sqlx::query_file_as!(Row, "queries/roster/all.sql", fleet).fetch_all(&mut *conn).await;
    attempt(conn, "reading rosters", rows).await?.into_iter().map(Row::kept).collect()
}

struct Row {
    version: i64,
    digest: Vec<u8>,
    envelope: Vec<u8>,
    pin: String,
    accepted_at_ms: i64,
}

impl Row {
    fn kept(self) -> Result<KeptRoster, StoreError> {
        let version = u32::try_from(self.version)
            .map_err(|error| StoreError::malformed("version of a roster")(error.into()))?;
        Ok(KeptRoster {
            version,
            digest: to_digest(&self.digest)?,
            envelope: self.envelope,
            pin: self.pin,
            accepted_at: from_ms(self.accepted_at_ms)?,
        })
    }
}
