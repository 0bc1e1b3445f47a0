//! What a run amounted to after each event: hashes that were written with the events, and are only copied later.

use plumb_fleet::{Digest, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::to_digest,
};

/// What a run amounted to after an event; what is hashed, and how, is not looked into here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRow {
    pub seq: u64,
    /// Hash of the event.
    pub event: Digest,
    pub state: Digest,
    /// Version of the fold and of its hash.
    pub projection: u32,
}

/// Keeps marks, in the transaction of the events they are of.
pub async fn append(
    conn: &mut SqliteConnection,
    run: RunId,
    marks: &[StateRow],
) -> Result<(), StoreError> {
    let id = run.as_bytes().as_slice();
    for mark in marks {
        let seq = i64::try_from(mark.seq).expect("no run has that many events");
        let (projection, state) = (mark.projection, mark.state.as_bytes().as_slice());
        let done = sqlx::query_file!("queries/journal_state/add.sql", id, seq, projection, state)
            .execute(&mut *conn)
            .await;
        attempt(conn, "keeping the state after an event", done).await?;
    }
    Ok(())
}

/// The marks of a run in order; events that were written without one have none.
pub async fn list(conn: &mut SqliteConnection, run: RunId) -> Result<Vec<StateRow>, StoreError> {
    let id = run.as_bytes().as_slice();
    let found = sqlx::query_file!("queries/journal_state/list.sql", id).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading the states of a run", found).await?;
    found
        .into_iter()
        .map(|row| {
            Ok(StateRow {
                seq: row.seq.cast_unsigned(),
                event: to_digest(&row.hash)?,
                state: to_digest(&row.state)?,
                projection: u32::try_from(row.projection).unwrap_or(u32::MAX),
            })
        })
        .collect()
}
