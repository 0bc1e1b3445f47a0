//! What a dry run found: the answers of every node, without when and how fast they came.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{Digest, NodeId, PlanHash};
use serde::{Deserialize, Serialize};

use crate::{
    decisions::{self, ContentChange},
    plan::{Plan, Running},
    readiness::WayBack,
};

/// The report of a dry run over the nodes of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Format of these bytes.
    pub format: u32,
    pub plan: PlanHash,
    pub nodes: BTreeMap<NodeId, DryRunNode>,
    /// What each change of content changes in the answers, in order.
    pub decisions: Vec<ContentChange>,
}

/// What one node answered. Nothing in it depends on when it was asked, how long it took, or by which
/// request: a second dry run that finds the same is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRunNode {
    /// Whether it accepts what it is to load.
    pub verify: VerifyAnswer,
    pub ready: Readiness,
    /// Whether it is as it was planned for.
    pub precondition: Precondition,
    pub way_back: WayBack,
    /// What it was seen to run.
    pub observed: Running,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verify", rename_all = "snake_case", deny_unknown_fields)]
pub enum VerifyAnswer {
    Accepted,
    Missing,
    /// What else it said stands in the findings of the plan: it may name a request or a moment.
    Refused,
    NoAnswer,
    /// The node takes what it is told by content, and verifies that when it loads it.
    NotAsked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    Ready,
    NotReady,
    NoAnswer,
    NotTold,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "precondition", rename_all = "snake_case", deny_unknown_fields)]
pub enum Precondition {
    Holds,
    Changed { what: String },
    NoAnswer,
}

impl DryRun {
    /// Format of these bytes.
    pub const FORMAT: u32 = 2;

    /// An empty report for a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            format: Self::FORMAT,
            plan: plan.hash(),
            nodes: BTreeMap::new(),
            decisions: Vec::new(),
        }
    }

    /// Canonical bytes (RFC 8785): the same on every machine.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("a report always serialises")
    }

    /// SHA-256 of its canonical bytes: what an approval binds.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical_bytes())
    }

    /// Nodes with which the plan would not go as planned, and why.
    pub fn hindrances(&self, plan: &Plan) -> Vec<(NodeId, String)> {
        plan.targets()
            .filter_map(|target| {
                let why = match self.nodes.get(&target.node) {
                    None => Some("was not asked".to_owned()),
                    Some(node) => node.hindrance(),
                };
                why.map(|why| (target.node.clone(), why))
            })
            .collect()
    }

    /// SHA-256 of what is answered differently, which an approval binds; nothing where no content changes.
    pub fn decisions_digest(&self) -> Option<Digest> {
        decisions::digest(&self.decisions)
    }

    /// Every node about which another dry run says something else, with what it says, by name.
    pub fn differences(&self, now: &Self) -> Vec<(NodeId, String)> {
        let names: BTreeSet<&NodeId> = self.nodes.keys().chain(now.nodes.keys()).collect();
        names
            .into_iter()
            .filter_map(|node| {
                let what = match (self.nodes.get(node), now.nodes.get(node)) {
                    (Some(before), Some(now)) => before.differences(now)?,
                    (None, _) => "was not asked before".to_owned(),
                    (Some(_), None) => "was not asked again".to_owned(),
                };
                Some((node.clone(), what))
            })
            .collect()
    }

    /// What it says otherwise of the answers that change, one line each.
    pub fn other_decisions(&self, now: &Self) -> Vec<String> {
        decisions::differences(&self.decisions, &now.decisions)
    }

    /// How many nodes gave which answers, one line each, most nodes first.
    pub fn summary(&self) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in self.nodes.values() {
            *counts.entry(node.sentence()).or_default() += 1;
        }
        let mut lines: Vec<(usize, String)> =
            counts.into_iter().map(|(sentence, count)| (count, sentence)).collect();
        lines.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let nodes = |count: usize| if count == 1 { "node" } else { "nodes" };
        lines.into_iter().map(|(count, line)| format!("{count} {}: {line}", nodes(count))).collect()
    }
}

impl VerifyAnswer {
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::Accepted => "accepts the bundle",
            Self::Missing => "has no such bundle",
            Self::Refused => "refuses the bundle",
            Self::NoAnswer => "did not say whether it accepts the bundle",
            Self::NotAsked => "verifies the bundle when it loads it",
        }
    }
}

impl Readiness {
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Ready => "is ready",
            Self::NotReady => "says that it is not ready",
            Self::NoAnswer => "did not say whether it is ready",
            Self::NotTold => "does not tell whether it is ready",
        }
    }
}

impl Precondition {
    pub fn sentence(&self) -> &str {
        match self {
            Self::Holds => "is as planned for",
            Self::Changed { what } => what,
            Self::NoAnswer => "did not say what it runs",
        }
    }
}

impl DryRunNode {
    /// Its answers in one line, which is the same for nodes that answered the same.
    fn sentence(&self) -> String {
        let parts = [
            self.verify.sentence(),
            self.ready.sentence(),
            self.precondition.sentence(),
            &self.way_back.sentence(),
        ];
        parts.join(", ")
    }

    fn differences(&self, now: &Self) -> Option<String> {
        let mut said = Vec::new();
        let mut compare = |before: &str, now: &str| {
            if before != now {
                said.push(format!("{now} (before: {before})"));
            }
        };
        compare(self.verify.sentence(), now.verify.sentence());
        compare(self.ready.sentence(), now.ready.sentence());
        compare(self.precondition.sentence(), now.precondition.sentence());
        compare(&self.way_back.sentence(), &now.way_back.sentence());
        if self.observed != now.observed {
            said.push(format!("runs {} (before: {})", now.observed, self.observed));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Why the plan would not go as planned here.
    pub fn hindrance(&self) -> Option<String> {
        match (&self.verify, &self.precondition, self.ready) {
            (VerifyAnswer::Missing | VerifyAnswer::Refused, ..) => {
                Some(self.verify.sentence().to_owned())
            }
            (_, Precondition::Changed { what }, _) => Some(what.clone()),
            (VerifyAnswer::NoAnswer, ..)
            | (_, Precondition::NoAnswer, _)
            | (.., Readiness::NoAnswer) => Some("does not answer".to_owned()),
            (.., Readiness::NotReady) => Some(self.ready.sentence().to_owned()),
            _ => None,
        }
    }
}
