//! Many reports, one alert.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    alert::{Alert, Counts, Draft, Labels, Life, Rejection, State, tells},
    ids::AlertRef,
    limits::TELLERS_MAX,
    why::{Decided, Why},
};

/// Hex digits of a computed key: 128 bits.
const KEY_BYTES: usize = 16;
/// An alert of an unknown sender.
const UNKNOWN_SOURCE: &str = "unknown";

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Ingested {
    /// A new alert.
    Created(Alert),
    /// The same alert, seen once more.
    Deduplicated(Alert),
}

impl Ingested {
    pub fn alert(&self) -> &Alert {
        match self {
            Self::Created(alert) | Self::Deduplicated(alert) => alert,
        }
    }

    pub fn deduped(&self) -> bool {
        matches!(self, Self::Deduplicated(_))
    }
}

impl Draft {
    /// The sender's fingerprint, or one over what says which condition this is. Digits of the title do not count,
    /// because titles carry measured values.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone().unwrap_or_else(|| {
            let title: String = self.title.chars().filter(|c| !c.is_ascii_digit()).collect();
            key("fp_", [&self.service, &self.env, &self.kind, &title], &self.labels)
        })
    }

    /// The sender's signature, or one over service, environment and kind.
    pub fn signature(&self) -> String {
        self.signature.clone().unwrap_or_else(|| {
            key("sig_", [&self.service, &self.env, &self.kind, ""], &Labels::new())
        })
    }
}

/// Detail under which an alert keeps the window that its sender gave.
const OWN_WINDOW: &str = "dedupe_ttl_minutes";

/// A digest over parts with their lengths, so that no two lists of parts read the same.
fn key(prefix: &str, parts: [&str; 4], labels: &Labels) -> String {
    let mut hash = Sha256::new();
    let labels = labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for part in parts.into_iter().chain(labels) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("{prefix}{}", hex::encode(&hash.finalize()[..KEY_BYTES]))
}

/// Decides about a report; `newest` is the newest alert with its fingerprint, `fresh` the reference of a new one.
///
/// The window runs from when that alert was first seen, so a condition that lasts is told again after it, also when
/// somebody dismissed the alert. Where several watch the same thing, it is over when none of them says any more that it
/// lasts.
pub fn ingest(
    draft: &Draft,
    newest: Option<&Alert>,
    ttl_minutes: u32,
    fresh: AlertRef,
    now: Timestamp,
) -> Result<Decided<Ingested>, Rejection> {
    let fingerprint = draft.fingerprint();
    if draft.resolved {
        let Some(alert) = newest else {
            return Err(Rejection::NothingToResolve { fingerprint });
        };
        // Whoever does not see it any more does not speak for those who do, and has not seen it once more.
        if let Some(teller) = &draft.told_by
            && let Some((by, at)) = alert.lasts_for(teller, now)
        {
            let why = Why::StillTold { fingerprint, teller: teller.clone(), by: by.to_owned(), at };
            let mut alert = alert.clone();
            alert.told_by.remove(teller);
            return Ok(Decided::new(Ingested::Deduplicated(alert), why));
        }
        let mut alert = seen_again(alert, now);
        alert.told_by.clear();
        alert.resolved_at.get_or_insert(now);
        return Ok(Decided::new(
            Ingested::Deduplicated(alert),
            Why::ResolvedBySource { fingerprint },
        ));
    }
    let ttl_minutes = draft.dedupe_ttl_minutes.unwrap_or(ttl_minutes);
    let Some(known) = newest else {
        let why = Why::NewFingerprint { fingerprint: fingerprint.clone() };
        return Ok(Decided::new(Ingested::Created(create(draft, fingerprint, fresh, now)), why));
    };
    let (alert, first_at) = (known.alert_ref.clone(), known.created_at);
    if now < after_minutes(first_at, ttl_minutes) {
        let mut again = seen_again(known, now);
        again.resolved_at = None;
        again.severity = again.severity.min(draft.severity);
        told(&mut again.told_by, draft, now);
        let why = Why::WithinWindow { fingerprint, alert, first_at, ttl_minutes };
        return Ok(Decided::new(Ingested::Deduplicated(again), why));
    }
    let why = Why::WindowOver { fingerprint: fingerprint.clone(), alert, first_at, ttl_minutes };
    Ok(Decided::new(Ingested::Created(create(draft, fingerprint, fresh, now)), why))
}

impl Alert {
    /// The window in minutes that its sender gave it, where the policy's is not the one.
    pub(crate) fn own_window(&self) -> Option<u32> {
        u32::try_from(self.details.get(OWN_WINDOW)?.as_u64()?).ok()
    }
}

pub(crate) fn after_minutes(at: Timestamp, minutes: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_mins(i64::from(minutes))).unwrap_or(Timestamp::MAX)
}

fn seen_again(alert: &Alert, now: Timestamp) -> Alert {
    let mut again = alert.clone();
    again.occurrences += 1;
    again.last_seen_at = again.last_seen_at.max(now);
    again
}

/// Remembers who says it, and forgets who has not for long.
fn told(tellers: &mut BTreeMap<String, Timestamp>, draft: &Draft, now: Timestamp) {
    let Some(teller) = &draft.told_by else { return };
    tellers.retain(|_, at| tells(*at, now));
    tellers.insert(teller.clone(), now);
    while tellers.len() > TELLERS_MAX {
        let others = tellers.iter().filter(|(by, _)| *by != teller);
        let Some(oldest) = others.min_by_key(|(_, at)| **at).map(|(by, _)| by.clone()) else {
            return;
        };
        tellers.remove(&oldest);
    }
}

fn create(draft: &Draft, fingerprint: String, alert_ref: AlertRef, now: Timestamp) -> Alert {
    let mut tellers = BTreeMap::new();
    told(&mut tellers, draft, now);
    let source = if draft.source.is_empty() { UNKNOWN_SOURCE } else { &draft.source };
    let mut details = draft.details.clone();
    if let Some(minutes) = draft.dedupe_ttl_minutes {
        details.insert(OWN_WINDOW.to_owned(), minutes.into());
    }
    Alert {
        alert_ref,
        source: source.to_owned(),
        service: draft.service.clone(),
        env: draft.env.clone(),
        kind: draft.kind.clone(),
        title: draft.title.clone(),
        message: draft.message.clone(),
        severity: draft.severity,
        fingerprint,
        signature: draft.signature(),
        labels: draft.labels.clone(),
        details,
        occurrences: 1,
        created_at: now,
        last_seen_at: now,
        started_at: draft.started_at,
        resolved_at: None,
        told_by: tellers,
        incident_ref: None,
        last_error: None,
        life: Life::restore(State::New, Counts::default()),
    }
}

/// One kind of alert of one source whose fingerprints look as if they held what varies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spread {
    pub source: String,
    pub service: String,
    pub kind: String,
    pub alerts: usize,
    pub fingerprints: usize,
}

/// Sources that make a new fingerprint of nearly every report: at least `alerts_min` alerts of one service and kind,
/// nine of ten with a fingerprint of its own, none seen twice.
pub fn spread(alerts: &[Alert], alerts_min: usize) -> Vec<Spread> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        let group = (alert.source.as_str(), alert.service.as_str(), alert.kind.as_str());
        groups.entry(group).or_default().push(alert);
    }
    let suspicious = groups.into_iter().filter_map(|((source, service, kind), alerts)| {
        let fingerprints: BTreeSet<&str> = alerts.iter().map(|a| a.fingerprint.as_str()).collect();
        let (count, fingerprints) = (alerts.len(), fingerprints.len());
        let repeated = alerts.iter().any(|alert| alert.occurrences > 1);
        (count >= alerts_min.max(2) && fingerprints * 10 >= count * 9 && !repeated).then(|| {
            Spread {
                source: source.to_owned(),
                service: service.to_owned(),
                kind: kind.to_owned(),
                alerts: count,
                fingerprints,
            }
        })
    });
    suspicious.collect()
}
