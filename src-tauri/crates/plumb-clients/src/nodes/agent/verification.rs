//! How the agent verified what it was offered last, from the parts of its status that tell.

use std::sync::Arc;

use plumb_fleet::{
    CheckOutcome, CheckSeen, DecisionCounts, NodeReport, Observed, Standing, Verification,
};
use plumb_wire::v1;

use super::STATUS;
use crate::{limits::CHECKS_MAX, node::said};

/// Older agents tell the checks of the bundle in force only, and no figures.
pub(super) fn take(report: &mut NodeReport, status: &v1::Status, at: jiff::Timestamp) {
    let signature = status.bundle.as_ref().map(|bundle| &bundle.signature);
    let fallback = status.fallback.as_ref();
    let policy = status.policy.as_ref();
    let checks = checks(policy, signature);
    let carried_by = policy
        .and_then(|policy| policy.carried_by.as_deref().map(said))
        .or_else(|| signature.and_then(key));
    let origin =
        policy.map(|policy| said(&format!("{} {}", policy.source.kind, policy.source.location)));
    if !checks.is_empty() || policy.is_some() {
        let fallback = fallback.map(|fallback| said(&fallback.reason));
        let seen = Verification { checks, carried_by, origin, fallback };
        report.verification = Some(Observed::new(Arc::new(seen), STATUS, at));
    }
    if let Some(policy) = policy {
        let standing = Standing {
            consecutive_failures: policy.consecutive_failures,
            fallback_since: fallback.map(|fallback| fallback.since),
            verified_at: policy.verification.iter().filter_map(|check| check.at).max(),
            decisions: policy
                .decisions
                .map(|counts| DecisionCounts { all: counts.all, failed: counts.failed }),
            around_reload: None,
        };
        report.standing = Some(Box::new(Observed::new(standing, STATUS, at)));
    }
}

/// The newest word of each check, with the detail that the bundle in force has of it; in the order of
/// the status. A detail belongs to a check that passed: one that failed was about other bytes.
fn checks(
    policy: Option<&v1::PolicyStanding>,
    signature: Option<&v1::SignatureStatus>,
) -> Vec<CheckSeen> {
    let in_force = signature.map_or(&[][..], |signature| &signature.checks[..]);
    let newest = policy.map_or(&[][..], |policy| &policy.verification[..]);
    if newest.is_empty() {
        let seen = |check: &v1::SignatureCheck| CheckSeen {
            name: said(&check.name),
            outcome: outcome(Some(check.passed)),
            detail: check.detail.as_deref().map(said),
        };
        return in_force.iter().take(CHECKS_MAX).map(seen).collect();
    }
    let detail = |seen: &v1::CheckSeen| {
        let same = |check: &&v1::SignatureCheck| {
            check.name == seen.check && seen.passed == Some(true) && check.passed
        };
        in_force.iter().find(same).and_then(|check| check.detail.as_deref()).map(said)
    };
    newest
        .iter()
        .take(CHECKS_MAX)
        .map(|seen| CheckSeen {
            name: said(&seen.check),
            outcome: outcome(seen.passed),
            detail: detail(seen),
        })
        .collect()
}

const fn outcome(passed: Option<bool>) -> CheckOutcome {
    match passed {
        Some(true) => CheckOutcome::Passed,
        Some(false) => CheckOutcome::Failed,
        None => CheckOutcome::NotMade,
    }
}

/// The key of a signature that stands inside the bundle.
fn key(signature: &v1::SignatureStatus) -> Option<String> {
    (signature.verdict == v1::SignatureVerdict::Valid)
        .then(|| said(&format!("{}, key {}", signature.scheme, signature.key)))
}
