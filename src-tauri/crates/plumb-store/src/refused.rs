//! The refused list of a fleet as it was accepted, and what this console refuses by itself.

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, Digest, FleetId, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_digest, to_ms},
};

/// Content that this console refuses by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedHere {
    pub content: ContentDigest,
    pub since: Timestamp,
    pub reason: String,
    /// The run that was rolled back.
    pub run: Option<RunId>,
}

/// Keeps a list that was accepted; one of the same version stays as it is.
pub async fn add_list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    version: u32,
    digest: Digest,
    envelope: &[u8],
    accepted_at: Timestamp,
) -> Result<(), StoreError> {
    let (fleet, version) = (fleet.as_str(), i64::from(version));
    let (digest, at_ms) = (digest.as_bytes().as_slice(), to_ms(accepted_at));
    let done =
        sqlx::query_file!("queries/refused_list/add.sql", fleet, version, digest, envelope, at_ms)
            .execute(&mut *conn)
            .await;
    attempt(conn, "keeping a refused list", done).await.map(drop)
}

/// The envelope of the newest list of a fleet.
pub async fn newest_list(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let fleet = fleet.as_str();
    let row = sqlx::query_file!("queries/refused_list/newest.sql", fleet)
        .fetch_optional(&mut *conn)
        .await;
    Ok(attempt(conn, "reading a refused list", row).await?.map(|row| row.envelope))
}

/// Refuses content in a fleet from now on.
pub async fn refuse(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    refused: &RefusedHere,
) -> Result<(), StoreError> {
    add(conn, fleet, refused, true).await
}

/// Lifts that again; the reason is why.
pub async fn lift(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    lifted: &RefusedHere,
) -> Result<(), StoreError> {
    add(conn, fleet, lifted, false).await
}

async fn add(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    entry: &RefusedHere,
    refuses: bool,
) -> Result<(), StoreError> {
    let (fleet, content) = (fleet.as_str(), entry.content.0.as_bytes().as_slice());
    let (since_ms, reason) = (to_ms(entry.since), entry.reason.as_str());
    let run = entry.run.as_ref().map(|run| run.as_bytes().as_slice());
    let refuses = i64::from(refuses);
    let done = sqlx::query_file!(
        "queries/refused_content/add.sql",
        fleet,
        content,
        since_ms,
        reason,
        run,
        refuses
    )
    .execute(&mut *conn)
    .await;
    attempt(conn, "refusing content", done).await.map(drop)
}

/// A list as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptList {
    pub version: u32,
    pub digest: Digest,
    pub envelope: Vec<u8>,
    pub accepted_at: Timestamp,
}

/// Every list that was accepted for a fleet, oldest first.
pub async fn lists(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<KeptList>, StoreError> {
    let fleet = fleet.as_str();
    let rows = sqlx::query_file!("queries/refused_list/all.sql", fleet).fetch_all(&mut *conn).await;
    let rows = attempt(conn, "reading refused lists", rows).await?;
    rows.into_iter()
        .map(|row| {
            let malformed = |_| StoreError::malformed("version")("it is no small number".into());
            Ok(KeptList {
                version: u32::try_from(row.version).map_err(malformed)?,
                digest: to_digest(&row.digest)?,
                envelope: row.envelope,
                accepted_at: from_ms(row.accepted_at_ms)?,
            })
        })
        .collect()
}

/// Everything that this console refused in a fleet or lifted again, oldest first, with whether it refuses.
pub async fn log(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<(RefusedHere, bool)>, StoreError> {
    let fleet = fleet.as_str();
    let rows =
        sqlx::query_file!("queries/refused_content/log.sql", fleet).fetch_all(&mut *conn).await;
    let rows = attempt(conn, "reading what was refused", rows).await?;
    rows.into_iter()
        .map(|row| {
            Ok((read(&row.content, row.since_ms, row.reason, row.run_id)?, row.refuses == 1))
        })
        .collect()
}

/// What this console refuses by itself in a fleet, oldest first.
pub async fn here(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Vec<RefusedHere>, StoreError> {
    let fleet = fleet.as_str();
    let rows =
        sqlx::query_file!("queries/refused_content/current.sql", fleet).fetch_all(&mut *conn).await;
    let rows = attempt(conn, "reading what is refused", rows).await?;
    rows.into_iter().map(|row| read(&row.content, row.since_ms, row.reason, row.run_id)).collect()
}

fn read(
    content: &[u8],
    since_ms: i64,
    reason: String,
    run: Option<Vec<u8>>,
) -> Result<RefusedHere, StoreError> {
    let malformed = |_| StoreError::malformed("run id")("it is not 16 bytes".into());
    let run = run.map(<[u8; 16]>::try_from).transpose().map_err(malformed)?;
    Ok(RefusedHere {
        content: ContentDigest(to_digest(content)?),
        since: from_ms(since_ms)?,
        reason,
        run: run.map(RunId::from_bytes),
    })
}
