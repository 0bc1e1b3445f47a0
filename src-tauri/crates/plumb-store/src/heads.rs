//! Signed heads of journals, and the public halves of the keys they were signed with.

use jiff::Timestamp;
use plumb_fleet::{Digest, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_ms, to_digest, to_ms},
};

/// One signed head as it is kept: the envelope is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// Events it covers, from the first.
    pub events: u64,
    pub envelope: String,
}

/// A key that this console signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// SHA-256 of the key in DER.
    pub fingerprint: Digest,
    pub pem: String,
    pub first_used_at: Timestamp,
}

/// Keeps a signed head, in the transaction of the events it covers.
pub async fn add(
    conn: &mut SqliteConnection,
    run: RunId,
    head: &HeadRow,
) -> Result<(), StoreError> {
    let id = run.as_bytes().as_slice();
    let events = i64::try_from(head.events).expect("no run has that many events");
    let done = sqlx::query_file!("queries/journal_head/add.sql", id, events, head.envelope)
        .execute(&mut *conn)
        .await;
    attempt(conn, "keeping a signed head", done).await.map(drop)
}

/// The signed heads of a run, in order.
pub async fn list(conn: &mut SqliteConnection, run: RunId) -> Result<Vec<HeadRow>, StoreError> {
    let id = run.as_bytes().as_slice();
    let found = sqlx::query_file!("queries/journal_head/list.sql", id).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading signed heads", found).await?;
    Ok(found
        .into_iter()
        .map(|row| HeadRow { events: row.events.cast_unsigned(), envelope: row.envelope })
        .collect())
}

/// Events that the newest signed head of a run covers.
pub async fn newest(conn: &mut SqliteConnection, run: RunId) -> Result<Option<u64>, StoreError> {
    let id = run.as_bytes().as_slice();
    let events =
        sqlx::query_file_scalar!("queries/journal_head/newest.sql", id).fetch_one(&mut *conn).await;
    let events = attempt(conn, "reading the newest signed head", events).await?;
    Ok(events.map(i64::cast_unsigned))
}

/// Keeps the public half of a key; one that is kept already stays as it is.
pub async fn keep_key(conn: &mut SqliteConnection, key: &KeyRow) -> Result<(), StoreError> {
    let (fingerprint, at_ms) = (key.fingerprint.as_bytes().as_slice(), to_ms(key.first_used_at));
    let done = sqlx::query_file!("queries/console_key/ensure.sql", fingerprint, key.pem, at_ms)
        .execute(&mut *conn)
        .await;
    attempt(conn, "keeping the console's public key", done).await.map(drop)
}

/// Keys that this console signed with, oldest first.
pub async fn keys(conn: &mut SqliteConnection) -> Result<Vec<KeyRow>, StoreError> {
    let found = sqlx::query_file!("queries/console_key/list.sql").fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading the console's public keys", found).await?;
    found
        .into_iter()
        .map(|row| {
            Ok(KeyRow {
                fingerprint: to_digest(&row.fingerprint)?,
                pem: row.pem,
                first_used_at: from_ms(row.first_used_at_ms)?,
            })
        })
        .collect()
}
