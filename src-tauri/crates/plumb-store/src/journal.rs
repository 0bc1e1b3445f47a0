//! Journals of runs: append-only, gap-free, chained by hashes that the journal crate computes.

use jiff::Timestamp;
use plumb_fleet::{Digest, RunId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_exact, rows, to_digest, to_exact},
};

/// One event as it is kept: the body is not looked into here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    pub seq: u64,
    pub at: Timestamp,
    pub body: String,
    pub hash: Digest,
    /// The hash of the event before.
    pub previous: Digest,
}

/// Adds events to the journal of a run; they are durable when the caller's transaction has committed.
///
/// A run has one owner, so events that do not continue what is kept are a bug of the caller, and panic.
pub async fn append(
    conn: &mut SqliteConnection,
    run: RunId,
    events: &[JournalRow],
) -> Result<(), StoreError> {
    let mut last = last(conn, run).await?;
    let id = run.as_bytes().as_slice();
    for event in events {
        if let Some((seq, hash)) = last {
            assert!(event.seq == seq + 1, "a journal is appended in order and without a gap");
            assert!(event.previous == hash, "an event is chained to the one before it");
        }
        let seq = i64::try_from(event.seq).expect("no run has that many events");
        let (at_ms, rest_ns) = to_exact(event.at);
        let (hash, previous) =
            (event.hash.as_bytes().as_slice(), event.previous.as_bytes().as_slice());
        let done = sqlx::query_file!(
            "queries/journal_event/append.sql",
            id,
            seq,
            at_ms,
            rest_ns,
            event.body,
            hash,
            previous
        )
        .execute(&mut *conn)
        .await;
        attempt(conn, "appending to a journal", done).await?;
        last = Some((event.seq, event.hash));
    }
    assert!(self::last(conn, run).await? == last, "a journal ends with what was appended");
    Ok(())
}

/// Where the journal of a run ends.
async fn last(
    conn: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<(u64, Digest)>, StoreError> {
    let id = run.as_bytes().as_slice();
    let row =
        sqlx::query_file!("queries/journal_event/last.sql", id).fetch_optional(&mut *conn).await;
    let Some(row) = attempt(conn, "reading the end of a journal", row).await? else {
        return Ok(None);
    };
    let seq = row.seq.cast_unsigned();
    // Numbers start at 0 or 1, whichever the journal chose, and never skip.
    if row.events != row.seq && row.events != row.seq + 1 {
        return Err(StoreError::JournalBroken { run, seq });
    }
    Ok(Some((seq, to_digest(&row.hash)?)))
}

/// One event as it stands, for a check that finds what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub seq: u64,
    pub body: String,
    /// Nothing where the column holds no SHA-256.
    pub hash: Option<Digest>,
}

/// Some events of a run as they stand, from a number on, in order of their numbers.
pub async fn page(
    conn: &mut SqliteConnection,
    run: RunId,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let (id, limit) = (run.as_bytes().as_slice(), rows(limit));
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let found = sqlx::query_file!("queries/journal_event/page.sql", id, from, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading a journal", found).await?;
    Ok(found
        .into_iter()
        .map(|row| StoredEvent {
            seq: row.seq.cast_unsigned(),
            body: row.body,
            hash: to_digest(&row.hash).ok(),
        })
        .collect())
}

/// The journal of a run in order, checked to be without a gap and chained.
pub async fn events(
    conn: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<JournalRow>, StoreError> {
    let id = run.as_bytes().as_slice();
    let found = sqlx::query_file!("queries/journal_event/list.sql", id).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading a journal", found).await?;
    let mut events: Vec<JournalRow> = Vec::with_capacity(found.len());
    for row in found {
        let event = JournalRow {
            seq: row.seq.cast_unsigned(),
            at: from_exact(row.recorded_at_ms, row.recorded_rest_ns)?,
            body: row.body,
            hash: to_digest(&row.hash)?,
            previous: to_digest(&row.previous)?,
        };
        let continues = match events.last() {
            None => event.seq <= 1,
            Some(last) => event.seq == last.seq + 1 && event.previous == last.hash,
        };
        if !continues {
            return Err(StoreError::JournalBroken { run, seq: event.seq });
        }
        events.push(event);
    }
    Ok(events)
}
