//! Files seen as of a moment: what was recorded later is in them, and no query reads it.
//!
//! Tables that grow with time become views of the same name, so every query file reads the past as it reads the
//! present, and nothing can be added any more. It is for copies that were made to be looked at: a file that was
//! closed off like this is not opened again.

use jiff::Timestamp;
use plumb_fleet::RunId;
use sqlx::SqliteConnection;

use crate::{
    db::Kind,
    error::{StoreError, attempt},
    value::to_ms,
};

/// How far somebody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    pub at: Timestamp,
    /// The run whose journal is looked at event by event, and its last event that counts.
    pub event: Option<(RunId, u64)>,
}

/// Closes a file off: from now on it is read up to a horizon, which is the end of time at first.
pub async fn close_off(conn: &mut SqliteConnection, kind: Kind) -> Result<(), StoreError> {
    let statements = match kind {
        Kind::Cache => include_str!("../horizon/cache.sql"),
        Kind::Record => include_str!("../horizon/record.sql"),
    };
    let done = sqlx::raw_sql(statements).execute(&mut *conn).await;
    attempt(conn, "closing off a file", done).await.map(drop)
}

/// Looks up to another moment, in a file that was closed off.
pub async fn look_to(conn: &mut SqliteConnection, horizon: &Horizon) -> Result<(), StoreError> {
    let run = horizon.event.map(|(run, _)| run.as_bytes().to_vec());
    let seq = horizon.event.map(|(_, seq)| i64::try_from(seq).unwrap_or(i64::MAX));
    // Not checked when this crate is built: no migration knows the table.
    let done = sqlx::query("UPDATE horizon SET at_ms = ?1, run_id = ?2, seq = ?3")
        .bind(to_ms(horizon.at))
        .bind(run)
        .bind(seq)
        .execute(&mut *conn)
        .await;
    attempt(conn, "moving the horizon", done).await.map(drop)
}
