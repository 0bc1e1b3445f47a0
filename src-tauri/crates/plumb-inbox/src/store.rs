//! What a store does: rows in transactions. It decides nothing.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use jiff::Timestamp;
use plumb_alert::{
    Alert, AlertRef, Appended, Incident, IncidentRef, SignatureState, Status, TimelineEntry,
};
use serde::{Deserialize, Serialize};

use crate::error::StoreFailure;

/// What a store answers, later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFailure>> + Send + 'a>>;

/// Where alerts and incidents are kept.
pub trait AlertStore: Send + Sync + fmt::Debug {
    /// What becomes of rows when the program or the machine stops.
    fn durability(&self) -> Durability;

    /// Begins changes: all of them at [`Rows::commit`], or none when dropped.
    fn write(&self) -> Pending<'_, Box<dyn Rows>>;

    /// Begins a consistent view. Rows that are read in it are not locked, and nothing can be put.
    fn read(&self) -> Pending<'_, Box<dyn Rows>>;

    /// Waits for what is going on and lets go of files and connections.
    fn close(&self) -> Pending<'_, ()>;
}

/// The rows as one transaction sees them. What it reads by reference, key or claim it also locks, where others could
/// change it meanwhile; locks are taken in the order alerts, signatures, incidents, so that no two wait for each other.
pub trait Rows: Send {
    /// The time by the clock that all users of this store share, in whole milliseconds.
    fn now(&mut self) -> Pending<'_, Timestamp>;

    /// Waits for everybody else who locked one of these names. The caller sorts nothing.
    fn lock<'a>(&'a mut self, names: &'a [String]) -> Pending<'a, ()>;

    /// The newest alert of each fingerprint that has one.
    fn newest<'a>(&'a mut self, fingerprints: &'a [String]) -> Pending<'a, Vec<Alert>>;

    fn alert<'a>(&'a mut self, alert: &'a AlertRef) -> Pending<'a, Option<Alert>>;

    /// Claimed or failed alerts whose lease or pause is over, but for those that another transaction works on.
    fn due(&mut self, now: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>>;

    /// New alerts that were seen since then, the worst and then the oldest first, but for those that another
    /// transaction works on.
    fn unclaimed(&mut self, since: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>>;

    /// Keeps alerts, whether they are known or not. Each takes the next number of a change, in the order given here. Whoever
    /// else keeps some waits from now on until this is committed or dropped, so that numbers become visible in their
    /// order: what waits for others comes before.
    fn put_alerts<'a>(&'a mut self, alerts: &'a [Alert]) -> Pending<'a, ()>;

    /// Alerts that changed after a number, in the order in which they did, each with the number of its newest change.
    /// None is locked.
    fn changed(&mut self, after: u64, limit: u32) -> Pending<'_, Vec<(u64, Alert)>>;

    /// The number after which so many of the newest alerts changed.
    fn before_newest(&mut self, alerts: u32) -> Pending<'_, u64>;

    /// Where somebody stands who has read everything.
    fn tip(&mut self) -> Pending<'_, Tip>;

    /// Alerts for a person, those seen last first. None is locked.
    fn alerts<'a>(&'a mut self, query: &'a AlertQuery) -> Pending<'a, Vec<Alert>>;

    fn incident<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Option<Incident>>;

    /// The newest incident of a signature that is not closed.
    fn open_incident<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<Incident>>;

    /// Incidents for a person: those that are worked on before the others, the worst and then the newest first. None is locked.
    fn incidents<'a>(&'a mut self, query: &'a IncidentQuery) -> Pending<'a, Vec<Incident>>;

    /// Keeps incidents and adds to their timelines; an entry that is there already is an error.
    fn append<'a>(&'a mut self, appended: &'a [Appended]) -> Pending<'a, ()>;

    fn timeline<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Vec<TimelineEntry>>;

    fn signature<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<SignatureState>>;

    fn put_signature<'a>(&'a mut self, state: &'a SignatureState) -> Pending<'a, ()>;

    /// Counts of what was seen since then.
    fn dashboard(&mut self, since: Timestamp, now: Timestamp) -> Pending<'_, Dashboard>;

    /// How many alerts were acknowledged before then, and when the first and last of them.
    fn expiring(&mut self, before: Timestamp) -> Pending<'_, Expiring>;

    /// Removes some of them, and says how many. Places of before are good for nothing afterwards.
    fn expire(&mut self, before: Timestamp, limit: u32) -> Pending<'_, u64>;

    /// Makes the changes as durable as the store can.
    fn commit(self: Box<Self>) -> Pending<'static, ()>;
}

/// Whether rows survive, in words for a header and a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// `sqlite`, `postgres` or `memory`.
    pub backend: &'static str,
    /// The file, or the server and its database; never a password.
    pub place: String,
    pub survives_restart: bool,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.survives_restart {
            write!(f, "{}, durable, {}", self.backend, self.place)
        } else {
            write!(f, "{}: EVERY ALERT AND INCIDENT IS LOST WHEN THIS PROGRAM STOPS", self.backend)
        }
    }
}

/// Tells the time where the store has no clock of its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    pub(crate) fn now(&self) -> Timestamp {
        whole_ms((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Stores keep milliseconds, so what is decided is decided with them.
pub(crate) fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Which alerts; everything where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertQuery {
    /// Seen since then.
    pub since: Timestamp,
    pub env: Option<String>,
    pub service: Option<String>,
    pub source: Option<String>,
    pub signature: Option<String>,
    pub incident: Option<IncidentRef>,
    pub status_in: Vec<Status>,
    /// Only those that stand after this one, for the next page.
    pub after: Option<(Timestamp, AlertRef)>,
    pub limit: u32,
}

impl AlertQuery {
    pub fn since(since: Timestamp, limit: u32) -> Self {
        Self {
            since,
            env: None,
            service: None,
            source: None,
            signature: None,
            incident: None,
            status_in: Vec::new(),
            after: None,
            limit,
        }
    }
}

/// Up to where somebody read what changes in an inbox. As text it says nothing to anybody but the inbox that gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Of this run of numbers: another begins with a store made anew, and when alerts were removed.
    pub(crate) feed: String,
    /// The number of the newest change that they know.
    pub(crate) change: u64,
}

/// A text is no place that an inbox of this version gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.feed, self.change)
    }
}

impl std::str::FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (feed, change) = text.split_once('.').ok_or(NoPlace)?;
        let sound = !feed.is_empty() && feed.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !sound || !change.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoPlace);
        }
        Ok(Self { feed: feed.to_owned(), change: change.parse().map_err(|_| NoPlace)? })
    }
}

/// A name for a run of numbers that no other has.
pub(crate) fn feed_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// What was kept last: the place where nothing is left to read, and as many entries as all timelines have together, for
/// whatever becomes of an incident adds one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tip {
    pub place: Place,
    pub entries: u64,
}

/// Which incidents; those that are closed only when asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    pub service: Option<String>,
    pub with_closed: bool,
    pub limit: u32,
}

/// Counts for a dashboard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dashboard {
    pub by_status: Vec<StatusCount>,
    /// Claims whose lease is over, and that nobody has taken again.
    pub stale: u64,
    /// Signatures with most alerts first, ten at most.
    pub signatures: Vec<SignatureCount>,
    /// Who told something, in order of name.
    pub sources: Vec<SourceSeen>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCount {
    pub status: Status,
    pub alerts: u64,
    pub occurrences: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureCount {
    pub signature: String,
    pub alerts: u64,
    pub occurrences: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSeen {
    pub source: String,
    pub alerts: u64,
    pub last_seen_at: Timestamp,
}

/// What retention would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expiring {
    pub alerts: u64,
    pub first_acked_at: Option<Timestamp>,
    pub last_acked_at: Option<Timestamp>,
}
