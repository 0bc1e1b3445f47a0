//! The two files: opened, checked, migrated, and set aside where damaged.

use std::{
    fmt,
    fs::File,
    io,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tracing::{instrument, warn};

use plumb_inbox::{Clock, SqliteStore, Trouble};

use crate::error::{StoreError, attempt, primary_code};

static CACHE: Migrator = sqlx::migrate!("migrations/cache");
static RECORD: Migrator = sqlx::migrate!("migrations/record");

/// How long a write waits for one of another process: the longest of ours (10,000 nodes seen for the first time) is a second.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long opening waits for another process that opens, migrates or sets aside the same file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
const OPEN_RETRY: Duration = Duration::from_millis(20);
/// Views read at the same time; more would wait for the two cores of a small machine anyway.
const READERS_MAX: u32 = 4;
/// A log larger than this is cut after its next checkpoint.
const WAL_BYTES_KEPT: &str = "16777216";
/// Pages a reader keeps, as negative KiB: what is read of a fleet is kept in memory once, in `plumb-app`.
const READER_PAGES_KEPT: &str = "-512";
/// Rows on their way between SQLite's thread and ours, about 1 KB each.
const ROWS_PER_HANDOVER: usize = 1_024;
/// Findings of `quick_check` worth naming; one is enough to condemn a file.
const FINDINGS_MAX: usize = 20;

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Snapshots, contents and histories: may be rebuilt from the nodes.
    Cache,
    /// Fleets, wishes, catalogue, plans, runs and journals: may not be lost.
    Record,
}

impl Kind {
    /// The file's name in the program's folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Cache => "cache.sqlite",
            Self::Record => "record.sqlite",
        }
    }

    fn migrator(self) -> &'static Migrator {
        match self {
            Self::Cache => &CACHE,
            Self::Record => &RECORD,
        }
    }
}

/// One of the two files, open: a single writer and a few readers.
#[derive(Debug, Clone)]
pub struct Database {
    path: PathBuf,
    kind: Kind,
    writer: SqlitePool,
    readers: SqlitePool,
}

/// An open file, and what a person should be told about how it was opened.
#[derive(Debug)]
pub struct Opened {
    pub database: Database,
    pub notices: Vec<Notice>,
}

/// A damaged file was set aside, and a new one made in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub kind: Kind,
    pub path: PathBuf,
    /// Where the damaged file is now.
    pub set_aside: PathBuf,
    pub reason: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = match self.kind {
            Kind::Cache => {
                "Nothing that matters is lost: the next sweep fills a new one; older history is in the old file only."
            }
            Kind::Record => {
                "THE RECORD STARTS EMPTY: known fleets, pins, the bundle catalogue, plans, runs and their journals are in the old file only. Keep it, and restore a backup or have it repaired."
            }
        };
        write!(
            f,
            "{} is damaged ({}). It was set aside as {}. {lost}",
            self.path.display(),
            self.reason,
            self.set_aside.display()
        )
    }
}

/// A consistent view of one file: what others commit meanwhile is not seen.
#[derive(Debug)]
pub struct ReadTransaction(Transaction<'static, Sqlite>);

impl Deref for ReadTransaction {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}
impl DerefMut for ReadTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

/// Changes to one file: all of them at [`Self::commit`], or none when dropped.
#[derive(Debug)]
#[must_use = "changes are dropped unless they are committed"]
pub struct WriteTransaction {
    transaction: Transaction<'static, Sqlite>,
    path: PathBuf,
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}
impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl WriteTransaction {
    /// Makes the changes durable: when this returns, they survive a power cut.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, path } = self;
        transaction.commit().await.map_err(|error| StoreError::of("committing", path, error))
    }
}

impl Database {
    /// Opens one of the two files, making or migrating it as needed. A damaged one is set aside and named in the
    /// notices, never deleted.
    #[instrument(skip_all, fields(path = %path.display()))]
    pub async fn open(path: &Path, kind: Kind) -> Result<Opened, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::File {
                doing: "making the folder",
                path: folder.to_owned(),
                error,
            })?;
        }
        let _lock = lock(path).await?;
        Self::open_locked(path, kind).await
    }

    async fn open_locked(path: &Path, kind: Kind) -> Result<Opened, StoreError> {
        let reason = match prepare(path, kind).await {
            Ok(()) => {
                return Ok(Opened { database: Self::connect(path, kind), notices: Vec::new() });
            }
            Err(Unusable::Damaged(reason)) => reason,
            Err(Unusable::Other(error)) => return Err(error),
        };
        let notice = set_aside(path, kind, reason)?;
        warn!(%notice, "database set aside");
        match prepare(path, kind).await {
            Ok(()) => Ok(Opened { database: Self::connect(path, kind), notices: vec![notice] }),
            Err(Unusable::Damaged(reason)) => Err(StoreError::File {
                doing: "making a new database",
                path: path.to_owned(),
                error: io::Error::other(reason),
            }),
            Err(Unusable::Other(error)) => Err(error),
        }
    }

    fn connect(path: &Path, kind: Kind) -> Self {
        let pool = |connections: u32, options: SqliteConnectOptions| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(BUSY_TIMEOUT)
                // `data_version` is one connection's view.
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .after_connect(|conn, _| Box::pin(check_settings(conn)))
                .connect_lazy_with(options)
        };
        let reader = options(path).pragma("cache_size", READER_PAGES_KEPT);
        Self {
            path: path.to_owned(),
            kind,
            writer: pool(1, options(path)),
            readers: pool(READERS_MAX, reader),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The console's own alerts and incidents, in this record.
    pub fn alerts(&self, clock: Clock) -> SqliteStore {
        assert!(self.kind == Kind::Record, "alerts may not be lost, so they are in the record");
        SqliteStore::over(self.writer.clone(), self.readers.clone(), &self.path, clock)
    }

    /// Begins a consistent view.
    pub async fn read(&self) -> Result<ReadTransaction, StoreError> {
        let begun = self.readers.begin().await;
        begun.map(ReadTransaction).map_err(|error| self.error("beginning to read", error))
    }

    /// Begins changes, waiting for those of other processes to end.
    pub async fn write(&self) -> Result<WriteTransaction, StoreError> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        let transaction = begun.map_err(|error| self.error("beginning to write", error))?;
        Ok(WriteTransaction { transaction, path: self.path.clone() })
    }

    /// A number that changes when another process, and only another, commits to this file.
    pub async fn data_version(&self) -> Result<i64, StoreError> {
        let mut conn = self
            .writer
            .acquire()
            .await
            .map_err(|error| self.error("looking for changes", error))?;
        data_version(&mut conn).await
    }

    /// Reads the whole file for damage; empty when sound. Slow: for after the first paint.
    #[instrument(skip_all, fields(path = %self.path.display()))]
    pub async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let mut conn = match self.readers.acquire().await {
            Ok(conn) => conn,
            Err(error) => return findings(self.error("checking for damage", error)),
        };
        let rows: Result<Vec<String>, _> =
            sqlx::query_scalar("PRAGMA quick_check").fetch_all(&mut *conn).await;
        match attempt(&mut conn, "checking for damage", rows).await {
            Ok(rows) => Ok(rows.into_iter().filter(|row| row != "ok").take(FINDINGS_MAX).collect()),
            Err(error) => findings(error),
        }
    }

    /// Closes a file that [`Self::quick_check`] condemned, sets it aside and makes a new one.
    pub async fn replace_damaged(self, findings: &[String]) -> Result<Opened, StoreError> {
        let _lock = lock(&self.path).await?;
        self.close().await;
        let notice = set_aside(&self.path, self.kind, findings.join("; "))?;
        warn!(%notice, "database set aside");
        let mut opened = Self::open_locked(&self.path, self.kind).await?;
        opened.notices.insert(0, notice);
        Ok(opened)
    }

    /// Waits for what is going on and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn error(&self, doing: &'static str, error: sqlx::Error) -> StoreError {
        StoreError::of(doing, self.path.clone(), error)
    }
}

/// Damage is what a check is for; anything else means that it did not take place.
fn findings(error: StoreError) -> Result<Vec<String>, StoreError> {
    match error {
        StoreError::Damaged { error, .. } => Ok(vec![error.to_string()]),
        error => Err(error),
    }
}

/// As [`Database::data_version`], on a connection of the caller's: only numbers of one connection compare.
pub async fn data_version(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *conn).await;
    attempt(conn, "looking for changes", version).await
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("journal_size_limit", WAL_BYTES_KEPT)
        // Rows come from SQLite's own thread: few hand-overs, or reading 10,000 nodes is mostly waking up.
        .row_buffer_size(ROWS_PER_HANDOVER)
        .disable_statement_logging()
}

/// Refuses a connection that would not keep what it is told.
async fn check_settings(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (journal, synchronous, foreign_keys, busy_ms): (String, i64, i64, i64) = sqlx::query_as(
        "SELECT journal_mode, synchronous, foreign_keys, timeout
         FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_busy_timeout",
    )
    .fetch_one(conn)
    .await?;
    let sound = journal == "wal"
        && synchronous == 2
        && foreign_keys == 1
        && u128::try_from(busy_ms).is_ok_and(|ms| ms == BUSY_TIMEOUT.as_millis());
    if sound {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(
        format!(
            "the file does not take the settings it needs: journal_mode {journal}, synchronous {synchronous}, foreign_keys {foreign_keys}, busy_timeout {busy_ms} (is it on a network share?)"
        )
        .into(),
    ))
}

/// Why a file cannot be used as it is.
enum Unusable {
    Damaged(String),
    Other(StoreError),
}

/// Checks that the file is ours and brings its schema up to date.
async fn prepare(path: &Path, kind: Kind) -> Result<(), Unusable> {
    let opening = |error| unusable("opening", path, error);
    let mut conn = options(path).connect().await.map_err(opening)?;
    let migrated = migrate(&mut conn, path, kind).await;
    // Closed before anything else, also after a failure: a connection that closes later would remove the log that by
    // then belongs to a new file.
    let closed = conn.close().await.map_err(opening);
    migrated.and(closed)
}

async fn migrate(conn: &mut SqliteConnection, path: &Path, kind: Kind) -> Result<(), Unusable> {
    let opening = |error| unusable("opening", path, error);
    check_settings(conn).await.map_err(opening)?;
    let foreign: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%')
            AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(opening)?;
    if foreign {
        return Err(Unusable::Damaged("it holds tables of another program".to_owned()));
    }
    if !begins_as(conn, kind).await.map_err(opening)? {
        return Err(Unusable::Damaged("it holds tables of another file".to_owned()));
    }
    match kind.migrator().run_direct(None, conn, false).await {
        Ok(()) => match kind {
            Kind::Cache => Ok(()),
            Kind::Record => migrate_inbox(conn, path).await,
        },
        Err(MigrateError::VersionMissing(schema)) => {
            Err(Unusable::Other(StoreError::Newer { path: path.to_owned(), schema }))
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(migration_failed(path, error))
        }
        Err(error) => Err(Unusable::Damaged(error.to_string())),
    }
}

/// The tables of the console's own alerts, which have migrations of their own.
async fn migrate_inbox(conn: &mut SqliteConnection, path: &Path) -> Result<(), Unusable> {
    match SqliteStore::migrate_connection(conn, path).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.trouble == Trouble::Damaged => {
            Err(Unusable::Damaged(failure.to_string()))
        }
        Err(failure) => Err(Unusable::Other(StoreError::Inbox(failure))),
    }
}

/// Whether the schema began with the first migration of this kind. Asked first: a later number that this
/// kind does not have would look like one of a newer program.
async fn begins_as(conn: &mut SqliteConnection, kind: Kind) -> Result<bool, sqlx::Error> {
    let migrated: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
    )
    .fetch_one(&mut *conn)
    .await?;
    if !migrated {
        return Ok(true);
    }
    let begun: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT checksum FROM _sqlx_migrations ORDER BY version LIMIT 1")
            .fetch_optional(&mut *conn)
            .await?;
    let first = kind.migrator().iter().next().map(|migration| migration.checksum.to_vec());
    Ok(begun.is_none() || begun == first)
}

/// A migration that breaks on a sound disk met a schema that is not ours.
fn migration_failed(path: &Path, error: sqlx::Error) -> Unusable {
    const SQL_ERROR: u32 = 1;
    const CONSTRAINT: u32 = 19;
    match primary_code(&error) {
        Some(SQL_ERROR | CONSTRAINT) => Unusable::Damaged(error.to_string()),
        _ => unusable("migrating", path, error),
    }
}

fn unusable(doing: &'static str, path: &Path, error: sqlx::Error) -> Unusable {
    match StoreError::of(doing, path.to_owned(), error) {
        StoreError::Damaged { error, .. } => Unusable::Damaged(error.to_string()),
        error => Unusable::Other(error),
    }
}

/// Keeps two processes from migrating or setting aside one file at the same time.
async fn lock(path: &Path) -> Result<File, StoreError> {
    let path = with_suffix(path, ".lock");
    let failed = |error| StoreError::File { doing: "locking", path: path.clone(), error };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let locked = tokio::time::timeout(OPEN_TIMEOUT, async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(OPEN_RETRY).await,
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    })
    .await;
    locked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
    Ok(file)
}

/// Renames the file and its side files; the log first, so that no new file ever meets an old log.
fn set_aside(path: &Path, kind: Kind, reason: String) -> Result<Notice, StoreError> {
    let stamp = Timestamp::now().strftime(".damaged-%Y%m%dT%H%M%SZ").to_string();
    let mut aside = with_suffix(path, &stamp);
    let mut nth = 1;
    while aside.exists() {
        nth += 1;
        aside = with_suffix(path, &format!("{stamp}-{nth}"));
    }
    for suffix in ["-wal", "-shm", ""] {
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(error) => {
                return Err(StoreError::File {
                    doing: "setting aside the damaged",
                    path: path.to_owned(),
                    error,
                });
            }
        }
    }
    Ok(Notice { kind, path: path.to_owned(), set_aside: aside, reason })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
