//! Why an alert stands as it does, told again from what is kept of it.

use jiff::Timestamp;

use crate::{
    alert::{Alert, State},
    dedupe::after_minutes,
    routing::RoutingPolicy,
    triage::{SignatureState, decide},
    why::Why,
};

/// What was decided about an alert, and what would be decided next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What a further report with its fingerprint comes to.
    pub dedupe: Why,
    /// Who holds it, or when it is tried again.
    pub claim: Option<Why>,
    /// Whether a triage would run for it now.
    pub triage: Why,
    /// Which rule of the policy it follows.
    pub route: Why,
}

/// Explains an alert under a policy; `triaged` is what is remembered of its signature.
pub fn explain(
    alert: &Alert,
    policy: &RoutingPolicy,
    triaged: Option<&SignatureState>,
    now: Timestamp,
) -> Explained {
    let route = policy.route(alert);
    let triage =
        decide(&alert.signature, triaged, route.value.triage_cooldown_minutes, now).why.pop();
    Explained {
        dedupe: dedupe(
            alert,
            alert.own_window().unwrap_or(policy.defaults.dedupe_ttl_minutes),
            now,
        ),
        claim: claim(alert, now),
        triage: triage.expect("a decision has its reason"),
        route: route.why.into_iter().next().expect("a route has its reason"),
    }
}

fn dedupe(alert: &Alert, ttl_minutes: u32, now: Timestamp) -> Why {
    let (fingerprint, first_at) = (alert.fingerprint.clone(), alert.created_at);
    let alert = alert.alert_ref.clone();
    if now < after_minutes(first_at, ttl_minutes) {
        Why::WithinWindow { fingerprint, alert, first_at, ttl_minutes }
    } else {
        Why::WindowOver { fingerprint, alert, first_at, ttl_minutes }
    }
}

fn claim(alert: &Alert, now: Timestamp) -> Option<Why> {
    match alert.state() {
        State::New | State::Acked { .. } => None,
        State::Processing { owner, lock_until, .. } => {
            let (owner, lock_until) = (owner.clone(), *lock_until);
            Some(if lock_until <= now {
                Why::LockExpired { owner, lock_until }
            } else {
                Why::Claimed { owner, lock_until }
            })
        }
        State::Failed { retry_at, .. } => {
            let retry_at = *retry_at;
            Some(if retry_at <= now {
                Why::RetryDue { retry_at }
            } else {
                Why::RetryLater { retry_at }
            })
        }
    }
}
