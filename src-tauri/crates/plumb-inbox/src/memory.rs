//! A store that forgets everything when the program stops: for tests, and for `ALERT_BACKEND=memory`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use jiff::Timestamp;
use plumb_alert::{
    Alert, AlertRef, Appended, Incident, IncidentRef, IncidentState, SignatureState, State, Status,
    TimelineEntry,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    error::{StoreFailure, Trouble},
    store::{
        AlertQuery, AlertStore, Clock, Dashboard, Durability, Expiring, IncidentQuery, Pending,
        Place, Rows, SignatureCount, SourceSeen, StatusCount, Tip, feed_name,
    },
};

/// Some gigabytes at most, by the limits of one alert; a store that never forgets is another one.
const ALERTS_MAX: usize = 100_000;
const SIGNATURES_SHOWN: usize = 10;

#[derive(Debug)]
struct Tables {
    alerts: BTreeMap<AlertRef, Alert>,
    /// The number of each alert's newest change.
    numbers: BTreeMap<AlertRef, u64>,
    /// The same the other way round.
    changes: BTreeMap<u64, AlertRef>,
    /// The number of the newest change, and the run of numbers it belongs to.
    tip: Place,
    incidents: BTreeMap<IncidentRef, Incident>,
    timelines: BTreeMap<IncidentRef, Vec<TimelineEntry>>,
    signatures: BTreeMap<String, SignatureState>,
    /// The newest alert of a fingerprint.
    newest: BTreeMap<String, AlertRef>,
    /// Alerts that nobody acknowledged: what claims look at.
    unsettled: BTreeSet<AlertRef>,
}

impl Tables {
    fn new() -> Self {
        Self {
            alerts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            changes: BTreeMap::new(),
            tip: Place { feed: feed_name(), change: 0 },
            incidents: BTreeMap::new(),
            timelines: BTreeMap::new(),
            signatures: BTreeMap::new(),
            newest: BTreeMap::new(),
            unsettled: BTreeSet::new(),
        }
    }

    /// Puts an alert with the number of its change, or takes it away; gives back the former one.
    fn replace(&mut self, key: &AlertRef, kept: Option<(Alert, u64)>) -> Option<(Alert, u64)> {
        let (alert, number) = kept.unzip();
        let former = put(&mut self.numbers, key.clone(), number);
        if let Some(former) = &former {
            self.changes.remove(former);
        }
        if let Some(number) = number {
            self.changes.insert(number, key.clone());
        }
        match &alert {
            Some(alert) if alert.status() != Status::Acked => {
                self.unsettled.insert(key.clone());
            }
            _ => drop(self.unsettled.remove(key)),
        }
        put(&mut self.alerts, key.clone(), alert).zip(former)
    }
}

/// Tables behind one lock: one transaction at a time.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    clock: Clock,
}

impl MemoryStore {
    pub fn new(clock: Clock) -> Self {
        Self { tables: Arc::new(Mutex::new(Tables::new())), clock }
    }

    async fn begin(&self) -> Result<Box<dyn Rows>, StoreFailure> {
        let tables = self.tables.clone().lock_owned().await;
        let rows = MemoryRows { tables, undo: Vec::new(), clock: self.clock.clone() };
        Ok(Box::new(rows))
    }
}

impl AlertStore for MemoryStore {
    fn durability(&self) -> Durability {
        Durability {
            backend: "memory",
            place: "memory of this program".to_owned(),
            survives_restart: false,
        }
    }

    fn write(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(self.begin())
    }

    fn read(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(self.begin())
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// What a change replaced.
#[derive(Debug)]
enum Undo {
    Alert(AlertRef, Option<Box<(Alert, u64)>>),
    Tip(Place),
    Newest(String, Option<AlertRef>),
    Incident(IncidentRef, Option<Incident>),
    Entry(IncidentRef),
    Signature(String, Option<SignatureState>),
}

/// One transaction: changes are made at once, and taken back when it is dropped before its commit.
#[derive(Debug)]
struct MemoryRows {
    tables: OwnedMutexGuard<Tables>,
    undo: Vec<Undo>,
    clock: Clock,
}

fn put<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

impl Drop for MemoryRows {
    fn drop(&mut self) {
        let tables = &mut *self.tables;
        for undo in self.undo.drain(..).rev() {
            match undo {
                Undo::Alert(key, value) => {
                    drop(tables.replace(&key, value.map(|kept| *kept)));
                }
                Undo::Tip(value) => tables.tip = value,
                Undo::Newest(key, value) => drop(put(&mut tables.newest, key, value)),
                Undo::Incident(key, value) => drop(put(&mut tables.incidents, key, value)),
                Undo::Signature(key, value) => drop(put(&mut tables.signatures, key, value)),
                Undo::Entry(key) => {
                    if let Some(timeline) = tables.timelines.get_mut(&key) {
                        timeline.pop();
                    }
                }
            }
        }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Pending<'a, T> {
    Box::pin(async { Ok(value) })
}

impl MemoryRows {
    fn select(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<Alert> {
        self.tables.alerts.values().filter(|alert| wanted(alert)).cloned().collect()
    }

    fn unsettled(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<Alert> {
        let unsettled = self.tables.unsettled.iter().filter_map(|it| self.tables.alerts.get(it));
        unsettled.filter(|alert| wanted(alert)).cloned().collect()
    }

    fn put_alert(&mut self, alert: &Alert) -> Result<(), StoreFailure> {
        let tables = &mut *self.tables;
        if tables.alerts.len() >= ALERTS_MAX && !tables.alerts.contains_key(&alert.alert_ref) {
            let place = "memory of this program".into();
            return Err(StoreFailure::new(Trouble::Full, "keeping alerts", &place));
        }
        self.undo.push(Undo::Tip(tables.tip.clone()));
        tables.tip.change += 1;
        let former = tables.replace(&alert.alert_ref, Some((alert.clone(), tables.tip.change)));
        self.undo.push(Undo::Alert(alert.alert_ref.clone(), former.map(Box::new)));
        let age = |alert: &Alert| (alert.created_at, alert.alert_ref.clone());
        let newest = tables.newest.get(&alert.fingerprint).and_then(|it| tables.alerts.get(it));
        if newest.is_none_or(|newest| age(newest) < age(alert)) {
            let key = alert.fingerprint.clone();
            let former = tables.newest.insert(key.clone(), alert.alert_ref.clone());
            self.undo.push(Undo::Newest(key, former));
        }
        Ok(())
    }

    fn append_one(&mut self, appended: &Appended) -> Result<(), StoreFailure> {
        let key = &appended.incident.incident_ref;
        let tables = &mut *self.tables;
        let former = tables.incidents.insert(key.clone(), appended.incident.clone());
        self.undo.push(Undo::Incident(key.clone(), former));
        let timeline = tables.timelines.entry(key.clone()).or_default();
        for entry in &appended.entries {
            if entry.number != timeline.len() as u64 {
                let place = "memory of this program".into();
                return Err(StoreFailure::new(Trouble::Query, "adding to a timeline", &place));
            }
            timeline.push(entry.clone());
            self.undo.push(Undo::Entry(key.clone()));
        }
        Ok(())
    }

    fn count(&self, since: Timestamp, now: Timestamp) -> Dashboard {
        let mut by_status: BTreeMap<Status, (u64, u64)> = BTreeMap::new();
        let mut by_signature: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut by_source: BTreeMap<&str, (u64, Timestamp)> = BTreeMap::new();
        for alert in self.tables.alerts.values().filter(|alert| alert.last_seen_at >= since) {
            let counts = [
                by_status.entry(alert.status()).or_default(),
                by_signature.entry(&alert.signature).or_default(),
            ];
            for (alerts, occurrences) in counts {
                *alerts += 1;
                *occurrences += alert.occurrences;
            }
            let (alerts, last) = by_source.entry(&alert.source).or_insert((0, alert.last_seen_at));
            *alerts += 1;
            *last = alert.last_seen_at.max(*last);
        }
        let mut signatures: Vec<SignatureCount> = by_signature
            .into_iter()
            .map(|(signature, (alerts, occurrences))| SignatureCount {
                signature: signature.to_owned(),
                alerts,
                occurrences,
            })
            .collect();
        signatures.sort_by_key(|count| Reverse(count.alerts));
        signatures.truncate(SIGNATURES_SHOWN);
        let over = |alert: &&Alert| matches!(alert.state(), State::Processing { lock_until, .. } if *lock_until <= now);
        Dashboard {
            by_status: by_status
                .into_iter()
                .map(|(status, (alerts, occurrences))| StatusCount { status, alerts, occurrences })
                .collect(),
            stale: self.tables.alerts.values().filter(over).count() as u64,
            signatures,
            sources: by_source
                .into_iter()
                .map(|(source, (alerts, last_seen_at))| SourceSeen {
                    source: source.to_owned(),
                    alerts,
                    last_seen_at,
                })
                .collect(),
        }
    }

    /// When acknowledged alerts from before then were acknowledged, the first of them first.
    fn acked_before(&self, before: Timestamp) -> Vec<(Timestamp, AlertRef)> {
        let acked = self.tables.alerts.values().filter_map(|alert| match alert.state() {
            State::Acked { at, .. } if *at < before => Some((*at, alert.alert_ref.clone())),
            _ => None,
        });
        let mut acked: Vec<_> = acked.collect();
        acked.sort_unstable();
        acked
    }
}

fn is_asked_for(alert: &Alert, query: &AlertQuery) -> bool {
    let is = |wanted: &Option<String>, name: &String| {
        wanted.as_ref().is_none_or(|wanted| wanted == name)
    };
    alert.last_seen_at >= query.since
        && is(&query.env, &alert.env)
        && is(&query.service, &alert.service)
        && is(&query.source, &alert.source)
        && is(&query.signature, &alert.signature)
        && query.incident.as_ref().is_none_or(|wanted| alert.incident_ref.as_ref() == Some(wanted))
        && (query.status_in.is_empty() || query.status_in.contains(&alert.status()))
        && query
            .after
            .as_ref()
            .is_none_or(|(at, alert_ref)| (alert.last_seen_at, &alert.alert_ref) < (*at, alert_ref))
}

impl Rows for MemoryRows {
    fn now(&mut self) -> Pending<'_, Timestamp> {
        ready(self.clock.now())
    }

    fn lock<'a>(&'a mut self, _names: &'a [String]) -> Pending<'a, ()> {
        ready(())
    }

    fn newest<'a>(&'a mut self, fingerprints: &'a [String]) -> Pending<'a, Vec<Alert>> {
        let newest = |fingerprint| self.tables.newest.get(fingerprint);
        let alerts = fingerprints.iter().filter_map(newest);
        ready(alerts.filter_map(|it| self.tables.alerts.get(it)).cloned().collect())
    }

    fn alert<'a>(&'a mut self, alert: &'a AlertRef) -> Pending<'a, Option<Alert>> {
        ready(self.tables.alerts.get(alert).cloned())
    }

    fn due(&mut self, now: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>> {
        let mut due = self.unsettled(|alert| alert.status() != Status::New && alert.is_due(now));
        due.truncate(limit as usize);
        ready(due)
    }

    fn unclaimed(&mut self, since: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>> {
        let mut new =
            self.unsettled(|alert| alert.status() == Status::New && alert.last_seen_at >= since);
        new.sort_by(|a, b| {
            (a.severity, a.created_at, &a.alert_ref).cmp(&(b.severity, b.created_at, &b.alert_ref))
        });
        new.truncate(limit as usize);
        ready(new)
    }

    fn put_alerts<'a>(&'a mut self, alerts: &'a [Alert]) -> Pending<'a, ()> {
        let done = alerts.iter().try_for_each(|alert| self.put_alert(alert));
        Box::pin(async { done })
    }

    fn alerts<'a>(&'a mut self, query: &'a AlertQuery) -> Pending<'a, Vec<Alert>> {
        let mut alerts = self.select(|alert| is_asked_for(alert, query));
        alerts.sort_by(|a, b| (b.last_seen_at, &b.alert_ref).cmp(&(a.last_seen_at, &a.alert_ref)));
        alerts.truncate(query.limit as usize);
        ready(alerts)
    }

    fn changed(&mut self, after: u64, limit: u32) -> Pending<'_, Vec<(u64, Alert)>> {
        let changes = self.tables.changes.range((Bound::Excluded(after), Bound::Unbounded));
        let alerts =
            changes.filter_map(|(number, it)| Some((*number, self.tables.alerts.get(it)?)));
        let some = alerts.take(limit as usize);
        ready(some.map(|(number, alert)| (number, alert.clone())).collect())
    }

    fn before_newest(&mut self, alerts: u32) -> Pending<'_, u64> {
        let before = self.tables.changes.keys().rev().nth(alerts as usize);
        ready(before.copied().unwrap_or_default())
    }

    fn tip(&mut self) -> Pending<'_, Tip> {
        let entries = self.tables.incidents.values().map(|it| it.entries).sum();
        ready(Tip { place: self.tables.tip.clone(), entries })
    }

    fn incident<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Option<Incident>> {
        ready(self.tables.incidents.get(incident).cloned())
    }

    fn open_incident<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<Incident>> {
        let open = self.tables.incidents.values().filter(|incident| {
            incident.signature == signature && incident.state != IncidentState::Closed
        });
        let newest = open.max_by_key(|it| (it.opened_at, it.incident_ref.clone()));
        ready(newest.cloned())
    }

    fn incidents<'a>(&'a mut self, query: &'a IncidentQuery) -> Pending<'a, Vec<Incident>> {
        let wanted = |incident: &&Incident| {
            let open = matches!(incident.state, IncidentState::Open | IncidentState::Mitigating);
            (open || query.with_closed)
                && query.service.as_ref().is_none_or(|service| *service == incident.service)
        };
        let mut incidents: Vec<Incident> =
            self.tables.incidents.values().filter(wanted).cloned().collect();
        incidents.sort_by(|a, b| {
            let (newest_a, newest_b) =
                ((a.opened_at, &a.incident_ref), (b.opened_at, &b.incident_ref));
            let rests = |incident: &Incident| {
                !matches!(incident.state, IncidentState::Open | IncidentState::Mitigating)
            };
            let worse = (rests(a), a.severity).cmp(&(rests(b), b.severity));
            worse.then(newest_b.cmp(&newest_a))
        });
        incidents.truncate(query.limit as usize);
        ready(incidents)
    }

    fn append<'a>(&'a mut self, appended: &'a [Appended]) -> Pending<'a, ()> {
        let done = appended.iter().try_for_each(|appended| self.append_one(appended));
        Box::pin(async { done })
    }

    fn timeline<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Vec<TimelineEntry>> {
        ready(self.tables.timelines.get(incident).cloned().unwrap_or_default())
    }

    fn signature<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<SignatureState>> {
        ready(self.tables.signatures.get(signature).cloned())
    }

    fn put_signature<'a>(&'a mut self, state: &'a SignatureState) -> Pending<'a, ()> {
        let former = self.tables.signatures.insert(state.signature.clone(), state.clone());
        self.undo.push(Undo::Signature(state.signature.clone(), former));
        ready(())
    }

    fn dashboard(&mut self, since: Timestamp, now: Timestamp) -> Pending<'_, Dashboard> {
        ready(self.count(since, now))
    }

    fn expiring(&mut self, before: Timestamp) -> Pending<'_, Expiring> {
        let acked = self.acked_before(before);
        let at = |acked: Option<&(Timestamp, AlertRef)>| acked.map(|(at, _)| *at);
        ready(Expiring {
            alerts: acked.len() as u64,
            first_acked_at: at(acked.first()),
            last_acked_at: at(acked.last()),
        })
    }

    fn expire(&mut self, before: Timestamp, limit: u32) -> Pending<'_, u64> {
        let mut acked = self.acked_before(before);
        acked.truncate(limit as usize);
        if !acked.is_empty() {
            let former = std::mem::replace(&mut self.tables.tip.feed, feed_name());
            let change = self.tables.tip.change;
            self.undo.push(Undo::Tip(Place { feed: former, change }));
        }
        for (_, alert_ref) in &acked {
            let Some(gone) = self.tables.replace(alert_ref, None) else { continue };
            if self.tables.newest.get(&gone.0.fingerprint) == Some(alert_ref) {
                let key = gone.0.fingerprint.clone();
                let former = self.tables.newest.remove(&key);
                self.undo.push(Undo::Newest(key, former));
            }
            self.undo.push(Undo::Alert(alert_ref.clone(), Some(Box::new(gone))));
        }
        ready(acked.len() as u64)
    }

    fn commit(mut self: Box<Self>) -> Pending<'static, ()> {
        self.undo.clear();
        ready(())
    }
}
