//! Convergence certificate: what every target of a run was seen to run some time after its end.

use std::{borrow::Cow, collections::BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, FleetId, NodeId, PlanHash, RunId, Version};
use plumb_runbook::Plan;
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Head,
    event::Outcome,
    fold::{Bypassed, RunState},
};

/// How long after the end of a run its nodes are looked at for the certificate, in seconds: what comes
/// back by itself, such as a node that polls another source, has done so by then.
pub const SETTLE_S: u32 = 30;
/// Longest reason, in characters; a node may send anything.
const REASON_CHARS_MAX: usize = 300;
/// Most subjects of other contents that a statement names beside the plan; what targets ran stands in
/// the predicate in full.
const CONTENTS_NAMED_MAX: usize = 64;

/// What is certified of a run. Green when every target stood as the plan wanted it; after a rollback, as
/// before the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub run: RunId,
    pub plan: PlanHash,
    pub fleet: FleetId,
    pub environment: String,
    pub operator: String,
    pub outcome: Outcome,
    pub ended_at: Timestamp,
    /// When the last of the targets was looked at.
    pub observed_at: Timestamp,
    /// The journal that tells how it came to this.
    pub journal: JournalRef,
    /// Safeguards that the run passed over, each with who did and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypasses: Vec<Bypassed>,
    /// In the order of the plan.
    pub targets: Vec<Target>,
}

/// A journal by its length and the hash of its newest event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalRef {
    pub events: u64,
    pub head: plumb_fleet::Digest,
}

/// One target: what it was to run, what it was seen to run, and why it is a straggler if it is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub node: NodeId,
    /// Nothing where the plan is about settings or pins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<ContentDigest>,
    /// Nothing where the node did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ContentDigest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub straggles: Option<String>,
}

/// What a look at one target showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub content: Option<ContentDigest>,
    pub version: Option<Version>,
    /// Why it does not stand as it was to.
    pub straggles: Option<String>,
}

/// Why nothing can be certified yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooEarly {
    #[error("the run has not ended")]
    NotEnded,
    #[error("the run ended less than {SETTLE_S} s ago")]
    NotSettled { at: Timestamp },
}

impl Predicate for Certificate {
    const TYPE: &'static str = "https://plumbline.invalid/convergence/v1";
}

/// From when on the nodes of a run may be looked at for its certificate.
pub fn due(state: &RunState) -> Option<Timestamp> {
    let settle = jiff::SignedDuration::from_secs(i64::from(SETTLE_S));
    state.ended_at.and_then(|ended| ended.checked_add(settle).ok())
}

impl Certificate {
    /// Certifies what `look` tells of each target, which is handed what the target was to stand as. The look
    /// began at `began` and ended at `observed_at`.
    pub fn new(
        plan: &Plan,
        (state, journal): (&RunState, Head),
        (began, observed_at): (Timestamp, Timestamp),
        mut look: impl FnMut(&plumb_runbook::NodePlan) -> Seen,
    ) -> Result<Self, TooEarly> {
        let (Some(outcome), Some(ended_at)) = (state.outcome, state.ended_at) else {
            return Err(TooEarly::NotEnded);
        };
        if let Some(at) = due(state)
            && began < at
        {
            return Err(TooEarly::NotSettled { at });
        }
        let taken_back = outcome == Outcome::RolledBack;
        let targets = plan.targets().map(|target| {
            let part =
                if taken_back { Cow::Owned(target.taken_back()) } else { Cow::Borrowed(target) };
            let seen = look(&part);
            Target {
                node: part.node.clone(),
                wanted: part.after.content,
                observed: seen.content,
                version: seen.version,
                straggles: seen.straggles.map(|why| why.chars().take(REASON_CHARS_MAX).collect()),
            }
        });
        Ok(Self {
            run: journal.run,
            plan: plan.hash(),
            fleet: plan.fleet.clone(),
            environment: plan.environment.clone(),
            operator: state.operator.clone(),
            outcome,
            ended_at,
            observed_at,
            journal: JournalRef { events: journal.seq, head: journal.hash },
            bypasses: state.bypasses.clone(),
            targets: targets.collect(),
        })
    }

    /// Whether every target stood as it was to. A plan without targets proves nothing.
    pub fn is_green(&self) -> bool {
        !self.targets.is_empty() && self.stragglers().next().is_none()
    }

    pub fn stragglers(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.straggles.is_some())
    }

    /// Contents that targets were to run and were seen to run: what a green certificate is proof of.
    pub fn contents(&self) -> BTreeSet<ContentDigest> {
        let proven = self.targets.iter().filter(|target| target.straggles.is_none());
        proven.filter(|target| target.wanted == target.observed).filter_map(|t| t.wanted).collect()
    }

    /// The statement that is signed: about the plan, the journal, and the contents that were proven.
    pub fn statement(self) -> Statement<Self> {
        let mut subject =
            vec![Subject::new("plan", self.plan.0), Subject::new("journal", self.journal.head)];
        let contents = self.contents().into_iter().take(CONTENTS_NAMED_MAX);
        subject.extend(contents.map(|content| Subject::new("content", content.0)));
        Statement { subject, predicate: self }
    }

    /// What a statement certifies, if its subjects are those of its predicate.
    pub fn of(statement: Statement<Self>) -> Option<Self> {
        let Statement { subject, predicate } = statement;
        (predicate.clone().statement().subject == subject).then_some(predicate)
    }
}
