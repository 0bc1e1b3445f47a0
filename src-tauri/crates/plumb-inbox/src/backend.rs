//! Which store: `ALERT_BACKEND`, `ALERT_DATABASE_URL` and `DATABASE_URL`.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use tracing::{error, info};

use crate::{
    error::StoreFailure,
    memory::MemoryStore,
    postgres::{PostgresSettings, PostgresStore},
    sqlite::SqliteStore,
    store::{AlertStore, Clock},
};

pub const BACKEND_VARIABLE: &str = "ALERT_BACKEND";
/// The first that is set names the database.
pub const DSN_VARIABLES: [&str; 2] = ["ALERT_DATABASE_URL", "DATABASE_URL"];

/// What `ALERT_BACKEND` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// PostgreSQL where a database is named, and SQLite where none is: nothing is lost either way.
    Auto,
    #[default]
    Sqlite,
    Postgres,
    Memory,
}

impl FromStr for Backend {
    type Err = BackendError;
    fn from_str(text: &str) -> Result<Self, BackendError> {
        match text {
            "auto" => Ok(Self::Auto),
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            "memory" => Ok(Self::Memory),
            _ => Err(BackendError::Unknown { backend: text.chars().take(40).collect() }),
        }
    }
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("{BACKEND_VARIABLE} is {backend:?}: use auto, sqlite, postgres or memory")]
    Unknown { backend: String },
    #[error(
        "{BACKEND_VARIABLE} is postgres, but no database is named: set {} (or {}) to postgresql://user:password@host:5432/database",
        DSN_VARIABLES[0],
        DSN_VARIABLES[1]
    )]
    NoDatabase,
    #[error(
        "{variable} names no PostgreSQL database: it must begin with postgresql:// or postgres://"
    )]
    NotPostgres { variable: &'static str },
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// A store that was decided on.
#[derive(Clone)]
pub enum Settings {
    Sqlite(PathBuf),
    Postgres(PostgresSettings),
    Memory,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(settings) => f.debug_tuple("Postgres").field(settings).finish(),
            Self::Memory => f.write_str("Memory"),
        }
    }
}

impl Settings {
    /// Decides from variables of the environment, which `variable` looks up; `file` is where SQLite keeps alerts.
    pub fn decide(
        variable: impl Fn(&str) -> Option<String>,
        file: PathBuf,
    ) -> Result<Self, BackendError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let backend = set(BACKEND_VARIABLE).map(|text| text.parse()).transpose()?;
        let dsn = DSN_VARIABLES.into_iter().find_map(|name| Some((name, set(name)?)));
        match (backend.unwrap_or_default(), dsn) {
            (Backend::Memory, _) => Ok(Self::Memory),
            (Backend::Sqlite, _) | (Backend::Auto, None) => Ok(Self::Sqlite(file)),
            (Backend::Postgres, None) => Err(BackendError::NoDatabase),
            (Backend::Auto | Backend::Postgres, Some((name, dsn))) => Self::postgres(name, dsn),
        }
    }

    /// A database by its address; `variable` is where the address comes from.
    pub fn postgres(variable: &'static str, dsn: String) -> Result<Self, BackendError> {
        let ours = ["postgresql://", "postgres://"].iter().any(|scheme| dsn.starts_with(scheme));
        if !ours {
            return Err(BackendError::NotPostgres { variable });
        }
        Ok(Self::Postgres(PostgresSettings::new(dsn)))
    }

    /// Opens the store, and says loudly when it forgets.
    pub async fn open(&self) -> Result<Arc<dyn AlertStore>, BackendError> {
        let store: Arc<dyn AlertStore> = match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path, Clock::system()).await?),
            Self::Postgres(settings) => Arc::new(PostgresStore::open(settings).await?),
            Self::Memory => Arc::new(MemoryStore::new(Clock::system())),
        };
        let durability = store.durability();
        if durability.survives_restart {
            info!(backend = durability.backend, place = durability.place, "alerts are kept");
        } else {
            error!(
                "ALERT_BACKEND=memory: EVERY ALERT AND INCIDENT IS LOST WHEN THIS PROGRAM STOPS; do not use it in production, leave ALERT_BACKEND unset for SQLite"
            );
        }
        Ok(store)
    }
}
