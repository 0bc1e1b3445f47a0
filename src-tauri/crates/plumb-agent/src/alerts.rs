//! Structured alerts, pushed to an Alertmanager or a hub: raised without waiting, sent by a task of their own.

mod conditions;
mod push;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use plumb_fleet::is_loopback;
use secrecy::SecretString;
use tokio::sync::Notify;

pub(crate) use self::{conditions::watch, push::push};
use crate::{limits::ALERTS_WAITING_MAX, metrics::seconds_between};

/// As long as the rule `increase(...[5m]) > 0` holds after one failure.
const EVENT_HOLD_S: f64 = 300.0;

/// Where alerts go.
#[derive(Debug, Clone)]
pub struct AlertConfig {
    /// Base address; the path of the receiver's API is added where it is missing.
    pub url: String,
    pub kind: AlertKind,
    /// Bearer token the receiver wants.
    pub token: Option<SecretString>,
    /// Name of this node in every alert; the address it listens on without one.
    pub node: Option<String>,
    /// First delay after a failed attempt; each further one doubles its bound.
    pub retry_base: Duration,
    /// Time between two looks at what only time makes wrong.
    pub look_every: Duration,
}

impl AlertConfig {
    pub fn new(url: impl Into<String>, kind: AlertKind) -> Self {
        Self {
            url: url.into(),
            kind,
            token: None,
            node: None,
            retry_base: Duration::from_secs(1),
            look_every: Duration::from_secs(15),
        }
    }

    /// Refuses what could not be sent, or would show a token to whoever listens on the way.
    pub(crate) fn check(&self) -> Result<reqwest::Url, String> {
        let mut url: reqwest::Url =
            self.url.parse().map_err(|error| format!("alert address {}: {error}", self.url))?;
        let (scheme, host) = (url.scheme().to_owned(), url.host_str().unwrap_or_default());
        if !matches!(scheme.as_str(), "http" | "https") || host.is_empty() {
            return Err(format!("alert address {}: give an http or https address", self.url));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("alert address: give the token in a file, not in the address".to_owned());
        }
        if self.token.is_some() && scheme == "http" && !is_loopback(&url) {
            return Err(format!(
                "alert address {}: the token would cross the network in the clear; use https",
                self.url
            ));
        }
        let api = self.kind.path();
        if !url.path().ends_with(api) {
            let path = format!("{}{api}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(url)
    }
}

/// Whose API the receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// `POST /api/v2/alerts`, repeated while an alert fires and ended when it does not.
    Alertmanager,
    /// `POST /v1/tools/execute` with `alert_ingest_tool`; ending is the team's act, so nothing ends here.
    Hub,
}

impl AlertKind {
    fn path(self) -> &'static str {
        match self {
            Self::Alertmanager => "/api/v2/alerts",
            Self::Hub => "/v1/tools/execute",
        }
    }
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertSeverity {
    Info,
    Warning,
    Page,
}

impl AlertSeverity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Page => "page",
        }
    }
}

/// Everything that is alerted about, under the names of the Prometheus rules in
/// `packaging/observability`, so that both ways end in the same route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertRule {
    ReloadFailed,
    ReloadFailingConsecutively,
    ReloadFailureRate,
    DecisionErrors,
    PackRefused,
    FetchFailing,
    FallbackActive,
    DigestStale,
    LoadAgeHigh,
    NoBundle,
}

impl AlertRule {
    pub const ALL: [Self; 10] = [
        Self::ReloadFailed,
        Self::ReloadFailingConsecutively,
        Self::ReloadFailureRate,
        Self::DecisionErrors,
        Self::PackRefused,
        Self::FetchFailing,
        Self::FallbackActive,
        Self::DigestStale,
        Self::LoadAgeHigh,
        Self::NoBundle,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ReloadFailed => "PolicyReloadFailed",
            Self::ReloadFailingConsecutively => "PolicyReloadFailingConsecutively",
            Self::ReloadFailureRate => "PolicyReloadFailureRate",
            Self::DecisionErrors => "PolicyReloadServerErrors",
            Self::PackRefused => "PolicyPackRefused",
            Self::FetchFailing => "PolicyFetchFailing",
            Self::FallbackActive => "PolicyFallbackActive",
            Self::DigestStale => "PolicyDigestStale",
            Self::LoadAgeHigh => "PolicyLoadAgeHigh",
            Self::NoBundle => "PolicyNoBundle",
        }
    }

    pub fn severity(self) -> AlertSeverity {
        match self {
            Self::ReloadFailed => AlertSeverity::Info,
            Self::FetchFailing | Self::FallbackActive | Self::DigestStale | Self::LoadAgeHigh => {
                AlertSeverity::Warning
            }
            Self::ReloadFailingConsecutively
            | Self::ReloadFailureRate
            | Self::DecisionErrors
            | Self::PackRefused
            | Self::NoBundle => AlertSeverity::Page,
        }
    }

    /// Who has to hear of it; a refused pack is also Security's affair (R221).
    pub fn audience(self) -> &'static str {
        match self {
            Self::PackRefused => "app-engineering,security",
            _ => "app-engineering",
        }
    }

    /// Told each time it happens, instead of while it holds.
    fn is_event(self) -> bool {
        matches!(self, Self::ReloadFailed | Self::PackRefused)
    }

    fn summary(self) -> &'static str {
        match self {
            Self::ReloadFailed => "a policy reload failed",
            Self::ReloadFailingConsecutively => "policy reloads keep failing",
            Self::ReloadFailureRate => "policy reloads fail often",
            Self::DecisionErrors => "decisions failed around a policy reload",
            Self::PackRefused => "a policy pack was refused by verification",
            Self::FetchFailing => "the policy source gives no usable answer",
            Self::FallbackActive => {
                "last known good policies are in force instead of what should run"
            }
            Self::DigestStale => "the policy source has not confirmed what is in force",
            Self::LoadAgeHigh => "the policies in force were loaded long ago",
            Self::NoBundle => "no verified policies are in force",
        }
    }
}

/// One alert, firing or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) rule: AlertRule,
    pub(crate) detail: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Option<Timestamp>,
}

/// What fires, and what waits to be sent. Raising never waits for the receiver.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    state: Mutex<State>,
    /// Something waits to be sent.
    waiting: Notify,
    /// Something happened that may have made a condition true or false.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    firing: BTreeMap<AlertRule, Firing>,
    queue: VecDeque<Alert>,
    counts: AlertCounts,
}

/// An alert and when it was last given reason to.
#[derive(Debug)]
struct Firing {
    alert: Alert,
    last: Timestamp,
}

/// What became of alerts since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AlertCounts {
    pub(crate) sent: u64,
    /// The receiver said no.
    pub(crate) refused: u64,
    /// Pushed out by newer ones while the receiver was away.
    pub(crate) dropped: u64,
}

impl Alerts {
    /// An event: told each time, also while the alert fires already.
    pub(crate) fn happened(&self, rule: AlertRule, detail: String, at: Timestamp) {
        self.raise(rule, detail, at, true);
    }

    /// A condition that holds: told when it begins.
    fn holds(&self, rule: AlertRule, detail: String, at: Timestamp) {
        self.raise(rule, detail, at, false);
    }

    fn raise(&self, rule: AlertRule, detail: String, at: Timestamp, again: bool) {
        let mut state = self.lock();
        let begun = state.firing.get(&rule).map(|firing| firing.alert.starts_at);
        let alert = Alert { rule, detail, starts_at: begun.unwrap_or(at), ends_at: None };
        state.firing.insert(rule, Firing { alert: alert.clone(), last: at });
        if again || begun.is_none() {
            state.enqueue(alert);
            drop(state);
            self.waiting.notify_one();
        }
    }

    fn ended(&self, rule: AlertRule, at: Timestamp) {
        let mut state = self.lock();
        if let Some(Firing { mut alert, .. }) = state.firing.remove(&rule) {
            alert.ends_at = Some(at);
            state.enqueue(alert);
            drop(state);
            self.waiting.notify_one();
        }
    }

    /// An event ends some time after it happened last: what begins and ends within the time an
    /// Alertmanager waits to group alerts is never told to anybody.
    fn expire(&self, rule: AlertRule, at: Timestamp) {
        let last = self.lock().firing.get(&rule).map(|firing| firing.last);
        if last.is_some_and(|last| seconds_between(last, at) >= EVENT_HOLD_S) {
            self.ended(rule, at);
        }
    }

    /// Asks for a look at the conditions.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    /// Figures for `/metrics`, and how many alerts wait.
    pub(crate) fn counts(&self) -> (AlertCounts, usize) {
        let state = self.lock();
        (state.counts, state.queue.len())
    }

    /// Everything that waits, oldest first, and with `all` also what fires and was told before.
    fn take(&self, all: bool) -> Vec<Alert> {
        let mut state = self.lock();
        let mut taken: Vec<Alert> = state.queue.drain(..).collect();
        if all {
            let told = state.firing.values().map(|firing| &firing.alert);
            let told: Vec<Alert> = told.filter(|alert| !taken.contains(alert)).cloned().collect();
            taken.extend(told);
        }
        taken
    }

    /// What could not be sent waits again, before what came meanwhile.
    fn put_back(&self, alerts: Vec<Alert>) {
        let mut state = self.lock();
        for alert in alerts.into_iter().rev() {
            if state.queue.len() < ALERTS_WAITING_MAX {
                state.queue.push_front(alert);
            } else {
                state.counts.dropped += 1;
            }
        }
    }

    fn count(&self, count: impl FnOnce(&mut AlertCounts)) {
        count(&mut self.lock().counts);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Queue and map change in single steps, so a panic leaves both sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, alert: Alert) {
        if self.queue.len() == ALERTS_WAITING_MAX {
            self.queue.pop_front();
            self.counts.dropped += 1;
        }
        self.queue.push_back(alert);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[track_caller]
    fn check(url: &str, token: bool) -> Result<String, String> {
        let mut config = AlertConfig::new(url, AlertKind::Alertmanager);
        config.token = token.then(|| SecretString::from("t"));
        config.check().map(String::from)
    }

    #[test]
    fn the_api_path_is_added_once() {
        let full = "https://alerts.example/am/api/v2/alerts";
        assert_eq!(check("https://alerts.example/am", false).as_deref(), Ok(full));
        assert_eq!(check("https://alerts.example/am/", false).as_deref(), Ok(full));
        assert_eq!(check(full, false).as_deref(), Ok(full));
    }

    #[test]
    fn a_token_stays_off_the_open_network() {
        assert!(check("http://alerts.example", true).is_err_and(|text| text.contains("use https")));
        for url in [
            "http://127.0.0.1:9093",
            "http://[::1]:9093",
            "http://localhost:9093",
            "https://a.example",
        ] {
            assert!(check(url, true).is_ok(), "{url}");
        }
        assert!(check("http://alerts.example", false).is_ok());
        assert!(check("https://me:secret@alerts.example", false).is_err());
        assert!(check("ftp://alerts.example", false).is_err());
        assert!(check("alerts.example", false).is_err());
    }

    #[test]
    fn the_queue_keeps_the_newest_and_counts_the_rest() {
        let alerts = Alerts::default();
        for second in 0..ALERTS_WAITING_MAX + 3 {
            alerts.happened(AlertRule::ReloadFailed, second.to_string(), at(0));
        }
        let (counts, waiting) = alerts.counts();
        assert_eq!((counts.dropped, waiting), (3, ALERTS_WAITING_MAX));
        assert_eq!(
            alerts.take(false).first().map(|alert| alert.detail.clone()),
            Some("3".to_owned())
        );
    }

    #[test]
    fn what_comes_back_goes_before_what_came_meanwhile() {
        let alerts = Alerts::default();
        alerts.happened(AlertRule::ReloadFailed, "first".to_owned(), at(1));
        let taken = alerts.take(false);
        alerts.ended(AlertRule::ReloadFailed, at(2));
        alerts.put_back(taken);
        let order: Vec<_> = alerts.take(false).into_iter().map(|alert| alert.ends_at).collect();
        assert_eq!(order, [None, Some(at(2))]);
    }

    #[test]
    fn an_event_holds_for_five_minutes_after_the_last_time() {
        let alerts = Alerts::default();
        alerts.happened(AlertRule::PackRefused, "digest".to_owned(), at(0));
        alerts.happened(AlertRule::PackRefused, "digest".to_owned(), at(100));
        alerts.expire(AlertRule::PackRefused, at(399));
        assert_eq!(alerts.take(false).len(), 2);
        alerts.expire(AlertRule::PackRefused, at(400));
        assert_eq!(alerts.take(false)[0].ends_at, Some(at(400)));
    }

    #[test]
    fn a_condition_is_told_once_and_ends_with_its_beginning() {
        let alerts = Alerts::default();
        alerts.holds(AlertRule::DigestStale, "16 min".to_owned(), at(10));
        alerts.holds(AlertRule::DigestStale, "17 min".to_owned(), at(70));
        assert_eq!(alerts.take(false).len(), 1);
        assert_eq!(alerts.take(true).len(), 1, "a repetition tells what fires");
        alerts.ended(AlertRule::DigestStale, at(100));
        alerts.ended(AlertRule::DigestStale, at(101));
        let ended = alerts.take(true);
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].starts_at, ended[0].ends_at), (at(10), Some(at(100))));
    }
}
