//! Which store is taken, by what the environment says.

use std::path::PathBuf;

use plumb_inbox::{BackendError, Clock, Settings, SqliteStore, Step, Trouble};

const DSN: &str = "postgresql://user:secret@host:5432/alerts";

fn check(set: &[(&str, &str)]) -> String {
    let variable =
        |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
    match Settings::decide(variable, PathBuf::from("hub/alerts.sqlite")) {
        Ok(Settings::Postgres(settings)) => format!("postgres {}", settings.dsn),
        Ok(Settings::Sqlite(path)) => format!("sqlite {}", path.display()),
        Ok(Settings::Memory) => "memory".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// R111, R112, R154, R155, with SQLite where others fall back to memory.
#[test]
fn the_environment_decides_and_nothing_is_forgotten_unless_asked_for() {
    let (sqlite, postgres) = ("sqlite hub/alerts.sqlite", format!("postgres {DSN}"));
    let other = "postgresql://other/db";
    assert_eq!(check(&[]), sqlite);
    assert_eq!(check(&[("ALERT_BACKEND", "")]), sqlite);
    assert_eq!(check(&[("DATABASE_URL", DSN)]), sqlite, "unset means SQLite");
    assert_eq!(check(&[("ALERT_BACKEND", "auto")]), sqlite, "not memory");
    assert_eq!(check(&[("ALERT_BACKEND", "auto"), ("DATABASE_URL", DSN)]), postgres);
    let both = [("ALERT_DATABASE_URL", DSN), ("DATABASE_URL", other)];
    assert_eq!(check(&[("ALERT_BACKEND", "postgres"), both[0], both[1]]), postgres);
    assert_eq!(check(&[("ALERT_BACKEND", "sqlite"), both[0]]), sqlite);
    assert_eq!(check(&[("ALERT_BACKEND", "memory"), both[0]]), "memory");
    let missing = check(&[("ALERT_BACKEND", "postgres")]);
    assert!(missing.contains("ALERT_DATABASE_URL"), "{missing}");
    let unknown = check(&[("ALERT_BACKEND", "redis")]);
    assert!(unknown.contains("use auto, sqlite, postgres or memory"), "{unknown}");
    let foreign = check(&[("ALERT_BACKEND", "auto"), ("DATABASE_URL", "mysql://user:pw@host/db")]);
    assert!(foreign.contains("DATABASE_URL names no PostgreSQL") && !foreign.contains("pw"));
}

#[test]
fn an_address_is_never_shown_with_its_password() {
    let settings = Settings::postgres("--dsn", DSN.to_owned()).expect("an address");
    assert!(!format!("{settings:?}").contains("secret"));
}

#[tokio::test]
async fn memory_says_loudly_that_it_forgets() {
    let store = Settings::Memory.open().await.expect("memory is there");
    let durability = store.durability();
    assert!(!durability.survives_restart && durability.to_string().contains("IS LOST"));
}

#[tokio::test]
async fn migrations_on_sqlite_are_previewed_and_done_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub/alerts.sqlite");
    let preview = SqliteStore::preview(&path).await.expect("nothing is there yet");
    assert!(preview.iter().all(Step::is_pending) && !preview.is_empty());
    assert!(!path.exists(), "a preview makes nothing");
    assert_eq!(SqliteStore::migrate(&path).await.expect("a file"), preview);
    let again = SqliteStore::migrate(&path).await.expect("a file");
    assert!(!again.iter().any(Step::is_pending));
    assert_eq!(SqliteStore::preview(&path).await.expect("a file"), again);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alerts.sqlite");
    std::fs::write(&path, "not a database, but more than one page of it ".repeat(200)).expect("ok");
    let failed = SqliteStore::open(&path, Clock::system()).await.expect_err("no database");
    assert_eq!(failed.trouble, Trouble::Damaged);
    assert!(std::fs::read_to_string(&path).expect("it is left").starts_with("not a database"));
    let settings = Settings::Sqlite(path);
    assert!(matches!(settings.open().await, Err(BackendError::Store(_))));
}
