//! What a dry run found: the answers of every node, without when and how fast they came.

use std::collections::BTreeMap;

use plumb_fleet::{Digest, NodeId, PlanHash};
use serde::{Deserialize, Serialize};

use crate::{
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
    Refused {
        message: String,
    },
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
    /// An empty report for a plan.
    pub fn of(plan: &Plan) -> Self {
        Self { format: 1, plan: plan.hash(), nodes: BTreeMap::new() }
    }

    /// SHA-256 of its canonical bytes: what an approval binds.
    pub fn digest(&self) -> Digest {
        let bytes = serde_json_canonicalizer::to_vec(self).expect("a report always serialises");
        Digest::of(&bytes)
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
}

impl DryRunNode {
    fn hindrance(&self) -> Option<String> {
        match (&self.verify, &self.precondition, self.ready) {
            (VerifyAnswer::Missing, ..) => Some("has no such bundle".to_owned()),
            (VerifyAnswer::Refused { message }, ..) => {
                Some(format!("refuses the bundle: {message}"))
            }
            (_, Precondition::Changed { what }, _) => Some(what.clone()),
            (VerifyAnswer::NoAnswer, ..)
            | (_, Precondition::NoAnswer, _)
            | (.., Readiness::NoAnswer) => Some("does not answer".to_owned()),
            (.., Readiness::NotReady) => Some("says that it is not ready".to_owned()),
            _ => None,
        }
    }
}
