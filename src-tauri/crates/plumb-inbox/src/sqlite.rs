//! The default store: one SQLite file, durable at every commit.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    error::{StoreFailure, Trouble},
    migrate::{self, Step},
    sql::{Door, SqlRows},
    store::{AlertStore, Clock, Durability, Pending, Rows},
};

/// How long one connection waits for another process to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement takes milliseconds; one that waits for the disk this long waits for a broken one.
const DEADLINE: Duration = Duration::from_secs(30);
const READERS_MAX: u32 = 4;
/// The log is cut to this after a burst, in bytes.
const WAL_BYTES_KEPT: &str = "16777216";
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// One file, or tables in a file of the console.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
    place: Arc<str>,
    clock: Clock,
}

impl SqliteStore {
    /// Opens a file, making or migrating it as needed.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, StoreFailure> {
        Self::migrate(path).await?;
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(BUSY_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .after_connect(|conn, _| Box::pin(check_settings(conn)))
                .connect_lazy_with(options(path))
        };
        Ok(Self::over(pool(1), pool(READERS_MAX), path, clock))
    }

    /// Over connections of the caller, who has migrated the file by [`Self::migrate_connection`]: one writer, in WAL
    /// mode with `synchronous = FULL`, and readers.
    pub fn over(writer: SqlitePool, readers: SqlitePool, path: &Path, clock: Clock) -> Self {
        let place: Arc<str> = path.display().to_string().into();
        Self { writer, readers, path: path.to_owned(), place, clock }
    }

    /// Makes the file and brings its tables up to date; says what was done.
    pub async fn migrate(path: &Path) -> Result<Vec<Step>, StoreFailure> {
        let place: Arc<str> = path.display().to_string().into();
        let _lock = lock(path, &place).await?;
        let mut conn = connect(path, true, &place).await?;
        let done = async {
            let checked = check_settings(&mut conn).await;
            checked.map_err(|error| failure("checking its settings", &place, error))?;
            Self::migrate_connection(&mut conn, path).await
        };
        let done = done.await;
        let closed = conn.close().await.map_err(|error| failure("closing", &place, error));
        done.and_then(|steps| closed.map(|()| steps))
    }

    /// As [`Self::migrate`], over a connection of the caller's. The tables and their migrations have names of their
    /// own, so they stand beside others in one file.
    pub async fn migrate_connection(
        conn: &mut SqliteConnection,
        path: &Path,
    ) -> Result<Vec<Step>, StoreFailure> {
        let place: Arc<str> = path.display().to_string().into();
        migrate::sqlite(conn, true, &place).await
    }

    /// What [`Self::migrate`] would do; makes and changes nothing.
    pub async fn preview(path: &Path) -> Result<Vec<Step>, StoreFailure> {
        let place: Arc<str> = path.display().to_string().into();
        if !path.exists() {
            return Ok(migrate::all_pending_sqlite());
        }
        let mut conn = connect(path, false, &place).await?;
        let planned = migrate::sqlite(&mut conn, false, &place).await;
        let closed = conn.close().await.map_err(|error| failure("closing", &place, error));
        planned.and_then(|steps| closed.map(|()| steps))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self, begun: sqlx::Transaction<'static, sqlx::Sqlite>) -> Box<dyn Rows> {
        let door = Door::sqlite(begun, self.place.clone(), DEADLINE);
        Box::new(SqlRows::new(door, self.clock.clone()))
    }
}

impl AlertStore for SqliteStore {
    fn durability(&self) -> Durability {
        Durability { backend: "sqlite", place: self.place.to_string(), survives_restart: true }
    }

    fn write(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(async {
            let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
            let begun = begun.map_err(|error| failure("beginning to write", &self.place, error))?;
            Ok(self.rows(begun))
        })
    }

    fn read(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(async {
            let begun = self.readers.begin().await;
            let begun = begun.map_err(|error| failure("beginning to read", &self.place, error))?;
            Ok(self.rows(begun))
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.readers.close().await;
            self.writer.close().await;
            Ok(())
        })
    }
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
        .disable_statement_logging()
}

async fn connect(
    path: &Path,
    create: bool,
    place: &Arc<str>,
) -> Result<SqliteConnection, StoreFailure> {
    let options = if create { options(path) } else { options(path).read_only(true) };
    options.connect().await.map_err(|error| failure("opening", place, error))
}

/// Refuses a connection that would not keep what it is told.
async fn check_settings(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (journal, synchronous): (String, i64) = sqlx::query_as(
        "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous",
    )
    .fetch_one(conn)
    .await?;
    if journal == "wal" && synchronous == 2 {
        return Ok(());
    }
    let problem = format!(
        "the file does not take the settings it needs: journal_mode {journal}, synchronous {synchronous} (is it on a network share?)"
    );
    Err(sqlx::Error::Configuration(problem.into()))
}

/// Keeps two processes from migrating one file at the same time.
async fn lock(path: &Path, place: &Arc<str>) -> Result<File, StoreFailure> {
    let failed =
        |error| StoreFailure::new(Trouble::Query, "locking for a migration", place).because(error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(PathBuf::from(name));
    let file = file.map_err(failed)?;
    let locked = tokio::time::timeout(BUSY_TIMEOUT, async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    });
    let locked = locked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    locked.map_err(failed)?;
    Ok(file)
}

/// Primary result codes that a person must tell apart.
const ERROR: u32 = 1;
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOT_A_DATABASE: u32 = 26;

pub(crate) fn failure(doing: &'static str, place: &Arc<str>, error: sqlx::Error) -> StoreFailure {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    let trouble = match (code, &error) {
        (Some(FULL), _) => Trouble::Full,
        (Some(BUSY | LOCKED), _) | (_, sqlx::Error::PoolTimedOut) => Trouble::Busy,
        (Some(READONLY), _) => Trouble::ReadOnly,
        (Some(PERM | CANTOPEN), _) => Trouble::Denied,
        (Some(CORRUPT | NOT_A_DATABASE), _) => Trouble::Damaged,
        (Some(ERROR), error) if error.to_string().contains("no such table") => Trouble::NotMigrated,
        (_, sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => Trouble::Slow,
        _ => Trouble::Query,
    };
    StoreFailure::new(trouble, doing, place).because(error)
}
