//! One transaction of either server: a statement with its values goes in, JSON documents come out.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Encode, Postgres, Sqlite, Transaction, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use super::statements::Statement;
use crate::{
    error::{StoreFailure, Trouble},
    postgres, sqlite,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Sqlite,
    Postgres,
}

/// A value of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Bind {
    Int(i64),
    Text(Option<String>),
    At(Option<Timestamp>),
}

impl Bind {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

#[derive(Debug)]
enum Begun {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// One transaction, and what its errors need to say.
#[derive(Debug)]
pub(crate) struct Door {
    begun: Begun,
    place: Arc<str>,
    /// Whether rows are read to be changed.
    writes: bool,
    deadline: Duration,
}

macro_rules! bound {
    ($query:expr, $binds:expr, $moment:expr) => {{
        let mut query = $query;
        for bind in $binds {
            query = match bind {
                Bind::Int(number) => query.bind(number),
                Bind::Text(text) => query.bind(text),
                Bind::At(at) => query.bind(at.map($moment)),
            };
        }
        query
    }};
}

impl Door {
    pub(crate) fn sqlite(
        begun: Transaction<'static, Sqlite>,
        place: Arc<str>,
        deadline: Duration,
    ) -> Self {
        Self { begun: Begun::Sqlite(begun), place, writes: false, deadline }
    }

    pub(crate) fn postgres(
        begun: Transaction<'static, Postgres>,
        place: Arc<str>,
        writes: bool,
        deadline: Duration,
    ) -> Self {
        Self { begun: Begun::Postgres(begun), place, writes, deadline }
    }

    pub(crate) fn server(&self) -> Server {
        match self.begun {
            Begun::Sqlite(_) => Server::Sqlite,
            Begun::Postgres(_) => Server::Postgres,
        }
    }

    /// The first column of every row.
    pub(crate) async fn fetch(
        &mut self,
        doing: &'static str,
        statement: &'static Statement,
        binds: Vec<Bind>,
    ) -> Result<Vec<String>, StoreFailure> {
        let (place, deadline) = (&self.place, self.deadline);
        match &mut self.begun {
            Begun::Sqlite(begun) => {
                let query =
                    bound!(sqlx::query_scalar(statement.sqlite), binds, Timestamp::as_millisecond);
                let rows = within(deadline, query.fetch_all(&mut **begun)).await;
                rows.map_err(|error| sqlite::failure(doing, place, error))
            }
            Begun::Postgres(begun) => {
                let words = if self.writes { statement.locking } else { statement.postgres };
                let query = bound!(sqlx::query_scalar(words), binds, Moment);
                let rows = within(deadline, query.fetch_all(&mut **begun)).await;
                rows.map_err(|error| postgres::failure(doing, place, error))
            }
        }
    }

    /// As [`Self::fetch`], each row read as a document.
    pub(crate) async fn documents<T: DeserializeOwned>(
        &mut self,
        doing: &'static str,
        statement: &'static Statement,
        binds: Vec<Bind>,
    ) -> Result<Vec<T>, StoreFailure> {
        let rows = self.fetch(doing, statement, binds).await?;
        let read = rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>();
        read.map_err(|error| self.failure(Trouble::Damaged, doing).because(error))
    }

    /// How many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        doing: &'static str,
        statement: &'static Statement,
        binds: Vec<Bind>,
    ) -> Result<u64, StoreFailure> {
        let (place, deadline) = (&self.place, self.deadline);
        match &mut self.begun {
            Begun::Sqlite(begun) => {
                let query = bound!(sqlx::query(statement.sqlite), binds, Timestamp::as_millisecond);
                let done = within(deadline, query.execute(&mut **begun)).await;
                let done = done.map_err(|error| sqlite::failure(doing, place, error));
                done.map(|done| done.rows_affected())
            }
            Begun::Postgres(begun) => {
                let query = bound!(sqlx::query(statement.postgres), binds, Moment);
                let done = within(deadline, query.execute(&mut **begun)).await;
                let done = done.map_err(|error| postgres::failure(doing, place, error));
                done.map(|done| done.rows_affected())
            }
        }
    }

    /// Keeps rows, all in one statement.
    pub(crate) async fn put<T: Serialize>(
        &mut self,
        doing: &'static str,
        statement: &'static Statement,
        rows: &[T],
    ) -> Result<(), StoreFailure> {
        if rows.is_empty() {
            return Ok(());
        }
        let list = serde_json::to_string(rows).expect("rows are plain data");
        self.execute(doing, statement, vec![Bind::Text(Some(list))]).await.map(drop)
    }

    pub(crate) async fn commit(self) -> Result<(), StoreFailure> {
        const DOING: &str = "committing";
        let place = &self.place;
        match self.begun {
            Begun::Sqlite(begun) => {
                let done = within(self.deadline, begun.commit()).await;
                done.map_err(|error| sqlite::failure(DOING, place, error))
            }
            Begun::Postgres(begun) => {
                let done = within(self.deadline, begun.commit()).await;
                done.map_err(|error| postgres::failure(DOING, place, error).of_commit())
            }
        }
    }

    pub(crate) fn failure(&self, trouble: Trouble, doing: &'static str) -> StoreFailure {
        StoreFailure::new(trouble, doing, &self.place)
    }

    /// A row that does not read back.
    pub(crate) fn unreadable(
        &self,
        doing: &'static str,
        problem: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreFailure {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
        self.failure(Trouble::Damaged, doing).because(error)
    }
}

/// No answer in time counts as none.
pub async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => done,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A moment as PostgreSQL takes it: microseconds since 2000.
#[derive(Debug, Clone, Copy)]
struct Moment(Timestamp);

const TIMESTAMPTZ: Oid = Oid(1184);
const YEAR_2000_MICROSECONDS: i64 = 946_684_800_000_000;

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since_2000 = self.0.as_microsecond() - YEAR_2000_MICROSECONDS;
        <i64 as Encode<Postgres>>::encode(since_2000, buffer)
    }
}
