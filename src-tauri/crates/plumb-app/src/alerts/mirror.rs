//! Every alert of one inbox, in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use plumb_alert::{Alert, AlertRef, Outcome, RoutingPolicy, SignatureState, State};

/// The alerts of an inbox at one moment; never changed, only replaced.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mirror {
    alerts: BTreeMap<AlertRef, Arc<Alert>>,
}

/// A signature that was triaged so recently that alerts are only added to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cooldown {
    pub triaged_at: Timestamp,
    pub until: Timestamp,
    /// Alerts that were only added since then.
    pub added: u32,
}

impl Mirror {
    pub(crate) fn of(alerts: Vec<Alert>) -> Self {
        let alerts = alerts.into_iter().map(|alert| (alert.alert_ref.clone(), Arc::new(alert)));
        Self { alerts: alerts.collect() }
    }

    /// With these in the place of what was known of them.
    pub(crate) fn with(&self, alerts: impl IntoIterator<Item = Alert>) -> Self {
        let mut all = self.alerts.clone();
        all.extend(alerts.into_iter().map(|alert| (alert.alert_ref.clone(), Arc::new(alert))));
        Self { alerts: all }
    }

    pub(crate) fn len(&self) -> usize {
        self.alerts.len()
    }

    pub(crate) fn get(&self, alert: &AlertRef) -> Option<&Arc<Alert>> {
        self.alerts.get(alert)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.alerts.values()
    }

    /// When each signature was triaged last, with the alerts that were only added afterwards: told by the alerts
    /// themselves, whose acknowledgement says what it came to.
    fn triaged(&self) -> HashMap<&str, SignatureState> {
        let mut known: HashMap<&str, SignatureState> = HashMap::new();
        for alert in self.iter() {
            let State::Acked { at, outcome: Outcome::Triaged, .. } = alert.state() else {
                continue;
            };
            let state = known.entry(&alert.signature).or_insert_with(|| SignatureState {
                signature: alert.signature.clone(),
                last_triage_at: *at,
                skipped: 0,
            });
            state.last_triage_at = state.last_triage_at.max(*at);
        }
        for alert in self.iter() {
            if let State::Acked { at, outcome: Outcome::Appended, .. } = alert.state()
                && let Some(state) = known.get_mut(alert.signature.as_str())
                && *at >= state.last_triage_at
            {
                state.skipped += 1;
            }
        }
        known
    }

    /// What is remembered of one signature.
    pub(crate) fn signature(&self, signature: &str) -> Option<SignatureState> {
        self.triaged().remove(signature)
    }

    /// Signatures that cool down now, each by the policy of its alerts.
    pub(crate) fn cooling(
        &self,
        policy: &RoutingPolicy,
        now: Timestamp,
    ) -> HashMap<String, Cooldown> {
        let mut triaged = self.triaged();
        let mut cooling = HashMap::new();
        for alert in self.iter() {
            // One alert of a signature says by which rule all of them go.
            let Some(state) = triaged.remove(alert.signature.as_str()) else { continue };
            let minutes = policy.route(alert).value.triage_cooldown_minutes;
            let length = SignedDuration::from_mins(i64::from(minutes));
            let until = state.last_triage_at.saturating_add(length).unwrap_or(Timestamp::MAX);
            if now < until {
                let added = u32::try_from(state.skipped).unwrap_or(u32::MAX);
                let cooldown = Cooldown { triaged_at: state.last_triage_at, until, added };
                cooling.insert(state.signature, cooldown);
            }
        }
        cooling
    }
}
