//! Tables of an inbox, made and brought up to date; done twice it changes nothing.

use std::sync::Arc;

use sqlx::{
    PgConnection, SqliteConnection,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::{
    error::{StoreFailure, Trouble},
    postgres, sqlite,
};

/// Beside those of the console in one file.
pub(crate) const TABLE: &str = "inbox_migrations";

/// One change of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub number: i64,
    pub name: String,
    pub sql: String,
}

/// What becomes of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was there before.
    Applied(Migration),
    /// It was applied now, or would be.
    Pending(Migration),
}

impl Step {
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}

fn named(mut migrator: Migrator, table: &'static str) -> Migrator {
    migrator.dangerous_set_table_name(table);
    migrator
}

fn of_sqlite() -> Migrator {
    named(sqlx::migrate!("migrations/sqlite"), TABLE)
}

pub(crate) fn of_postgres() -> Migrator {
    sqlx::migrate!("migrations/postgres")
}

pub(crate) fn all_pending_sqlite() -> Vec<Step> {
    steps(&of_sqlite(), &[])
}

/// What is to be done, and with `apply` it is done.
pub(crate) async fn sqlite(
    conn: &mut SqliteConnection,
    apply: bool,
    place: &Arc<str>,
) -> Result<Vec<Step>, StoreFailure> {
    let known: Result<bool, _> =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = $1)")
            .bind(TABLE)
            .fetch_one(&mut *conn)
            .await;
    let known = known.map_err(|error| sqlite::failure("looking at its tables", place, error))?;
    carry_out(conn, of_sqlite(), TABLE, known, apply)
        .await
        .map_err(|error| failure(error, place, sqlite::failure))
}

/// As [`sqlite`].
pub(crate) async fn postgres(
    conn: &mut PgConnection,
    migrator: Migrator,
    table: &'static str,
    apply: bool,
    place: &Arc<str>,
) -> Result<Vec<Step>, StoreFailure> {
    let known: Result<bool, _> = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(&mut *conn)
        .await;
    let known = known.map_err(|error| postgres::failure("looking at its tables", place, error))?;
    carry_out(conn, named(migrator, table), table, known, apply)
        .await
        .map_err(|error| failure(error, place, postgres::failure))
}

async fn carry_out<C: Migrate>(
    conn: &mut C,
    migrator: Migrator,
    table: &str,
    known: bool,
    apply: bool,
) -> Result<Vec<Step>, MigrateError> {
    let applied = if known { conn.list_applied_migrations(table).await? } else { Vec::new() };
    let numbers: Vec<i64> = applied.iter().map(|applied| applied.version).collect();
    if let Some(newer) = numbers.iter().find(|number| !migrator.version_exists(**number)) {
        return Err(MigrateError::VersionMissing(*newer));
    }
    let steps = steps(&migrator, &numbers);
    if apply {
        migrator.run_direct(None, conn, false).await?;
    }
    Ok(steps)
}

fn steps(migrator: &Migrator, applied: &[i64]) -> Vec<Step> {
    let step = |migration: &sqlx::migrate::Migration| {
        let told = Migration {
            number: migration.version,
            name: migration.description.to_string(),
            sql: migration.sql.as_str().to_owned(),
        };
        if applied.contains(&told.number) { Step::Applied(told) } else { Step::Pending(told) }
    };
    migrator.iter().map(step).collect()
}

fn failure(
    error: MigrateError,
    place: &Arc<str>,
    of: fn(&'static str, &Arc<str>, sqlx::Error) -> StoreFailure,
) -> StoreFailure {
    const DOING: &str = "migrating";
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            of(DOING, place, error)
        }
        MigrateError::VersionMissing(_) => {
            StoreFailure::new(Trouble::Newer, DOING, place).because(error)
        }
        error => StoreFailure::new(Trouble::Damaged, DOING, place).because(error),
    }
}
