//! A store that many hubs share: PostgreSQL. Its clock decides between claimers, whatever theirs say.

use std::{fmt, io, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    error::{StoreFailure, Trouble},
    migrate::{self, Step},
    sql::{Door, SqlRows, within},
    store::{AlertStore, Clock, Durability, Pending, Rows},
};

/// How a server is reached.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgresql://user:password@host:5432/database`
    pub dsn: String,
    /// How long one statement may take, and how long a free connection is waited for.
    pub deadline: Duration,
    pub connections_max: u32,
}

impl PostgresSettings {
    pub fn new(dsn: impl Into<String>) -> Self {
        Self { dsn: dsn.into(), deadline: Duration::from_secs(5), connections_max: 8 }
    }

    /// The database for tables of others beside those of alerts, connected to when it is first asked; and where it
    /// is, in words.
    pub fn pool(&self) -> Result<(PgPool, Arc<str>), StoreFailure> {
        let options = self.options()?;
        let place = place_of(&options);
        let pool = PgPoolOptions::new()
            .max_connections(self.connections_max)
            .acquire_timeout(self.deadline)
            .after_connect(|conn, _| Box::pin(keep_commits(conn)))
            .connect_lazy_with(options);
        Ok((pool, place))
    }

    fn options(&self) -> Result<PgConnectOptions, StoreFailure> {
        let options: Result<PgConnectOptions, _> = self.dsn.parse();
        let options = options.map_err(|error| {
            StoreFailure::new(Trouble::Query, "reading the address", &"PostgreSQL".into())
                .because(error)
        })?;
        let ms = self.deadline.as_millis();
        Ok(options
            .application_name("plumb")
            .options([
                ("statement_timeout", ms.to_string()),
                ("lock_timeout", (ms / 2).max(1).to_string()),
                // A client that vanished must not keep its locks.
                ("idle_in_transaction_session_timeout", (ms * 2).to_string()),
            ])
            .disable_statement_logging())
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A database of a server.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    options: PgConnectOptions,
    place: Arc<str>,
    deadline: Duration,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, and refuses a database whose tables are not those of this version.
    pub async fn open(settings: &PostgresSettings) -> Result<Self, StoreFailure> {
        let planned = Self::preview(settings).await?;
        let options = settings.options()?;
        let (pool, place) = settings.pool()?;
        if planned.iter().any(Step::is_pending) {
            return Err(StoreFailure::new(Trouble::NotMigrated, "opening", &place));
        }
        Ok(Self { pool, options, place, deadline: settings.deadline })
    }

    /// Brings the tables up to date; says what was done.
    pub async fn migrate(settings: &PostgresSettings) -> Result<Vec<Step>, StoreFailure> {
        Self::steps(settings, true).await
    }

    /// What [`Self::migrate`] would do; changes nothing.
    pub async fn preview(settings: &PostgresSettings) -> Result<Vec<Step>, StoreFailure> {
        Self::steps(settings, false).await
    }

    async fn steps(settings: &PostgresSettings, apply: bool) -> Result<Vec<Step>, StoreFailure> {
        migrate(settings, migrate::of_postgres(), migrate::TABLE, apply).await
    }

    async fn begin(
        &self,
        how: &'static str,
        doing: &'static str,
        writes: bool,
    ) -> Result<Box<dyn Rows>, StoreFailure> {
        // The pool waits for its deadline itself.
        let begun = within(self.deadline * 2, self.pool.begin_with(how)).await;
        let begun = match begun {
            Ok(begun) => begun,
            Err(sqlx::Error::PoolTimedOut) => return Err(self.why_not(doing).await),
            Err(error) => return Err(failure(doing, &self.place, error)),
        };
        let door = Door::postgres(begun, self.place.clone(), writes, self.deadline);
        Ok(Box::new(SqlRows::new(door, Clock::system())))
    }

    /// A pool that gave up does not say why; one connection of our own does.
    async fn why_not(&self, doing: &'static str) -> StoreFailure {
        match connect(&self.options, self.deadline, &self.place).await {
            Err(mut failure) => {
                failure.doing = doing;
                failure
            }
            Ok(conn) => {
                let _ = within(self.deadline, conn.close()).await;
                StoreFailure::new(Trouble::Busy, doing, &self.place)
            }
        }
    }
}

impl AlertStore for PostgresStore {
    fn durability(&self) -> Durability {
        Durability { backend: "postgres", place: self.place.to_string(), survives_restart: true }
    }

    fn write(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(self.begin("BEGIN", "beginning to write", true))
    }

    fn read(&self) -> Pending<'_, Box<dyn Rows>> {
        const HOW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Box::pin(self.begin(HOW, "beginning to read", false))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.pool.close().await;
            Ok(())
        })
    }
}

/// What is to be done to tables of a database, of alerts or of others; with `apply` it is done. `table` is where those
/// who made them keep which migrations they applied.
pub async fn migrate(
    settings: &PostgresSettings,
    migrator: Migrator,
    table: &'static str,
    apply: bool,
) -> Result<Vec<Step>, StoreFailure> {
    let options = settings.options()?;
    let place = place_of(&options);
    let mut conn = connect(&options, settings.deadline, &place).await?;
    // Tables are as large as they are; only for a lock nobody waits longer than otherwise.
    let unbounded =
        sqlx::raw_sql("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0");
    let set = unbounded.execute(&mut conn).await;
    set.map_err(|error| failure("preparing a migration", &place, error))?;
    let steps = migrate::postgres(&mut conn, migrator, table, apply, &place).await;
    // What was committed stays, whatever becomes of the farewell.
    let _ = within(settings.deadline, conn.close()).await;
    steps
}

/// What a failed commit means: a connection that broke then leaves its outcome unknown.
pub fn commit_failure(place: &Arc<str>, error: sqlx::Error) -> StoreFailure {
    failure("committing", place, error).of_commit()
}

async fn connect(
    options: &PgConnectOptions,
    deadline: Duration,
    place: &Arc<str>,
) -> Result<PgConnection, StoreFailure> {
    let connected = within(deadline, options.connect()).await;
    connected.map_err(|error| failure("connecting", place, error))
}

/// What is acknowledged is on disk: a server that is told to be quick instead is told otherwise by us.
async fn keep_commits(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let set = "SELECT set_config('synchronous_commit', 'on', FALSE)
         WHERE current_setting('synchronous_commit') = 'off'";
    sqlx::query(set).execute(conn).await.map(drop)
}

/// Where it is, without user and password.
fn place_of(options: &PgConnectOptions) -> Arc<str> {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let place = match options.get_socket() {
        Some(socket) => format!("PostgreSQL at {} database {database}", socket.display()),
        None => {
            format!(
                "PostgreSQL at {}:{} database {database}",
                options.get_host(),
                options.get_port()
            )
        }
    };
    place.into()
}

/// What went wrong with a database, told apart by what a person does about it.
pub fn failure(doing: &'static str, place: &Arc<str>, error: sqlx::Error) -> StoreFailure {
    let trouble = match &error {
        sqlx::Error::Database(database) => trouble(database.code().as_deref().unwrap_or_default()),
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Trouble::Slow,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Trouble::Unreachable,
        sqlx::Error::PoolTimedOut => Trouble::Busy,
        _ => Trouble::Query,
    };
    StoreFailure::new(trouble, doing, place).because(error)
}

/// What a person does about an SQLSTATE.
fn trouble(code: &str) -> Trouble {
    match code {
        "53100" => Trouble::Full,
        // Out of memory or connections; lost a race for a lock.
        "53200" | "53300" | "40001" | "40P01" | "55P03" => Trouble::Busy,
        "57014" | "25P03" => Trouble::Slow,
        "57P01" | "57P02" | "57P03" => Trouble::Starting,
        "25006" => Trouble::ReadOnly,
        "3D000" => Trouble::NoDatabase,
        "42P01" | "42703" | "42883" => Trouble::NotMigrated,
        "XX001" | "XX002" => Trouble::Damaged,
        "42501" => Trouble::Denied,
        _ if code.starts_with("28") => Trouble::Denied,
        _ => Trouble::Query,
    }
}
