//! What a hub knows beside packs and alerts: documents that change, and entries that are only added.
//!
//! Identities, desired versions, the lock and the mailbox are documents; audit and deployments are entries. A change is
//! one transaction over both: what is decided by a document is read in the turn of the one writer there is, and what was
//! read before says which version that was, so nobody overwrites what they have not seen. These few functions are all
//! that another store has to have.

mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_inbox::{PostgresSettings, Step, StoreFailure};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::migrate::MigrateError;
use tokio::sync::watch;

use crate::limits::DOCUMENTS_MAX;
use postgres::Postgres;
use sqlite::Sqlite;

/// Where a hub keeps what it knows beside packs and alerts.
#[derive(Debug, Clone)]
pub enum StatePlace {
    /// In `hub.sqlite` of its data folder: one hub, or several programs on one machine.
    Folder(PathBuf),
    /// In a database that hubs share.
    Postgres(PostgresSettings),
}

impl<P: AsRef<Path> + ?Sized> From<&P> for StatePlace {
    fn from(folder: &P) -> Self {
        Self::Folder(folder.as_ref().to_owned())
    }
}

/// Why the state was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{doing} {path}", path = path.display())]
    Sqlite {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: sqlx::Error,
    },
    #[error("{path} was written by a newer version of this program (schema {schema})", path = path.display())]
    Newer { path: PathBuf, schema: i64 },
    #[error("{path} cannot be brought up to date", path = path.display())]
    Migration {
        path: PathBuf,
        #[source]
        error: MigrateError,
    },
    #[error(transparent)]
    Server(#[from] StoreFailure),
    #[error("the stored {what} does not read back")]
    Malformed {
        what: &'static str,
        #[source]
        error: serde_json::Error,
    },
    #[error("{collection} {key:?} was changed by somebody else in the meantime: read it again")]
    Conflict { collection: &'static str, key: String },
}

/// Kinds of documents.
pub(crate) mod collection {
    pub(crate) const IDENTITY: &str = "identity";
    pub(crate) const PACK: &str = "pack";
    pub(crate) const DESIRED: &str = "desired";
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const REFUSED: &str = "refused";
    pub(crate) const MAIL: &str = "mail";
    pub(crate) const NODE: &str = "node";
}

/// Kinds of entries.
pub(crate) mod topic {
    pub(crate) const AUDIT: &str = "audit";
    pub(crate) const DEPLOYMENT: &str = "deployment";
    pub(crate) const DESIRED: &str = "desired";
    pub(crate) const DECISION: &str = "decision";
    pub(crate) const ALL: [&str; 4] = [AUDIT, DEPLOYMENT, DESIRED, DECISION];
}

/// A document as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Document<T> {
    pub(crate) key: String,
    pub(crate) version: i64,
    pub(crate) body: T,
}

/// An entry as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) subject: String,
    pub(crate) body: T,
}

/// Which entries.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    pub(crate) topic: &'static str,
    pub(crate) since: Timestamp,
    /// Only those before this number.
    pub(crate) before: i64,
    /// Of one subject; of any where it is empty.
    pub(crate) subject: String,
    pub(crate) limit: usize,
}

impl Entries {
    pub(crate) fn of(topic: &'static str) -> Self {
        let since = Timestamp::UNIX_EPOCH;
        Self { topic, since, before: i64::MAX, subject: String::new(), limit: DOCUMENTS_MAX }
    }
}

/// What is written of one document.
#[derive(Debug)]
enum Write {
    Insert { body: String },
    Update { version: i64, body: String },
}

/// All or nothing.
#[derive(Debug, Default)]
pub(crate) struct Change {
    writes: Vec<(&'static str, String, Write)>,
    entries: Vec<(&'static str, String, String)>,
    /// Others serve what it changes, and have to hear of it.
    told: bool,
}

impl Change {
    /// Writes a document; `version` is the one that was read, and none where there was none.
    pub(crate) fn put<T: Serialize>(
        mut self,
        collection: &'static str,
        key: &str,
        version: Option<i64>,
        body: &T,
    ) -> Self {
        let body = text(body);
        let write = match version {
            None => Write::Insert { body },
            Some(version) => Write::Update { version, body },
        };
        self.writes.push((collection, key.to_owned(), write));
        self.told |= matches!(collection, collection::PACK | collection::DESIRED);
        self
    }

    pub(crate) fn log<T: Serialize>(
        mut self,
        topic: &'static str,
        subject: &str,
        body: &T,
    ) -> Self {
        self.entries.push((topic, subject.to_owned(), text(body)));
        self
    }
}

fn text<T: Serialize>(body: &T) -> String {
    serde_json::to_string(body).expect("documents of ours always serialise")
}

/// The state of one hub. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    revision: watch::Sender<i64>,
}

/// One of both stores, which do the same.
#[derive(Debug)]
enum Store {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Somebody's turn to change the state: others wait, in this process and in others. What is dropped without
/// [`Turn::commit`] changes nothing.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    state: &'a State,
    store: StoreTurn<'a>,
}

#[derive(Debug)]
enum StoreTurn<'a> {
    Sqlite(sqlite::Turn<'a>),
    Postgres(postgres::Turn<'a>),
}

macro_rules! either {
    ($store:expr, $method:ident($($arg:expr),*)) => {
        match &$store {
            Store::Sqlite(store) => store.$method($($arg),*).await,
            Store::Postgres(store) => store.$method($($arg),*).await,
        }
    };
}

impl State {
    /// Opens or makes `hub.sqlite` in a folder, or opens a database whose tables are there.
    pub(crate) async fn open(place: &StatePlace) -> Result<Self, StateError> {
        let store = match place {
            StatePlace::Folder(folder) => {
                Store::Sqlite(Sqlite::open(&folder.join("hub.sqlite")).await?)
            }
            StatePlace::Postgres(settings) => Store::Postgres(Postgres::open(settings).await?),
        };
        let revision = watch::Sender::new(either!(store, revision())?);
        Ok(Self(Arc::new(Inner { store, revision })))
    }

    /// What is to be done to the tables of a database; with `apply` it is done.
    pub(crate) async fn migrate(
        settings: &PostgresSettings,
        apply: bool,
    ) -> Result<Vec<Step>, StateError> {
        Postgres::migrate(settings, apply).await
    }

    /// The time that decides between hubs: that of the database they share, else that of this machine.
    pub(crate) async fn now(&self, here: Timestamp) -> Result<Timestamp, StateError> {
        match &self.0.store {
            Store::Sqlite(_) => Ok(here),
            Store::Postgres(store) => store.now().await,
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        collection: &'static str,
        key: &str,
    ) -> Result<Option<Document<T>>, StateError> {
        let found = either!(self.0.store, get(collection, key))?;
        found.map(|document| read(collection, document)).transpose()
    }

    /// Documents whose key begins so, in order.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        collection: &'static str,
        prefix: &str,
    ) -> Result<Vec<Document<T>>, StateError> {
        let found = either!(self.0.store, list(collection, prefix))?;
        found.into_iter().map(|document| read(collection, document)).collect()
    }

    /// Entries, newest first.
    pub(crate) async fn entries<T: DeserializeOwned>(
        &self,
        wanted: &Entries,
    ) -> Result<Vec<Entry<T>>, StateError> {
        let found = either!(self.0.store, entries(wanted))?;
        let read = |entry: Entry<String>| {
            let body = parse(wanted.topic, &entry.body)?;
            Ok(Entry { seq: entry.seq, at: entry.at, subject: entry.subject, body })
        };
        found.into_iter().map(read).collect()
    }

    /// Makes a change durable, and wakes whoever waits for one.
    pub(crate) async fn commit(&self, change: &Change, now: Timestamp) -> Result<(), StateError> {
        self.turn().await?.commit(change, now).await
    }

    /// Changes one document by what is read of it. Whoever decides too is waited for, and nobody comes in between.
    pub(crate) async fn change<T, E>(
        &self,
        collection: &'static str,
        key: &str,
        now: Timestamp,
        decide: impl FnOnce(Option<T>) -> Result<(T, Change), E>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<StateError>,
    {
        let mut turn = self.turn().await?;
        let (version, body) = turn.read::<T>(collection, key).await?;
        let (body, change) = decide(body)?;
        turn.commit(&change.put(collection, key, version, &body), now).await?;
        Ok(body)
    }

    /// Waits for the turn to change something.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, StateError> {
        let store = match &self.0.store {
            Store::Sqlite(store) => StoreTurn::Sqlite(store.turn().await?),
            Store::Postgres(store) => StoreTurn::Postgres(store.turn().await?),
        };
        Ok(Turn { state: self, store })
    }

    /// How many entries are older, and removes them where asked to.
    pub(crate) async fn expire(
        &self,
        topic: &'static str,
        before: Timestamp,
        remove: bool,
    ) -> Result<u64, StateError> {
        either!(self.0.store, expire(topic, before, remove))
    }

    /// Resolves when what is served may have changed, also by other processes as soon as [`Self::look`] sees it.
    pub(crate) fn changes(&self) -> watch::Receiver<i64> {
        self.0.revision.subscribe()
    }

    /// Keeps the newest entries of a topic.
    pub(crate) async fn keep_newest(
        &self,
        topic: &'static str,
        count: usize,
    ) -> Result<(), StateError> {
        either!(self.0.store, keep_newest(topic, count))
    }

    /// Looks whether another process changed something.
    pub(crate) async fn look(&self) -> Result<(), StateError> {
        let revision = either!(self.0.store, revision())?;
        self.tell(revision);
        Ok(())
    }

    fn tell(&self, revision: i64) {
        self.0.revision.send_if_modified(|known| {
            let newer = revision > *known;
            *known = revision.max(*known);
            newer
        });
    }

    pub(crate) async fn close(&self) {
        either!(self.0.store, close());
    }
}

impl Turn<'_> {
    /// The time that decides, now that nobody else can change anything: that of the database hubs share, else that of
    /// this machine.
    pub(crate) async fn now(&mut self, here: Timestamp) -> Result<Timestamp, StateError> {
        match &mut self.store {
            StoreTurn::Sqlite(_) => Ok(here),
            StoreTurn::Postgres(turn) => turn.now().await,
        }
    }

    /// A document and its version, where there is one.
    pub(crate) async fn read<T: DeserializeOwned>(
        &mut self,
        collection: &'static str,
        key: &str,
    ) -> Result<(Option<i64>, Option<T>), StateError> {
        let found = match &mut self.store {
            StoreTurn::Sqlite(turn) => turn.get(collection, key).await,
            StoreTurn::Postgres(turn) => turn.get(collection, key).await,
        };
        let Some(document) = found? else { return Ok((None, None)) };
        let document = read(collection, document)?;
        Ok((Some(document.version), Some(document.body)))
    }

    /// Makes a change durable, ends the turn, and wakes whoever waits for one.
    pub(crate) async fn commit(self, change: &Change, now: Timestamp) -> Result<(), StateError> {
        let revision = match self.store {
            StoreTurn::Sqlite(turn) => turn.commit(change, now).await?,
            StoreTurn::Postgres(turn) => turn.commit(change, now).await?,
        };
        self.state.tell(revision);
        Ok(())
    }
}

fn read<T: DeserializeOwned>(
    collection: &'static str,
    document: Document<String>,
) -> Result<Document<T>, StateError> {
    let body = parse(collection, &document.body)?;
    Ok(Document { key: document.key, version: document.version, body })
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|error| StateError::Malformed { what, error })
}
