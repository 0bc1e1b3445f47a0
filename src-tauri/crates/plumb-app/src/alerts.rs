//! Alerts and incidents as a console works on them: its own inbox, or the one of a team's hub.
//!
//! What queries read of an inbox is kept in memory ([`mirror::Mirror`]): the alert that was changed here is replaced in it,
//! and all of it is read again when somebody else changed the store.

pub(crate) mod desk;
pub(crate) mod guides;
pub(crate) mod hub;
pub(crate) mod lines;
pub(crate) mod mirror;

use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use camino::Utf8Path;
use plumb_alert::{Alert, PolicyError, RetentionPolicy, RoutingPolicy};
use plumb_inbox::{Clock, Inbox, InboxError, LIST_MAX, Since};
use plumb_store::Database;

use self::mirror::Mirror;
use crate::{
    error::{AppError, Code, chain},
    ports::clock::WallClock,
};

/// Names of the policy files in the folder of the console's files.
const ROUTING_FILE: &str = "alert_routing_policy.yml";
const RETENTION_FILE: &str = "retention_policy.yml";
/// Largest policy file in bytes: some thousand rules.
const POLICY_BYTES_MAX: u64 = 1 << 20;
/// Times that the inbox is read anew because it was changed meanwhile.
const READ_TRIES: usize = 3;

/// The console's own inbox, and what is known of it.
#[derive(Debug)]
pub(crate) struct OwnInbox {
    /// Replaced with the record that it is in.
    inbox: RwLock<Inbox>,
    mirror: Mutex<Held>,
    pub(crate) retention: RetentionPolicy,
    /// The mirror is read from the store for the first who asks.
    reading: tokio::sync::Mutex<()>,
}

/// What is known of the store, and how often that was overtaken.
#[derive(Debug, Default)]
struct Held {
    mirror: Option<Arc<Mirror>>,
    /// One more with each change: what was read before a change is not what is there now.
    changes: u64,
}

impl OwnInbox {
    pub(crate) fn open(
        record: &Database,
        clock: &WallClock,
        routing: RoutingPolicy,
        retention: RetentionPolicy,
    ) -> Self {
        Self {
            inbox: RwLock::new(inbox_in(record, clock, routing)),
            retention,
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
        let mut held = self.lock();
        held.mirror = None;
        held.changes += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.mirror.lock().expect("no panic while the mirror is held")
    }

    fn held(&self) -> Option<Arc<Mirror>> {
        self.lock().mirror.clone()
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
        for _ in 0..READ_TRIES {
            let before = self.lock().changes;
            let mirror = Arc::new(Mirror::of(everything(&self.inbox()).await?));
            let mut held = self.lock();
            if held.changes == before {
                held.mirror = Some(mirror.clone());
                return Ok(mirror);
            }
        }
        // Somebody changes it without end: what was read now is right for now, and the next who asks reads again.
        Ok(Arc::new(Mirror::of(everything(&self.inbox()).await?)))
    }

    /// Takes over what the store answered about single alerts.
    pub(crate) fn changed(&self, alerts: impl IntoIterator<Item = Alert>) {
        let mut held = self.lock();
        held.changes += 1;
        if let Some(mirror) = &held.mirror {
            held.mirror = Some(Arc::new(mirror.with(alerts)));
        }
    }
}

fn inbox_in(record: &Database, clock: &WallClock, policy: RoutingPolicy) -> Inbox {
    let clock = clock.clone();
    let clock = Clock::new(move || plumb_exec::Clock::now(&clock));
    Inbox::new(Arc::new(record.alerts(clock)), policy)
}

/// Page by page, so that nobody waits for one long look, and from the start where a place is lost meanwhile.
async fn everything(inbox: &Inbox) -> Result<Vec<Alert>, AppError> {
    let (mut all, mut place) = (Vec::new(), None);
    loop {
        let since = place.as_ref().map_or(Since::START, Since::Place);
        match inbox.changes(since, LIST_MAX).await {
            Ok(page) => {
                all.extend(page.alerts);
                if !page.more {
                    return Ok(all);
                }
                place = Some(page.next);
            }
            Err(InboxError::NoPlace) => (all, place) = (Vec::new(), None),
            Err(error) => return Err(refused(error)),
        }
    }
}

/// Where alerts go, by the file beside the console's; one that cannot be read is told, and the defaults hold.
pub(crate) fn routing(folder: &Utf8Path) -> (RoutingPolicy, Option<String>) {
    policy(folder, ROUTING_FILE, RoutingPolicy::from_yaml)
}

/// How long alerts are kept, by the file beside the console's; one that cannot be read is told, and nothing goes by itself.
pub(crate) fn retention(folder: &Utf8Path) -> (RetentionPolicy, Option<String>) {
    policy(folder, RETENTION_FILE, RetentionPolicy::from_yaml)
}

fn policy<T: Default>(
    folder: &Utf8Path,
    name: &str,
    read: impl Fn(&str) -> Result<T, PolicyError>,
) -> (T, Option<String>) {
    let path = folder.join(name);
    let told = |problem: String| {
        let problem = format!("{path} is not followed, the defaults hold: {problem}");
        (T::default(), Some(problem))
    };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (T::default(), None),
        Ok(found) if found.len() > POLICY_BYTES_MAX => {
            return told(format!("it is larger than {POLICY_BYTES_MAX} bytes"));
        }
        _ => {}
    }
    match std::fs::read_to_string(&path) {
        Err(error) => told(error.to_string()),
        Ok(text) => match read(&text) {
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
        InboxError::Refused(_) | InboxError::NoPlace => {
            (Code::Invalid, "look at the inbox again: it moved on")
        }
        InboxError::Store(failure) if failure.trouble.passes() => {
            (Code::Busy, "try again in a moment")
        }
        InboxError::Store(_) => (Code::Other, "look at the folder of the file and its disk"),
    };
    AppError::new(code, chain(&error), hint)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    use jiff::Timestamp;
    use plumb_alert::{Draft, Status};
    use plumb_inbox::{AlertStore, Durability, MemoryStore, Pending, Rows};

    use super::*;

    /// A store that somebody changes between the look of a reader and its end.
    #[derive(Debug)]
    struct Overtaken {
        before: MemoryStore,
        after: MemoryStore,
        looks: AtomicU32,
        /// Hears of the change, as an act of this program lets it.
        inbox: OnceLock<(Arc<OwnInbox>, Alert)>,
    }

    impl AlertStore for Overtaken {
        fn durability(&self) -> Durability {
            self.before.durability()
        }

        fn write(&self) -> Pending<'_, Box<dyn Rows>> {
            self.after.write()
        }

        fn read(&self) -> Pending<'_, Box<dyn Rows>> {
            if self.looks.fetch_add(1, Ordering::SeqCst) > 0 {
                return self.after.read();
            }
            let (inbox, changed) = self.inbox.get().expect("given before the first look");
            inbox.changed([changed.clone()]);
            self.before.read()
        }

        fn close(&self) -> Pending<'_, ()> {
            self.after.close()
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_shown_after_it() {
        let clock = || Clock::new(|| Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1));
        let (before, after) = (MemoryStore::new(clock()), MemoryStore::new(clock()));
        let draft = Draft {
            service: "eu".to_owned(),
            kind: "behind".to_owned(),
            title: "gw-1 is behind".to_owned(),
            ..Draft::default()
        };
        let told =
            |store: &MemoryStore| Inbox::new(Arc::new(store.clone()), RoutingPolicy::default());
        let alert = told(&before).ingest(draft).await.expect("taken").value.alert().clone();
        let mut rows = after.write().await.expect("begins");
        rows.put_alerts(std::slice::from_ref(&alert)).await.expect("put");
        rows.commit().await.expect("kept");
        let claimed = told(&after).claim_one(&alert.alert_ref, "mira", None).await;
        let claimed = claimed.expect("free").value;

        let store =
            Arc::new(Overtaken { before, after, looks: AtomicU32::new(0), inbox: OnceLock::new() });
        let own = Arc::new(OwnInbox {
            inbox: RwLock::new(Inbox::new(store.clone(), RoutingPolicy::default())),
            retention: RetentionPolicy::default(),
            mirror: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        });
        store.inbox.set((own.clone(), claimed)).expect("set once");
        let shown = own.mirror().await.expect("read");
        let status = shown.get(&alert.alert_ref).expect("it is there").status();
        assert_eq!(status, Status::Processing, "not as it was before");
        assert_eq!(store.looks.load(Ordering::SeqCst), 2);
        assert!(own.held().is_some(), "and it is held");
    }
}
