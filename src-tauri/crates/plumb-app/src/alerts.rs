//! Alerts and incidents as a console works on them: its own inbox, or the one of a team's hub.
//!
//! What queries read of an inbox is kept in memory ([`mirror::Mirror`]): the alert that was changed here is replaced in it,
//! and all of it is read again when somebody else changed the store.

pub(crate) mod desk;
pub(crate) mod guides;
pub(crate) mod hub;
pub(crate) mod lines;
pub(crate) mod mirror;

use std::sync::{Arc, Mutex, RwLock};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_alert::{Alert, RoutingPolicy};
use plumb_inbox::{AlertQuery, Clock, Inbox, InboxError, LIST_MAX};
use plumb_store::Database;

use self::mirror::Mirror;
use crate::{
    error::{AppError, Code, chain},
    ports::clock::WallClock,
};

/// Name of the policy file in the folder of the console's files.
const POLICY_FILE: &str = "alert_routing_policy.yml";
/// Largest policy file in bytes: some thousand rules.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// The console's own inbox, and what is known of it.
#[derive(Debug)]
pub(crate) struct OwnInbox {
    /// Replaced with the record that it is in.
    inbox: RwLock<Inbox>,
    mirror: Mutex<Option<Arc<Mirror>>>,
    /// The mirror is read from the store for the first who asks.
    reading: tokio::sync::Mutex<()>,
}

impl OwnInbox {
    pub(crate) fn open(record: &Database, clock: &WallClock, policy: RoutingPolicy) -> Self {
        Self {
            inbox: RwLock::new(inbox_in(record, clock, policy)),
            mirror: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn inbox(&self) -> Inbox {
        self.inbox.read().expect("no panic while the inbox is held").clone()
    }

    /// The record was set aside and begun anew, and so was the inbox in it.
    pub(crate) fn moved(&self, record: &Database, clock: &WallClock) {
        let policy = self.inbox().policy().clone();
        let fresh = inbox_in(record, clock, policy);
        *self.inbox.write().expect("no panic while the inbox is held") = fresh;
        self.forget();
    }

    /// Somebody else changed the store.
    pub(crate) fn forget(&self) {
        self.mirror.lock().expect("no panic while the mirror is held").take();
    }

    fn held(&self) -> Option<Arc<Mirror>> {
        self.mirror.lock().expect("no panic while the mirror is held").clone()
    }

    /// Every alert of the inbox.
    pub(crate) async fn mirror(&self) -> Result<Arc<Mirror>, AppError> {
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let _one_at_a_time = self.reading.lock().await;
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let inbox = self.inbox();
        let mirror = Arc::new(Mirror::of(everything(&inbox).await?));
        *self.mirror.lock().expect("no panic while the mirror is held") = Some(mirror.clone());
        Ok(mirror)
    }

    /// Takes over what the store answered about single alerts.
    pub(crate) fn changed(&self, alerts: impl IntoIterator<Item = Alert>) {
        let mut held = self.mirror.lock().expect("no panic while the mirror is held");
        if let Some(mirror) = held.as_mut() {
            *mirror = Arc::new(mirror.with(alerts));
        }
    }
}

fn inbox_in(record: &Database, clock: &WallClock, policy: RoutingPolicy) -> Inbox {
    let clock = clock.clone();
    let clock = Clock::new(move || plumb_exec::Clock::now(&clock));
    Inbox::new(Arc::new(record.alerts(clock)), policy)
}

/// Page by page, so that nobody waits for one long look.
async fn everything(inbox: &Inbox) -> Result<Vec<Alert>, AppError> {
    let mut query = AlertQuery::since(Timestamp::UNIX_EPOCH, LIST_MAX);
    let mut all: Vec<Alert> = Vec::new();
    loop {
        let page = inbox.list(&query).await.map_err(refused)?;
        let full = page.len() == LIST_MAX as usize;
        all.extend(page);
        match all.last().filter(|_| full) {
            Some(last) => query.after = Some((last.last_seen_at, last.alert_ref.clone())),
            None => return Ok(all),
        }
    }
}

/// The policy beside the console's files; one that cannot be read is told, and the defaults hold.
pub(crate) fn policy(folder: &Utf8Path) -> (RoutingPolicy, Option<String>) {
    let path = folder.join(POLICY_FILE);
    let told = |problem: String| {
        let problem = format!("{path} is not followed, the defaults hold: {problem}");
        (RoutingPolicy::default(), Some(problem))
    };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return (RoutingPolicy::default(), None);
        }
        Ok(found) if found.len() > POLICY_BYTES_MAX => {
            return told(format!("it is larger than {POLICY_BYTES_MAX} bytes"));
        }
        _ => {}
    }
    match std::fs::read_to_string(&path) {
        Err(error) => told(error.to_string()),
        Ok(text) => match RoutingPolicy::from_yaml(&text) {
            Ok(policy) => (policy, None),
            Err(error) => told(chain(&error)),
        },
    }
}

/// What an inbox did not do, for a person.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err is given")]
pub(crate) fn refused(error: InboxError) -> AppError {
    let (code, hint) = match &error {
        InboxError::Rejected(_) => (Code::Invalid, "mend the field that is named"),
        InboxError::Refused(plumb_alert::Refusal::NoAlert { .. }) => {
            (Code::NotFound, "look at the inbox again; a hub with ALERT_BACKEND=memory forgets")
        }
        InboxError::Refused(plumb_alert::Refusal::NoIncident { .. }) => {
            (Code::NotFound, "look at the list of incidents again")
        }
        InboxError::Refused(_) => (Code::Invalid, "look at the inbox again: it moved on"),
        InboxError::Store(failure) if failure.trouble.passes() => {
            (Code::Busy, "try again in a moment")
        }
        InboxError::Store(_) => (Code::Other, "look at the folder of the file and its disk"),
    };
    AppError::new(code, chain(&error), hint)
}
