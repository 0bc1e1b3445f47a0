//! What can go wrong with the two files, with what was attempted and on which.

use std::{error::Error, io, path::PathBuf};

use plumb_fleet::RunId;
use sqlx::SqliteConnection;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the disk of {} is full while {doing}; nothing of it was kept", path.display())]
    Full {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: sqlx::Error,
    },
    #[error("another process kept {} busy while {doing}", path.display())]
    Busy {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: sqlx::Error,
    },
    #[error("{} is damaged, seen while {doing}", path.display())]
    Damaged {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: sqlx::Error,
    },
    #[error("{doing} in {}", path.display())]
    Query {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: sqlx::Error,
    },
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// A newer program wrote the file; an older one would not understand it, and leaves it alone.
    #[error("{} was written by a newer version of this program (schema {schema})", path.display())]
    Newer { path: PathBuf, schema: i64 },
    #[error("the stored {what} does not read back")]
    Malformed {
        what: &'static str,
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    #[error(transparent)]
    Inbox(#[from] plumb_inbox::StoreFailure),
    #[error("there is no run {run} that goes on")]
    NoSuchRun { run: RunId },
    #[error("the stored journal of run {run} breaks at event {seq}")]
    JournalBroken { run: RunId, seq: u64 },
}

/// Primary result codes of SQLite that a person must tell apart.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const NOT_A_DATABASE: u32 = 26;

impl StoreError {
    pub(crate) fn of(doing: &'static str, path: PathBuf, error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(FULL) => Self::Full { doing, path, error },
            Some(BUSY | LOCKED) => Self::Busy { doing, path, error },
            Some(CORRUPT | NOT_A_DATABASE) => Self::Damaged { doing, path, error },
            _ if matches!(error, sqlx::Error::PoolTimedOut) => Self::Busy { doing, path, error },
            _ => Self::Query { doing, path, error },
        }
    }

    pub(crate) fn malformed(
        what: &'static str,
    ) -> impl Fn(Box<dyn Error + Send + Sync>) -> StoreError {
        move |error| Self::Malformed { what, error }
    }
}

/// The result code of SQLite without its extension.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Names what was attempted, and the file, which only a failure looks up.
pub(crate) async fn attempt<T>(
    conn: &mut SqliteConnection,
    doing: &'static str,
    result: Result<T, sqlx::Error>,
) -> Result<T, StoreError> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(StoreError::of(doing, path_of(conn).await, error)),
    }
}

async fn path_of(conn: &mut SqliteConnection) -> PathBuf {
    let file: Result<String, _> =
        sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_one(conn)
            .await;
    file.map_or_else(|_| PathBuf::from("the database"), PathBuf::from)
}
