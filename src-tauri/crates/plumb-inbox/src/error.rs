//! What can go wrong, told apart by what a person does about it.

use std::{error::Error, fmt, sync::Arc};

use plumb_alert::{Refusal, Rejection};

use crate::store::NoPlace;

/// Why an inbox did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InboxError {
    /// A report is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The state of the alert or incident does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "this place is not one of this inbox any more, because it was made anew, alerts were removed from it, or another version of the program gave the place: read from the start"
    )]
    NoPlace,
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl From<NoPlace> for InboxError {
    fn from(_: NoPlace) -> Self {
        Self::NoPlace
    }
}

/// A store did not do what was attempted. Nothing of it was kept, unless [`Trouble::InDoubt`] says otherwise.
#[derive(Debug, Clone)]
pub struct StoreFailure {
    pub trouble: Trouble,
    pub doing: &'static str,
    /// The file, or the server and its database.
    pub place: Arc<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Others hold what is needed.
    Busy,
    /// It did not answer in time.
    Slow,
    /// Its disk is full.
    Full,
    /// Nobody answers there.
    Unreachable,
    /// It starts, stops or recovers.
    Starting,
    /// It is a standby, or was made read-only.
    ReadOnly,
    /// It does not let us in, or not do this.
    Denied,
    /// There is no such database.
    NoDatabase,
    /// Its tables are missing or old.
    NotMigrated,
    /// A newer program made its tables.
    Newer,
    Damaged,
    /// Whether the changes were kept is not known: the connection broke while they were being made durable.
    InDoubt,
    /// Anything else.
    Query,
}

impl Trouble {
    /// Whether the same call may succeed a little later without anybody doing something.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::Slow | Self::Unreachable | Self::Starting | Self::InDoubt)
    }
}

impl StoreFailure {
    /// Without a cause, as where tables are missing.
    pub fn new(trouble: Trouble, doing: &'static str, place: &Arc<str>) -> Self {
        Self { trouble, doing, place: place.clone(), source: None }
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// A connection that breaks in a commit leaves its outcome unknown.
    pub(crate) fn of_commit(mut self) -> Self {
        if matches!(self.trouble, Trouble::Unreachable | Trouble::Slow | Trouble::Starting) {
            self.trouble = Trouble::InDoubt;
        }
        self
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, place, .. } = self;
        match self.trouble {
            Trouble::Busy => {
                write!(f, "{place} was kept busy by others while {doing}: try again")
            }
            Trouble::Slow => write!(f, "{place} did not answer in time while {doing}: try again"),
            Trouble::Full => write!(
                f,
                "the disk of {place} is full while {doing}; nothing of it was kept: make room"
            ),
            Trouble::Unreachable => write!(
                f,
                "{place} cannot be reached while {doing}: look whether it runs and whether the address is right"
            ),
            Trouble::Starting => write!(
                f,
                "{place} is starting, stopping or recovering while {doing}: try again when it is up"
            ),
            Trouble::ReadOnly => write!(
                f,
                "{place} takes no changes while {doing}, it is in recovery, a standby or read-only: give the address of the primary"
            ),
            Trouble::Denied => write!(
                f,
                "{place} does not allow {doing}: look at user, password and rights of the database"
            ),
            Trouble::NoDatabase => {
                write!(f, "{place} does not exist, seen while {doing}: create the database first")
            }
            Trouble::NotMigrated => write!(
                f,
                "{place} lacks tables of this version, seen while {doing}: run `plumb hub migrate`"
            ),
            Trouble::Newer => write!(
                f,
                "{place} was migrated by a newer version of this program, seen while {doing}: update this one"
            ),
            Trouble::Damaged => write!(
                f,
                "{place} is damaged, seen while {doing}: restore a backup, or set it aside"
            ),
            Trouble::InDoubt => write!(
                f,
                "the connection to {place} broke while {doing}, so it is not known whether the changes were kept: look, or send them again"
            ),
            Trouble::Query => write!(f, "{doing} in {place}"),
        }
    }
}

impl Error for StoreFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
