//! What of the cache is let go with age. The record keeps everything.

use jiff::Timestamp;
use plumb_fleet::health::HISTORY_RING;
use sqlx::SqliteConnection;

use crate::{
    db::{Database, Kind},
    error::{StoreError, attempt},
    value::{rows, to_ms},
};

/// Rows per transaction: a sweep waits a few milliseconds for one, never for all.
pub const BATCH_ROWS: usize = 1_000;

const DOING: &str = "letting old rows go";

/// Removes cache rows from before a moment, in batches with room for others in between; answers how many went.
pub async fn expire(cache: &Database, before: Timestamp) -> Result<u64, StoreError> {
    assert!(cache.kind() == Kind::Cache, "the record keeps everything");
    let mut removed = 0;
    loop {
        let mut transaction = cache.write().await?;
        let some = expire_batch(&mut transaction, before, BATCH_ROWS).await?;
        transaction.commit().await?;
        removed += some;
        if some == 0 {
            return Ok(removed);
        }
        tokio::task::yield_now().await;
    }
}

/// Removes at most `limit` rows of each table; none means that none are left.
pub async fn expire_batch(
    conn: &mut SqliteConnection,
    before: Timestamp,
    limit: usize,
) -> Result<u64, StoreError> {
    let (before_ms, limit) = (to_ms(before), rows(limit));
    let newest_kept = rows(HISTORY_RING - 1);
    let done = [
        sqlx::query_file!("queries/sweep/expire.sql", before_ms, limit).execute(&mut *conn).await,
        sqlx::query_file!("queries/node_seen/expire.sql", limit).execute(&mut *conn).await,
        sqlx::query_file!("queries/node_change/expire.sql", before_ms, limit)
            .execute(&mut *conn)
            .await,
        sqlx::query_file!("queries/reload_entry/expire.sql", before_ms, newest_kept, limit)
            .execute(&mut *conn)
            .await,
        sqlx::query_file!("queries/content/expire.sql", before_ms, limit).execute(&mut *conn).await,
        sqlx::query_file!("queries/policy_list/expire.sql", limit).execute(&mut *conn).await,
        sqlx::query_file!("queries/report_shape/expire.sql", limit).execute(&mut *conn).await,
        sqlx::query_file!("queries/policy_text/expire.sql", limit).execute(&mut *conn).await,
    ];
    let mut removed = 0;
    for result in done {
        removed += attempt(conn, DOING, result).await?.rows_affected();
    }
    Ok(removed)
}
