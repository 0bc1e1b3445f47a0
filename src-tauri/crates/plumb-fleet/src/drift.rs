//! Drift states: exactly one per node, worst first.

use std::{cmp::Ordering as Order, collections::BTreeMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    desired::{Desired, DesiredVersion, Offer},
    ids::{ContentDigest, NodeId, Version},
    snapshot::{NodeObservation, NodeReport, SignatureReport},
};

/// How a node stands to what is desired, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftState {
    /// Signature invalid, or content of no signed bundle known under that version while one is known.
    Tampered,
    /// Runs content that was refused.
    Poisoned,
    /// The desired version with other content.
    Diverged,
    Behind,
    Ahead,
    /// The source has not confirmed the digest within the limit.
    Stale,
    Unreachable,
    /// Never seen, or cannot tell.
    Unknown,
    /// An accepted change is in flight and its deadline has not passed.
    Converging,
    InSync,
}

impl DriftState {
    pub const ALL: [Self; 10] = [
        Self::Tampered,
        Self::Poisoned,
        Self::Diverged,
        Self::Behind,
        Self::Ahead,
        Self::Stale,
        Self::Unreachable,
        Self::Unknown,
        Self::Converging,
        Self::InSync,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::Poisoned => "poisoned",
            Self::Diverged => "diverged",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Stale => "stale",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Converging => "converging",
            Self::InSync => "in_sync",
        }
    }

    /// Whether a sync can help: the node answers and runs something that is not desired.
    pub const fn is_drifted(self) -> bool {
        matches!(
            self,
            Self::Tampered
                | Self::Poisoned
                | Self::Diverged
                | Self::Behind
                | Self::Ahead
                | Self::Stale
        )
    }
}

/// A state and the sentence that justifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub state: DriftState,
    pub why: String,
}

impl Verdict {
    fn new(state: DriftState, why: impl Into<String>) -> Self {
        Self { state, why: why.into() }
    }
}

/// The most common content of each version among nodes of one bundle, for versions of which no signed
/// bundle is known.
pub type Majority = BTreeMap<Version, ContentDigest>;

/// Why nothing can be said of a node that never answered.
pub const NO_ANSWER_YET: &str = "no answer yet";

/// Names the drift state of one node.
///
/// `tampered` and `poisoned` outrank everything; an accepted change in flight hides the lesser states
/// until its deadline; then reachability; then the comparison with desired; then the digest's age.
pub fn drift(
    node: &NodeId,
    seen: &NodeObservation,
    desired: &Desired,
    majority: &Majority,
    now: Timestamp,
) -> Verdict {
    if let Some(report) = &seen.report
        && let Some(verdict) = outlaw(report, desired)
    {
        return verdict;
    }
    if let Some(change) = desired.in_flight.get(node)
        && now < change.deadline
        && !(seen.failure.is_none()
            && seen.report.as_deref().is_some_and(|r| {
                r.at > change.since
                    && compare(node, r, desired, majority, now).state == DriftState::InSync
            }))
    {
        return Verdict::new(DriftState::Converging, "an accepted change is in flight");
    }
    if let Some(failure) = &seen.failure {
        let state =
            if failure.kind.no_answer() { DriftState::Unreachable } else { DriftState::Unknown };
        return Verdict::new(state, failure.message.clone());
    }
    match &seen.report {
        None => Verdict::new(DriftState::Unknown, NO_ANSWER_YET),
        Some(report) => compare(node, report, desired, majority, now),
    }
}

/// The two states that no change in flight and no silence may hide.
fn outlaw(report: &NodeReport, desired: &Desired) -> Option<Verdict> {
    if let Some(signature) = &report.signature
        && let SignatureReport::Invalid { reason } = &signature.value
    {
        return Some(Verdict::new(DriftState::Tampered, format!("signature invalid: {reason}")));
    }
    let content = report.content.as_ref()?.value;
    if let Some(version) = &report.version {
        let mut known = desired.catalogue.of_version(&version.value).peekable();
        if known.peek().is_some() && known.all(|entry| entry.content != content) {
            return Some(Verdict::new(
                DriftState::Tampered,
                format!(
                    "content {} is of no signed bundle known as {}",
                    content.short(),
                    version.value
                ),
            ));
        }
    }
    desired.refused.contains(&content).then(|| {
        Verdict::new(DriftState::Poisoned, format!("runs the refused content {}", content.short()))
    })
}

fn compare(
    node: &NodeId,
    report: &NodeReport,
    desired: &Desired,
    majority: &Majority,
    now: Timestamp,
) -> Verdict {
    let Some(version) = &report.version else {
        return Verdict::new(DriftState::Unknown, "the node reports no version");
    };
    let Some(want) = desired.of(node) else {
        return Verdict::new(DriftState::Unknown, "no desired version is set");
    };
    if version.value != want.version {
        return match order(&version.value, &want.version, desired.offer(node)) {
            Order::Less => Verdict::new(
                DriftState::Behind,
                format!("runs {}, desired is {}", version.value, want.version),
            ),
            _ => Verdict::new(
                DriftState::Ahead,
                format!("runs {}, desired is {}", version.value, want.version),
            ),
        };
    }
    let Some(content) = &report.content else {
        return Verdict::new(
            DriftState::Unknown,
            "the version matches, the content could not be read",
        );
    };
    if let Some(expected) = expected_content(want, desired.offer(node), majority)
        && content.value != expected
    {
        return Verdict::new(
            DriftState::Diverged,
            format!(
                "same version {}, content {} instead of {}",
                want.version,
                content.value.short(),
                expected.short()
            ),
        );
    }
    if let Some(confirmed) = &report.confirmed_at {
        let age_s = now.as_second().saturating_sub(confirmed.value.as_second());
        if age_s > i64::from(desired.thresholds.digest_age_s) {
            return Verdict::new(
                DriftState::Stale,
                format!("its source last confirmed the digest {} min ago", age_s / 60),
            );
        }
    }
    Verdict::new(DriftState::InSync, format!("runs {} with the desired content", want.version))
}

/// The content a desired version stands for: pinned, of the only signed bundle, or of most nodes.
pub fn expected_content(
    want: &DesiredVersion,
    offer: Offer<'_>,
    majority: &Majority,
) -> Option<ContentDigest> {
    want.content
        .or_else(|| offer.resolve(want).map(|entry| entry.content))
        .or_else(|| majority.get(&want.version).copied())
}

/// Orders two version labels: by the issue time of their signed bundles where both are known, else as
/// semantic versions (a leading `v` allowed), else by their digits and letters in runs. Only equal
/// labels are equal: `1.0.0` and `v1.0.0` stand in the order of their characters.
pub fn order(a: &Version, b: &Version, offer: Offer<'_>) -> Order {
    let issued =
        |version: &Version| offer.of_version(version).filter_map(|entry| entry.issued_at).max();
    if let (Some(a), Some(b)) = (issued(a), issued(b))
        && a != b
    {
        return a.cmp(&b);
    }
    let semantic = |version: &Version| {
        let label = version.as_str();
        semver::Version::parse(label.strip_prefix(['v', 'V']).unwrap_or(label)).ok()
    };
    let meant = match (semantic(a), semantic(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => natural(a.as_str(), b.as_str()),
    };
    meant.then_with(|| a.cmp(b))
}

/// Compares text with runs of digits taken as numbers, so `v9` stands before `v41`.
fn natural(a: &str, b: &str) -> Order {
    let (mut a, mut b) = (a, b);
    loop {
        let (run_a, rest_a) = run(a);
        let (run_b, rest_b) = run(b);
        if run_a.is_empty() || run_b.is_empty() {
            return run_a.len().cmp(&run_b.len());
        }
        let numeric = run_a.starts_with(|c: char| c.is_ascii_digit())
            && run_b.starts_with(|c: char| c.is_ascii_digit());
        let order = if numeric {
            let (a, b) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            run_a.cmp(run_b)
        };
        if order != Order::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn run(text: &str) -> (&str, &str) {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}
