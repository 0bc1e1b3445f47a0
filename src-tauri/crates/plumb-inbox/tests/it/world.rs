//! Stores on which a test can turn the clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use plumb_alert::{
    Acknowledgement, Alert, Caller, Draft, Failure, Labels, RoutingPolicy, Severity,
};
use plumb_inbox::{
    AlertStore, ClaimRequest, Clock, Inbox, MemoryStore, PostgresSettings, PostgresStore,
    SqliteStore,
};
use plumb_store::{Database, Kind};
use plumb_testkit::postgres::Postgres;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The clock of every world at its beginning.
const NOON_MS: i64 = 1_772_539_200_000;

/// The server tells the time that a test wants: its function stands before that of the system on the search path.
const CLOCK: &str = "
    CREATE SCHEMA told;
    CREATE TABLE told.moment AS SELECT to_timestamp(1772539200) AS now;
    CREATE FUNCTION told.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT now FROM told.moment';
";
const SEARCH_PATH: &str = "options=-c%20search_path%3Dtold%2Cpg_catalog%2Cpublic";

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Memory,
    Sqlite,
    /// The console's own record.
    Console,
    Postgres,
}

/// A store with its clock.
pub(crate) struct World {
    pub(crate) of: Of,
    ms: Arc<AtomicI64>,
    folder: TempDir,
    memory: MemoryStore,
    /// To the server's clock.
    hand: Option<Mutex<PgConnection>>,
    server: Option<Arc<Postgres>>,
    /// Of that server.
    database: String,
}

impl World {
    /// Nothing where PostgreSQL is not installed.
    pub(crate) async fn new(of: Of, test: &str) -> Option<Self> {
        let server = match of {
            Of::Postgres => Some(Arc::new(Postgres::start(test)?)),
            _ => None,
        };
        Some(Self::on(of, server, "postgres").await)
    }

    /// Another store of the same kind, in a database of its own of the same server.
    pub(crate) async fn beside(&self, name: &str) -> Self {
        if let Some(server) = &self.server {
            sql(server, "postgres", &format!("CREATE DATABASE {name}")).await;
        }
        Self::on(self.of, self.server.clone(), name).await
    }

    async fn on(of: Of, server: Option<Arc<Postgres>>, database: &str) -> Self {
        let ms = Arc::new(AtomicI64::new(NOON_MS));
        // Where the disk costs nothing: what is slow is not what these tests look at.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::tempdir_in(folder).expect("a folder for a store");
        let memory = MemoryStore::new(clock(&ms));
        let database = database.to_owned();
        let mut world = Self { of, memory, hand: None, ms, folder, server, database };
        if let Some(server) = &world.server {
            sql(server, &world.database, CLOCK).await;
            let hand = PgConnection::connect(&server.dsn(&world.database)).await;
            world.hand = Some(Mutex::new(hand.expect("it runs")));
            PostgresStore::migrate(&world.settings()).await.expect("an empty database");
        }
        world
    }

    pub(crate) fn settings(&self) -> PostgresSettings {
        let server = self.server.as_ref().expect("a server");
        let dsn = format!("{}?{SEARCH_PATH}", server.dsn(&self.database));
        PostgresSettings { deadline: Duration::from_secs(20), ..PostgresSettings::new(dsn) }
    }

    /// Opens the store anew, as a program does that was started again.
    pub(crate) async fn store(&self) -> Arc<dyn AlertStore> {
        let clock = clock(&self.ms);
        match self.of {
            Of::Memory => Arc::new(self.memory.clone()),
            Of::Sqlite => {
                let path = self.folder.path().join("alerts.sqlite");
                Arc::new(SqliteStore::open(&path, clock).await.expect("a file"))
            }
            Of::Console => {
                let path = self.folder.path().join(Kind::Record.file_name());
                let opened = Database::open(&path, Kind::Record).await.expect("a record");
                assert!(opened.notices.is_empty(), "{:?}", opened.notices);
                Arc::new(opened.database.alerts(clock))
            }
            Of::Postgres => {
                Arc::new(PostgresStore::open(&self.settings()).await.expect("a database"))
            }
        }
    }

    pub(crate) async fn inbox(&self) -> Inbox {
        self.inbox_under("{}").await
    }

    /// Under a routing policy.
    pub(crate) async fn inbox_under(&self, policy: &str) -> Inbox {
        let policy = RoutingPolicy::from_yaml(policy).expect("a policy");
        Inbox::new(self.store().await, policy)
    }

    /// Time goes on; back, where the seconds are negative.
    pub(crate) async fn wait(&self, seconds: i64) {
        self.ms.fetch_add(seconds * 1_000, Ordering::SeqCst);
        if let Some(hand) = &self.hand {
            let turn = "UPDATE told.moment SET now = now + make_interval(secs => $1)";
            let turn =
                sqlx::query(turn).bind(f64::from(i32::try_from(seconds).expect("some days")));
            turn.execute(&mut *hand.lock().await).await.expect("it runs");
        }
    }

    /// Returns when somebody waits for somebody else at the server.
    pub(crate) async fn somebody_waits(&self) {
        let hand = self.hand.as_ref().expect("a server");
        loop {
            let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)";
            let waiting = sqlx::query_scalar(waiting).fetch_one(&mut *hand.lock().await).await;
            if waiting.expect("it runs") {
                return;
            }
        }
    }
}

/// Statements of a person at the server.
pub(crate) async fn sql(server: &Postgres, database: &str, statements: &str) {
    let mut conn = PgConnection::connect(&server.dsn(database)).await.expect("it runs");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()));
    done.execute(&mut conn).await.expect("statements of a test");
    conn.close().await.expect("it runs");
}

fn clock(ms: &Arc<AtomicI64>) -> Clock {
    let ms = ms.clone();
    Clock::new(move || at_ms(ms.load(Ordering::SeqCst)))
}

fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("near today")
}

/// So many seconds after the beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    at_ms(NOON_MS + seconds * 1_000)
}

pub(crate) fn draft(service: &str, title: &str) -> Draft {
    Draft {
        source: "monitor@node1".to_owned(),
        service: service.to_owned(),
        env: "prod".to_owned(),
        kind: "slo_breach".to_owned(),
        title: title.to_owned(),
        severity: Severity::P2,
        labels: Labels::from([("node".to_owned(), "gw-1".to_owned())]),
        ..Draft::default()
    }
}

pub(crate) async fn taken(inbox: &Inbox, draft: Draft) -> Alert {
    inbox.ingest(draft).await.expect("accepted").value.alert().clone()
}

pub(crate) fn claim(owner: &str, limit: u32) -> ClaimRequest {
    ClaimRequest {
        owner: owner.to_owned(),
        window_minutes: Some(240),
        limit,
        lock_ttl_seconds: Some(600),
    }
}

pub(crate) fn ack(by: &str) -> Acknowledgement {
    Acknowledgement { caller: Caller::new(by), note: "false positive".to_owned() }
}

pub(crate) fn failure(by: &str, retry_after_s: i64) -> Failure {
    Failure { caller: Caller::new(by), error: "gateway timeout".to_owned(), retry_after_s }
}
