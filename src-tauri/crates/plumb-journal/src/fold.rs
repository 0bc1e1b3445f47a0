//! Events to state: defined for every prefix of every run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NodeId, PlanHash, Version};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Entry,
    event::{EffectOutcome, Event, Outcome},
};

/// What is known of a run from its journal alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    pub plan: Option<PlanHash>,
    pub operator: String,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub nodes: BTreeMap<NodeId, NodeRun>,
    /// The desired version was set, or pins of the console were changed.
    #[serde(default)]
    pub pins_changed: bool,
    pub abort_requested: bool,
    pub outcome: Option<Outcome>,
}

/// What is known of one node in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRun {
    pub phase: NodePhase,
    pub detail: String,
    pub version: Option<Version>,
    pub content: Option<ContentDigest>,
    /// When its first effect was started.
    pub acted_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodePhase {
    #[default]
    Waiting,
    /// An effect was started and has not finished. After a crash: in doubt.
    Acting,
    /// Every finished effect was accepted; arrival is not proven.
    Accepted,
    Arrived,
    /// An effect was refused, or the deadline passed without arrival.
    Failed,
    Skipped,
    InDoubt,
}

/// Folds events, in order, to what they amount to.
pub fn fold(entries: &[Entry]) -> RunState {
    let mut state = RunState::default();
    for entry in entries {
        step(&mut state, entry);
    }
    state
}

fn step(state: &mut RunState, entry: &Entry) {
    match &entry.body.event {
        Event::RunStarted { plan, operator, .. } => {
            state.plan = Some(*plan);
            state.operator.clone_from(operator);
            state.started_at = Some(entry.body.at);
        }
        Event::DesiredSet { .. } | Event::PinsChanged { .. } => state.pins_changed = true,
        Event::EffectStarted { node, effect, .. } => {
            let node = state.nodes.entry(node.clone()).or_default();
            node.phase = NodePhase::Acting;
            node.acted_at.get_or_insert(entry.body.at);
            node.detail = effect.sentence();
        }
        Event::EffectFinished { node, outcome, .. } => {
            let node = state.nodes.entry(node.clone()).or_default();
            node.phase = match outcome {
                EffectOutcome::Accepted { .. } => NodePhase::Accepted,
                EffectOutcome::Refused { .. } | EffectOutcome::Missing { .. } => NodePhase::Failed,
                EffectOutcome::InDoubt { .. } => NodePhase::InDoubt,
            };
            outcome.message().clone_into(&mut node.detail);
        }
        Event::EffectSkipped { node, reason, .. } => {
            let node = state.nodes.entry(node.clone()).or_default();
            if matches!(node.phase, NodePhase::Waiting | NodePhase::Accepted) {
                node.phase = NodePhase::Skipped;
                node.detail.clone_from(reason);
            }
        }
        Event::NodeProven { node, version, content, arrived, detail } => {
            let node = state.nodes.entry(node.clone()).or_default();
            node.version.clone_from(version);
            node.content = *content;
            node.phase = if *arrived { NodePhase::Arrived } else { NodePhase::Failed };
            node.detail.clone_from(detail);
        }
        Event::AbortRequested { .. } => state.abort_requested = true,
        Event::RunEnded { outcome } => {
            state.outcome = Some(*outcome);
            state.ended_at = Some(entry.body.at);
        }
    }
}
