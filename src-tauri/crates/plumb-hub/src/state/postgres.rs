//! The state in a PostgreSQL database that hubs share, so that none of them keeps anything itself.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_inbox::{PostgresSettings, Step, StoreFailure, Trouble, migrate_postgres, within};
use sqlx::{PgExecutor, PgPool, Postgres as Server, Transaction, migrate::Migrator};
use tokio::sync::{Mutex, MutexGuard};

use super::{Change, Document, Entries, Entry, StateError, Write};
use crate::limits::DOCUMENTS_MAX;

/// Beside the tables of alerts in one database.
const TABLE: &str = "hub_migrations";
/// Whoever changes the state holds this lock of the database until the change is committed: changes come one after the
/// other, as in one file, and entries become visible in the order of their numbers.
const WRITER: i64 = 0x706c_756d_6268_7562;

/// A statement of this server; those of SQLite stand beside it.
macro_rules! statement {
    ($file:literal) => {
        include_str!(concat!("../../queries/", $file, ".postgres.sql"))
    };
}

const GET: &str = statement!("document/get");
const LIST: &str = statement!("document/list");
const INSERT: &str = statement!("document/insert");
const UPDATE: &str = statement!("document/update");
const APPEND: &str = statement!("entry/append");
const ENTRIES: &str = statement!("entry/list");
const COUNT_BEFORE: &str = statement!("entry/count_before");
const REMOVE_BEFORE: &str = statement!("entry/remove_before");
const KEEP_NEWEST: &str = statement!("entry/keep_newest");
const REVISION: &str = statement!("revision/get");
const GROW: &str = statement!("revision/grow");
const LOCK: &str = statement!("lock");
const NOW: &str = statement!("now");

fn migrator() -> Migrator {
    sqlx::migrate!("migrations/state_postgres")
}

/// A document or an entry as the database gives it.
type DocumentRow = (String, i64, String);
type EntryRow = (i64, i64, String, String);

#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    place: Arc<str>,
    deadline: Duration,
    first: Mutex<()>,
}

impl Postgres {
    /// Connects, and refuses a database whose tables are not those of this version.
    pub(super) async fn open(settings: &PostgresSettings) -> Result<Self, StateError> {
        let steps = Self::migrate(settings, false).await?;
        let (pool, place) = settings.pool()?;
        if steps.iter().any(Step::is_pending) {
            return Err(StoreFailure::new(Trouble::NotMigrated, "opening", &place).into());
        }
        Ok(Self { pool, place, deadline: settings.deadline, first: Mutex::default() })
    }

    /// What is to be done to its tables; with `apply` it is done.
    pub(super) async fn migrate(
        settings: &PostgresSettings,
        apply: bool,
    ) -> Result<Vec<Step>, StateError> {
        Ok(migrate_postgres(settings, migrator(), TABLE, apply).await?)
    }

    pub(super) async fn get(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Document<String>>, StateError> {
        self.document(collection, key, &self.pool).await
    }

    async fn document(
        &self,
        collection: &str,
        key: &str,
        from: impl PgExecutor<'_>,
    ) -> Result<Option<Document<String>>, StateError> {
        if is_unknown(key) {
            return Ok(None);
        }
        let row: Result<Option<DocumentRow>, _> =
            sqlx::query_as(GET).bind(collection).bind(key).fetch_optional(from).await;
        Ok(row.map_err(|error| self.failed("reading", error))?.map(document))
    }

    pub(super) async fn list(
        &self,
        collection: &str,
        prefix: &str,
    ) -> Result<Vec<Document<String>>, StateError> {
        if is_unknown(prefix) {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<DocumentRow>, _> = sqlx::query_as(LIST)
            .bind(collection)
            .bind(prefix)
            .bind(format!("{prefix}\u{10ffff}"))
            .bind(as_i64(DOCUMENTS_MAX))
            .fetch_all(&self.pool)
            .await;
        let rows = rows.map_err(|error| self.failed("reading", error))?;
        Ok(rows.into_iter().map(document).collect())
    }

    pub(super) async fn entries(&self, wanted: &Entries) -> Result<Vec<Entry<String>>, StateError> {
        if is_unknown(&wanted.subject) {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<EntryRow>, _> = sqlx::query_as(ENTRIES)
            .bind(wanted.topic)
            .bind(wanted.since.as_millisecond())
            .bind(wanted.before)
            .bind(&wanted.subject)
            .bind(as_i64(wanted.limit))
            .fetch_all(&self.pool)
            .await;
        let entry = |(seq, at_ms, subject, body): EntryRow| {
            let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            Entry { seq, at, subject, body }
        };
        Ok(rows.map_err(|error| self.failed("reading", error))?.into_iter().map(entry).collect())
    }

    /// Waits for the turn of this process, and then for that of all processes: of those that wait in one process only one
    /// keeps a connection from those that read.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StateError> {
        let failed = |error| self.failed("writing", error);
        let first = tokio::time::timeout(self.deadline, self.first.lock()).await;
        let first = first.map_err(|_| failed(sqlx::Error::PoolTimedOut))?;
        // The server has limits of its own, which do not help once it cannot be reached.
        let begun = within(self.deadline * 2, async {
            let mut begun = self.pool.begin().await?;
            sqlx::query(LOCK).bind(WRITER).execute(&mut *begun).await?;
            Ok(begun)
        });
        let begun = begun.await.map_err(failed)?;
        Ok(Turn { begun, store: self, _first: first })
    }

    pub(super) async fn revision(&self) -> Result<i64, StateError> {
        let read = sqlx::query_scalar(REVISION).fetch_one(&self.pool).await;
        read.map_err(|error| self.failed("reading", error))
    }

    /// By the clock of the database, which is the same for every hub.
    pub(super) async fn now(&self) -> Result<Timestamp, StateError> {
        let ms: Result<i64, _> = sqlx::query_scalar(NOW).fetch_one(&self.pool).await;
        let ms = ms.map_err(|error| self.failed("reading", error))?;
        Ok(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    pub(super) async fn keep_newest(&self, topic: &str, count: usize) -> Result<(), StateError> {
        let done =
            sqlx::query(KEEP_NEWEST).bind(topic).bind(as_i64(count)).execute(&self.pool).await;
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
            let done =
                sqlx::query(REMOVE_BEFORE).bind(topic).bind(before).execute(&self.pool).await;
            return Ok(done.map_err(|error| self.failed("writing", error))?.rows_affected());
        }
        let count: Result<i64, _> =
            sqlx::query_scalar(COUNT_BEFORE).bind(topic).bind(before).fetch_one(&self.pool).await;
        let count = count.map_err(|error| self.failed("reading", error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Part of a turn, which keeps others waiting: given up where the database is silent.
    async fn in_time<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, StateError>>,
    ) -> Result<T, StateError> {
        let silent = |_| self.failed(doing, sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
        tokio::time::timeout(self.deadline * 2, work).await.map_err(silent)?
    }

    fn failed(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        StateError::Server(plumb_inbox::postgres_failure(doing, &self.place, error))
    }
}

/// One transaction of the writer.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    begun: Transaction<'static, Server>,
    store: &'a Postgres,
    _first: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    pub(super) async fn get(
        &mut self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Document<String>>, StateError> {
        let found = self.store.document(collection, key, &mut *self.begun);
        self.store.in_time("reading", found).await
    }

    /// By the clock of the database, while nobody else changes anything.
    pub(super) async fn now(&mut self) -> Result<Timestamp, StateError> {
        let asked = async {
            let ms: Result<i64, _> = sqlx::query_scalar(NOW).fetch_one(&mut *self.begun).await;
            ms.map_err(|error| self.store.failed("reading", error))
        };
        let ms = self.store.in_time("reading", asked).await?;
        Ok(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Answers with the revision after it.
    pub(super) async fn commit(self, change: &Change, now: Timestamp) -> Result<i64, StateError> {
        let store = self.store;
        store.in_time("writing", self.written(change, now)).await
    }

    async fn written(mut self, change: &Change, now: Timestamp) -> Result<i64, StateError> {
        let failed = |error| self.store.failed("writing", error);
        let (conn, at) = (&mut *self.begun, now.as_millisecond());
        for (collection, key, write) in &change.writes {
            let statement = match write {
                Write::Insert { body } => {
                    sqlx::query(INSERT).bind(collection).bind(key).bind(body).bind(at)
                }
                Write::Update { version, body } => {
                    sqlx::query(UPDATE).bind(collection).bind(key).bind(body).bind(at).bind(version)
                }
            };
            if statement.execute(&mut *conn).await.map_err(failed)?.rows_affected() == 0 {
                return Err(StateError::Conflict { collection, key: key.clone() });
            }
        }
        for (topic, subject, body) in &change.entries {
            let entry = sqlx::query(APPEND).bind(topic).bind(subject).bind(at).bind(body);
            entry.execute(&mut *conn).await.map_err(failed)?;
        }
        if change.told {
            sqlx::query(GROW).execute(&mut *conn).await.map_err(failed)?;
        }
        let revision = sqlx::query_scalar(REVISION).fetch_one(&mut *conn).await.map_err(failed)?;
        self.begun.commit().await.map_err(|error| {
            StateError::Server(plumb_inbox::postgres_commit_failure(&self.store.place, error))
        })?;
        Ok(revision)
    }
}

/// No text of PostgreSQL holds this byte, so nothing is known by such a name.
fn is_unknown(name: &str) -> bool {
    name.contains('\0')
}

fn document((key, version, body): DocumentRow) -> Document<String> {
    Document { key, version, body }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
