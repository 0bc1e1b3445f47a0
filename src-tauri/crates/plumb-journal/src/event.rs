//! What can happen in a run.

use plumb_fleet::{ContentDigest, FleetId, NodeId, PlanHash, Version};
use plumb_runbook::{Effect, PinChange};
use serde::{Deserialize, Serialize};

/// One thing that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    RunStarted {
        plan: PlanHash,
        fleet: FleetId,
        operator: String,
        targets: u32,
    },
    /// The desired version was set as the plan says, before any node was touched.
    DesiredSet {
        version: Version,
        content: Option<ContentDigest>,
    },
    /// Pins of the console were set and lifted as the plan says, before any node was touched.
    PinsChanged {
        pins: PinChange,
    },
    /// Intent: the effect is about to be sent.
    EffectStarted {
        node: NodeId,
        index: u32,
        effect: Effect,
        key: String,
    },
    EffectFinished {
        node: NodeId,
        index: u32,
        outcome: EffectOutcome,
    },
    /// An effect was not sent, with the reason.
    EffectSkipped {
        node: NodeId,
        index: u32,
        reason: String,
    },
    /// A later observation of the node, compared with what the plan promised.
    NodeProven {
        node: NodeId,
        version: Option<Version>,
        content: Option<ContentDigest>,
        arrived: bool,
        detail: String,
    },
    AbortRequested {
        by: String,
    },
    RunEnded {
        outcome: Outcome,
    },
}

/// How an effect came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum EffectOutcome {
    Accepted {
        detail: String,
    },
    Refused {
        message: String,
    },
    /// The node has no such thing, for example no file at the path.
    Missing {
        message: String,
    },
    /// The request may or may not have arrived; settled by observing, never by sending again.
    InDoubt {
        message: String,
    },
}

impl EffectOutcome {
    /// The sentence the node or the network gave.
    pub fn message(&self) -> &str {
        match self {
            Self::Accepted { detail } => detail,
            Self::Refused { message } | Self::Missing { message } | Self::InDoubt { message } => {
                message
            }
        }
    }

    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every target proved arrival.
    Succeeded,
    /// Some targets did not.
    Incomplete,
    Aborted,
    /// The program that carried it out ended in the middle; a later one observed what was in doubt.
    Interrupted,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Incomplete => "incomplete",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }
}
