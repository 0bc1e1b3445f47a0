//! From every alert of an inbox to the lines of its list: chosen, sorted, grouped, one page of them shown.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_alert::{Alert, AlertRef, RoutingPolicy, State, Status};

use super::mirror::{Cooldown, Mirror};
use crate::views::{
    alerts::{AlertCounts, AlertLine, AlertRow, AlertStatus, AlertsPage, CooldownView, StormView},
    convert::ms,
};

/// So many alerts of one signature stand together.
const STORM_ALERTS_MIN: usize = 3;
/// Alerts of a group that are acted on at once.
pub(crate) const ACTED_MAX: usize = 500;
/// Services that a group names.
const SERVICES_NAMED: usize = 3;

/// What is needed beside the alerts to tell of them.
pub(crate) struct Around<'a> {
    pub policy: &'a RoutingPolicy,
    /// Names under which alerts are mine.
    pub me: &'a [String],
    pub cooling: HashMap<String, Cooldown>,
    /// Claimed here while the hub could not be asked.
    pub tentative: BTreeSet<AlertRef>,
    pub now: Timestamp,
}

/// The lines that were asked for.
pub(crate) struct Lines {
    pub counts: AlertCounts,
    pub matched: u32,
    pub total: u32,
    pub offset: u32,
    pub shown: Vec<AlertLine>,
}

enum Line<'a> {
    Storm(Vec<&'a Arc<Alert>>, bool),
    One(&'a Arc<Alert>),
}

impl Around<'_> {
    /// Held by me, or given to me by the policy and not yet held by anybody.
    pub(crate) fn is_mine(&self, alert: &Alert) -> bool {
        match alert.state() {
            State::Processing { owner, .. } => self.me.contains(owner),
            State::New | State::Failed { .. } => {
                self.tentative.contains(&alert.alert_ref)
                    || self.assigned(alert).is_some_and(|to| self.me.contains(&to))
            }
            State::Acked { .. } => false,
        }
    }

    /// Whom the policy gives it to.
    pub(crate) fn assigned(&self, alert: &Alert) -> Option<String> {
        // Most policies have no rules, and a list asks for every alert.
        if self.policy.routes.is_empty() {
            return None;
        }
        self.policy.route(alert).value.assign_to
    }

    fn cooldown(&self, signature: &str) -> Option<CooldownView> {
        self.cooling.get(signature).map(|cooldown| CooldownView {
            triaged_at_ms: ms(cooldown.triaged_at),
            until_ms: ms(cooldown.until),
            added: cooldown.added,
        })
    }

    fn counts<'a>(&self, alerts: impl Iterator<Item = &'a Arc<Alert>>) -> AlertCounts {
        let mut counts = AlertCounts::default();
        for alert in alerts {
            match alert.status() {
                Status::New => counts.new += 1,
                Status::Processing => counts.processing += 1,
                Status::Acked => counts.acked += 1,
                Status::Failed => counts.failed += 1,
            }
            counts.mine += u32::from(self.is_mine(alert));
            counts.cooling += u32::from(self.cooling.contains_key(&alert.signature));
            let over = matches!(alert.state(), State::Processing { lock_until, .. } if *lock_until <= self.now);
            counts.stale += u32::from(over);
        }
        counts
    }

    /// An alert as a line of the list.
    pub(crate) fn row(&self, alert: &Alert) -> AlertRow {
        let (owner, lock_until_ms, retry_at_ms) = match alert.state() {
            State::New => (None, None, None),
            State::Processing { owner, lock_until, .. } => {
                (Some(owner.clone()), Some(ms(*lock_until)), None)
            }
            State::Acked { by, .. } => (Some(by.clone()), None, None),
            State::Failed { by, retry_at, .. } => (Some(by.clone()), None, Some(ms(*retry_at))),
        };
        AlertRow {
            alert: alert.alert_ref.to_string(),
            status: alert.status().into(),
            severity: alert.severity.to_string(),
            service: alert.service.clone(),
            env: alert.env.clone(),
            kind: alert.kind.clone(),
            title: alert.title.clone(),
            source: alert.source.clone(),
            signature: alert.signature.clone(),
            occurrences: alert.occurrences,
            created_at_ms: ms(alert.created_at),
            last_seen_at_ms: ms(alert.last_seen_at),
            owner,
            lock_until_ms,
            retry_at_ms,
            last_error: alert.last_error.clone(),
            incident: alert.incident_ref.as_ref().map(ToString::to_string),
            resolved: alert.resolved_at.is_some(),
            mine: self.is_mine(alert),
            assigned_to: self.assigned(alert),
            tentative: self.tentative.contains(&alert.alert_ref),
            cooldown: self.cooldown(&alert.signature),
        }
    }

    fn storm(&self, alerts: &[&Arc<Alert>], opened: bool) -> StormView {
        let first = alerts.first().expect("a group has alerts");
        let services: BTreeSet<&str> = alerts.iter().map(|alert| alert.service.as_str()).collect();
        let times = alerts.iter().map(|alert| (alert.created_at, alert.last_seen_at));
        let (created, seen): (Vec<Timestamp>, Vec<Timestamp>) = times.unzip();
        let worst = alerts.iter().map(|alert| alert.severity).min().unwrap_or_default();
        StormView {
            signature: first.signature.clone(),
            title: first.title.clone(),
            severity: worst.to_string(),
            services: services.into_iter().take(SERVICES_NAMED).map(str::to_owned).collect(),
            alerts: count(alerts.len()),
            occurrences: alerts.iter().map(|alert| alert.occurrences).sum(),
            counts: self.counts(alerts.iter().copied()),
            first_at_ms: created.into_iter().min().map_or(0, ms),
            last_seen_at_ms: seen.into_iter().max().map_or(0, ms),
            opened,
            incident: alerts
                .iter()
                .find_map(|alert| alert.incident_ref.as_ref().map(ToString::to_string)),
            cooldown: self.cooldown(&first.signature),
            refs: alerts.iter().take(ACTED_MAX).map(|alert| alert.alert_ref.to_string()).collect(),
        }
    }
}

/// The page that was asked for.
pub(crate) fn lines(mirror: &Mirror, around: &Around<'_>, page: &AlertsPage) -> Lines {
    let words: Vec<String> =
        page.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let wanted = |alert: &&Arc<Alert>| {
        (page.statuses.is_empty() || page.statuses.contains(&alert.status().into()))
            && (!page.mine || around.is_mine(alert))
            && (!page.cooling || around.cooling.contains_key(&alert.signature))
            && words.iter().all(|word| says(alert, word))
    };
    let mut found: Vec<&Arc<Alert>> = mirror.iter().filter(wanted).collect();
    if page.newest_first {
        found.sort_by_key(|alert| (Reverse(alert.last_seen_at), Reverse(&alert.alert_ref)));
    } else {
        found.sort_by_key(|alert| {
            (alert.severity, Reverse(alert.last_seen_at), Reverse(&alert.alert_ref))
        });
    }
    let matched = count(found.len());
    let all = if page.grouped {
        grouped(found, &page.opened)
    } else {
        found.into_iter().map(Line::One).collect()
    };
    let offset = page.offset.min(count(all.len()));
    let shown = all.iter().skip(offset as usize).take(page.limit as usize);
    let shown = shown.map(|line| match line {
        Line::Storm(alerts, opened) => AlertLine::Storm(around.storm(alerts, *opened)),
        Line::One(alert) => AlertLine::Alert(around.row(alert)),
    });
    Lines {
        counts: around.counts(mirror.iter()),
        matched,
        total: count(all.len()),
        offset,
        shown: shown.collect(),
    }
}

/// Alerts of one signature stand together where the first of them would stand.
fn grouped<'a>(found: Vec<&'a Arc<Alert>>, opened: &[String]) -> Vec<Line<'a>> {
    let mut by_signature: HashMap<&str, Vec<&Arc<Alert>>> = HashMap::new();
    for alert in &found {
        by_signature.entry(&alert.signature).or_default().push(alert);
    }
    let (mut lines, mut told) = (Vec::with_capacity(found.len()), HashSet::new());
    for alert in found {
        let of_signature = by_signature.get(alert.signature.as_str()).map_or(0, Vec::len);
        if of_signature < STORM_ALERTS_MIN {
            lines.push(Line::One(alert));
        } else if told.insert(alert.signature.as_str()) {
            let alerts = by_signature[alert.signature.as_str()].clone();
            let open = opened.contains(&alert.signature);
            let below: Vec<&Arc<Alert>> = if open { alerts.clone() } else { Vec::new() };
            lines.push(Line::Storm(alerts, open));
            lines.extend(below.into_iter().map(Line::One));
        }
    }
    lines
}

fn says(alert: &Alert, word: &str) -> bool {
    let fields = [
        &alert.title,
        &alert.service,
        &alert.kind,
        &alert.source,
        &alert.env,
        &alert.message,
        &alert.signature,
    ];
    let severity = alert.severity.to_string().to_lowercase();
    let owner = match alert.state() {
        State::Processing { owner, .. } => owner.to_lowercase(),
        State::Acked { by, .. } | State::Failed { by, .. } => by.to_lowercase(),
        State::New => String::new(),
    };
    severity == word
        || owner.contains(word)
        || alert.alert_ref.as_str().contains(word)
        || fields.iter().any(|field| field.to_lowercase().contains(word))
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

impl From<Status> for AlertStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::New,
            Status::Processing => Self::Processing,
            Status::Acked => Self::Acked,
            Status::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use plumb_alert::{Acknowledgement, Caller, Draft, Lease, Severity, ingest};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_772_539_200 + seconds).expect("near today")
    }

    /// `P1 eu behind`, seen so many seconds after the beginning.
    fn alert(number: u32, severity: Severity, kind: &str, s: i64) -> Alert {
        let draft = Draft {
            service: "eu".to_owned(),
            kind: kind.to_owned(),
            title: format!("{kind} on gw-{number}"),
            fingerprint: Some(format!("fp-{number}")),
            severity,
            ..Draft::default()
        };
        let alert_ref = format!("alrt_{number:05}").parse().expect("a reference");
        ingest(&draft, None, 30, alert_ref, at(s)).expect("accepted").value.alert().clone()
    }

    fn storm() -> Vec<Alert> {
        vec![
            alert(1, Severity::P2, "behind", 1),
            alert(2, Severity::P2, "behind", 2),
            alert(3, Severity::P1, "behind", 3),
            alert(4, Severity::P0, "tampered", 4),
            alert(5, Severity::P3, "stale", 5),
        ]
    }

    fn check(alerts: Vec<Alert>, page: &AlertsPage) -> Vec<String> {
        let policy =
            RoutingPolicy::from_yaml("routes: [{name: worst, severity_in: [P0], assign_to: mira}]")
                .expect("a policy");
        let mirror = Mirror::of(alerts);
        let (me, now) = (["mira".to_owned()], at(100));
        let cooling = mirror.cooling(&policy, now);
        let around = Around { policy: &policy, me: &me, cooling, tentative: BTreeSet::new(), now };
        let told = lines(&mirror, &around, page);
        let line = |line: &AlertLine| match line {
            AlertLine::Storm(storm) => {
                format!("{} {} x{}", storm.severity, storm.signature.len(), storm.alerts)
            }
            AlertLine::Alert(row) => format!("{} {}", row.severity, row.title),
        };
        told.shown.iter().map(line).collect()
    }

    fn page() -> AlertsPage {
        AlertsPage { limit: 100, ..AlertsPage::default() }
    }

    #[test]
    fn the_worst_stand_first_and_then_the_newest() {
        let plain = check(storm(), &page());
        assert_eq!(
            plain,
            [
                "P0 tampered on gw-4",
                "P1 behind on gw-3",
                "P2 behind on gw-2",
                "P2 behind on gw-1",
                "P3 stale on gw-5"
            ]
        );
        let newest = check(storm(), &AlertsPage { newest_first: true, ..page() });
        assert_eq!(newest[0], "P3 stale on gw-5");
    }

    #[test]
    fn many_alerts_of_one_signature_are_one_line_until_it_is_opened() {
        let grouped = AlertsPage { grouped: true, ..page() };
        let closed = check(storm(), &grouped);
        assert_eq!(closed, ["P0 tampered on gw-4", "P1 36 x3", "P3 stale on gw-5"]);
        let opened = vec![storm()[0].signature.clone()];
        let opened = check(storm(), &AlertsPage { opened, ..grouped.clone() });
        assert_eq!(opened.len(), 6);
        assert_eq!(opened[2], "P1 behind on gw-3");
        let last = check(storm(), &AlertsPage { offset: 2, ..grouped });
        assert_eq!(last, ["P3 stale on gw-5"]);
    }

    #[test]
    fn words_statuses_and_owners_choose() {
        let by_text = |text: &str| check(storm(), &AlertsPage { text: text.to_owned(), ..page() });
        assert_eq!(by_text("BEHIND gw-2"), ["P2 behind on gw-2"]);
        assert_eq!(by_text("p0"), ["P0 tampered on gw-4"]);
        assert!(by_text("behind atlantis").is_empty());
        let mine = AlertsPage { mine: true, ..page() };
        assert_eq!(check(storm(), &mine), ["P0 tampered on gw-4"], "the policy gives it to mira");
        let lease = Lease::new("mira", 600).expect("a lease");
        let mut held = storm();
        held[4] = held[4].claim(&lease, at(50)).expect("free").value;
        assert_eq!(check(held.clone(), &mine).len(), 2);
        let processing = AlertsPage { statuses: vec![AlertStatus::Processing], ..page() };
        assert_eq!(check(held, &processing), ["P3 stale on gw-5"]);
    }

    #[test]
    fn a_signature_cools_down_after_a_triage_by_what_its_alerts_say() {
        let policy = RoutingPolicy::default();
        let ack = Acknowledgement { caller: Caller::new("mira"), note: String::new() };
        let terms =
            plumb_alert::ConversionTerms { severity_cap: Severity::P1, dedupe_window_minutes: 60 };
        let incident = "inc_1".parse().expect("a reference");
        let converted = plumb_alert::convert(&storm()[0], None, terms, "mira", incident, at(10));
        let triaged = plumb_alert::triage(
            converted.expect("free").value,
            None,
            15,
            plumb_alert::Frozen::default(),
            &ack,
            at(10),
        );
        let mut alerts = storm();
        alerts[0] = triaged.expect("free").value.converted.alert;
        let mirror = Mirror::of(alerts);
        let cooling = |s| mirror.cooling(&policy, at(s));
        assert_eq!(cooling(909).len(), 1);
        let cooldown = cooling(909).into_values().next().expect("one");
        assert_eq!((cooldown.triaged_at, cooldown.until), (at(10), at(910)));
        assert!(cooling(910).is_empty());
    }
}
