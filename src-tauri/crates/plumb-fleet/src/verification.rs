//! What a node says of how it verified what it runs, check by check, and how its source stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::snapshot::{NodeReport, SignatureReport};

/// What a node found when it last verified what its source offered. Nothing in it moves while the
/// same bytes are offered, so nodes of one bundle tell the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Every check by its stable name, in the node's order.
    pub checks: Vec<CheckSeen>,
    /// Key or certificate, log and time that carried the answer, in the node's words.
    pub carried_by: Option<String>,
    /// Where what is verified comes from, such as `pack https://hub.example/packs/edge`.
    pub origin: Option<String>,
    /// Why the node runs something else than what it should.
    pub fallback: Option<String>,
}

/// One check, as it came out the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSeen {
    pub name: String,
    pub outcome: CheckOutcome,
    pub detail: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    Failed,
    /// One before it failed, or a bundle of this kind has nothing to check.
    NotMade,
}

impl CheckOutcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotMade => "not_made",
        }
    }
}

/// Figures about a node's source and its answers; they move from sweep to sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Attempts to load what is offered that failed, up to the newest.
    pub consecutive_failures: u64,
    pub fallback_since: Option<Timestamp>,
    /// When the newest check was made.
    pub verified_at: Option<Timestamp>,
    /// Since the node started, where it counts them.
    pub decisions: Option<DecisionCounts>,
    /// Between the two looks around the newest reload that was seen to happen.
    pub around_reload: Option<DecisionCounts>,
}

/// Decisions that were answered, and those of them that were a server error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionCounts {
    pub all: u64,
    pub failed: u64,
}

impl DecisionCounts {
    /// More than 0.5 % failed (R199).
    pub const fn too_many_failed(self) -> bool {
        self.failed.saturating_mul(200) > self.all
    }

    /// What came since an earlier look; nothing where the counters fell, for then the node started
    /// again.
    fn since(self, before: Self) -> Option<Self> {
        let all = self.all.checked_sub(before.all)?;
        let failed = self.failed.checked_sub(before.failed)?;
        Some(Self { all, failed })
    }
}

impl NodeReport {
    /// Counts the decisions around a reload that happened since the report before.
    pub(crate) fn count_around_reload(&mut self, before: &Self) {
        let newest = self.history.first();
        let reloaded = newest.is_some() && newest != before.history.first();
        let (Some(now), Some(then)) = (&mut self.standing, &before.standing) else { return };
        now.value.around_reload = if reloaded {
            let counts = now.value.decisions.zip(then.value.decisions);
            counts.and_then(|(now, then)| now.since(then))
        } else {
            then.value.around_reload
        };
    }
}

/// Whether what a node runs, and what it was offered last, was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// A check failed, or what runs carries no valid signature.
    No,
    /// The node tells neither checks nor a signature.
    NotTold,
    Yes,
}

impl Verified {
    /// By what the node says itself.
    pub fn of(report: &NodeReport) -> Self {
        let signature = report.signature.as_ref().map(|seen| &seen.value);
        let checks = report.verification.as_ref().map_or(&[][..], |seen| &seen.value.checks[..]);
        if checks.iter().any(|check| check.outcome == CheckOutcome::Failed)
            || matches!(
                signature,
                Some(SignatureReport::Invalid { .. } | SignatureReport::Unsigned)
            )
        {
            return Self::No;
        }
        let passed = checks.iter().any(|check| check.outcome == CheckOutcome::Passed);
        if passed || matches!(signature, Some(SignatureReport::Valid { .. })) {
            Self::Yes
        } else {
            Self::NotTold
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::NotTold => "unknown",
            Self::Yes => "yes",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::No, Self::NotTold, Self::Yes]
            .into_iter()
            .find(|verified| verified.name().eq_ignore_ascii_case(name))
    }
}
