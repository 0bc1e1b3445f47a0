//! The state in one SQLite file: a single writer and a few readers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    SqliteExecutor, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Change, Document, Entries, Entry, StateError, Write};
use crate::limits::DOCUMENTS_MAX;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/state");

/// How long a write waits for one of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS_MAX: u32 = 4;

#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, StateError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(BUSY_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        let store = Self { path: path.to_owned(), writer: pool(1), readers: pool(READERS_MAX) };
        let mut conn =
            store.writer.acquire().await.map_err(|error| store.failed("opening", error))?;
        match MIGRATIONS.run_direct(None, &mut *conn, false).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(schema)) => {
                return Err(StateError::Newer { path: path.to_owned(), schema });
            }
            Err(error) => return Err(StateError::Migration { path: path.to_owned(), error }),
        }
        let (journal, synchronous): (String, i64) = sqlx::query_as(
            "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| store.failed("opening", error))?;
        if journal != "wal" || synchronous != 2 {
            let told = format!(
                "journal_mode {journal}, synchronous {synchronous}: is it on a network share?"
            );
            return Err(store.failed("opening", sqlx::Error::Configuration(told.into())));
        }
        drop(conn);
        Ok(store)
    }

    pub(super) async fn get(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Document<String>>, StateError> {
        self.document(collection, key, &self.readers).await
    }

    async fn document(
        &self,
        collection: &str,
        key: &str,
        from: impl SqliteExecutor<'_>,
    ) -> Result<Option<Document<String>>, StateError> {
        let row = sqlx::query_file!("queries/document/get.sql", collection, key)
            .fetch_optional(from)
            .await
            .map_err(|error| self.failed("reading", error))?;
        Ok(row.map(|row| Document { key: row.key, version: row.version, body: row.body }))
    }

    pub(super) async fn list(
        &self,
        collection: &str,
        prefix: &str,
    ) -> Result<Vec<Document<String>>, StateError> {
        let end = format!("{prefix}\u{10ffff}");
        let limit = as_i64(DOCUMENTS_MAX);
        let rows = sqlx::query_file!("queries/document/list.sql", collection, prefix, end, limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", error))?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| Document { key: row.key, version: row.version, body: row.body })
            .collect())
    }

    pub(super) async fn entries(&self, wanted: &Entries) -> Result<Vec<Entry<String>>, StateError> {
        let since = wanted.since.as_millisecond();
        let (limit, before) = (as_i64(wanted.limit), wanted.before);
        let (topic, subject) = (wanted.topic, &wanted.subject);
        let rows =
            sqlx::query_file!("queries/entry/list.sql", topic, since, before, subject, limit)
                .fetch_all(&self.readers)
                .await
                .map_err(|error| self.failed("reading", error))?;
        let entry = |seq, at_ms, subject, body| {
            let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            Entry { seq, at, subject, body }
        };
        Ok(rows.into_iter().map(|row| entry(row.seq, row.at_ms, row.subject, row.body)).collect())
    }

    /// Waits for the one writer, of this process and of others.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StateError> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        Ok(Turn { begun: begun.map_err(|error| self.failed("writing", error))?, store: self })
    }

    pub(super) async fn revision(&self) -> Result<i64, StateError> {
        let row = sqlx::query_file!("queries/revision/get.sql").fetch_one(&self.readers).await;
        row.map(|row| row.number).map_err(|error| self.failed("reading", error))
    }

    pub(super) async fn keep_newest(&self, topic: &str, count: usize) -> Result<(), StateError> {
        let count = as_i64(count);
        let done = sqlx::query_file!("queries/entry/keep_newest.sql", topic, count)
            .execute(&self.writer)
            .await;
        done.map(drop).map_err(|error| self.failed("writing", error))
    }

    pub(super) async fn expire(
        &self,
        topic: &str,
        before: Timestamp,
        remove: bool,
    ) -> Result<u64, StateError> {
        let before = before.as_millisecond();
        if remove {
            let done = sqlx::query_file!("queries/entry/remove_before.sql", topic, before)
                .execute(&self.writer)
                .await
                .map_err(|error| self.failed("writing", error))?;
            return Ok(done.rows_affected());
        }
        let row = sqlx::query_file!("queries/entry/count_before.sql", topic, before)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", error))?;
        Ok(u64::try_from(row.count).unwrap_or_default())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn failed(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        StateError::Sqlite { doing, path: self.path.clone(), error }
    }
}

/// One transaction of the writer.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    begun: Transaction<'static, sqlx::Sqlite>,
    store: &'a Sqlite,
}

impl Turn<'_> {
    pub(super) async fn get(
        &mut self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Document<String>>, StateError> {
        self.store.document(collection, key, &mut *self.begun).await
    }

    /// Answers with the revision after it.
    pub(super) async fn commit(
        mut self,
        change: &Change,
        now: Timestamp,
    ) -> Result<i64, StateError> {
        let failed = |error| self.store.failed("writing", error);
        let (conn, at) = (&mut *self.begun, now.as_millisecond());
        for (collection, key, write) in &change.writes {
            let done = match write {
                Write::Insert { body } => {
                    sqlx::query_file!("queries/document/insert.sql", collection, key, body, at)
                        .execute(&mut *conn)
                        .await
                }
                Write::Update { version, body } => {
                    sqlx::query_file!(
                        "queries/document/update.sql",
                        collection,
                        key,
                        body,
                        at,
                        version
                    )
                    .execute(&mut *conn)
                    .await
                }
            };
            if done.map_err(failed)?.rows_affected() == 0 {
                return Err(StateError::Conflict { collection, key: key.clone() });
            }
        }
        for (topic, subject, body) in &change.entries {
            sqlx::query_file!("queries/entry/append.sql", topic, subject, at, body)
                .execute(&mut *conn)
                .await
                .map_err(failed)?;
        }
        if change.told {
            let grown = sqlx::query_file!("queries/revision/grow.sql").execute(&mut *conn).await;
            grown.map_err(failed)?;
        }
        let revision = sqlx::query_file!("queries/revision/get.sql")
            .fetch_one(&mut *conn)
            .await
            .map_err(failed)?;
        self.begun.commit().await.map_err(failed)?;
        Ok(revision.number)
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
