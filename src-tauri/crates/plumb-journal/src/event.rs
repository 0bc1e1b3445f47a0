//! What can happen in a run.

use plumb_fleet::{ContentDigest, Digest, FleetId, NodeId, PlanHash, Version};
use plumb_runbook::{Branch, Effect, PinChange, document::Trusted};
use serde::{Deserialize, Serialize};

use crate::step_event::StepEvent;

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
    /// Intent: the desired version is about to be set as the plan says.
    DesiredStarted {
        version: Version,
        content: Option<ContentDigest>,
    },
    /// The desired version was set as the plan says, before any node was touched.
    DesiredSet {
        version: Version,
        content: Option<ContentDigest>,
    },
    /// Pins of the console were set and lifted as the plan says, before any node was touched; and
    /// once more when a rollback is over.
    PinsChanged {
        pins: PinChange,
    },
    /// Intent: pins of the console are about to be set and lifted.
    PinsStarted {
        pins: PinChange,
    },
    /// Of the newest intent about the desired version or pins nothing came to be, with the reason.
    PinsUnchanged {
        reason: String,
    },
    /// Intent: the effect is about to be sent.
    EffectStarted {
        node: NodeId,
        index: u32,
        effect: Effect,
        key: String,
        #[serde(default, skip_serializing_if = "Branch::is_forward")]
        branch: Branch,
    },
    EffectFinished {
        node: NodeId,
        index: u32,
        outcome: EffectOutcome,
        #[serde(default, skip_serializing_if = "Branch::is_forward")]
        branch: Branch,
    },
    /// An effect was not sent, with the reason.
    EffectSkipped {
        node: NodeId,
        index: u32,
        reason: String,
        #[serde(default, skip_serializing_if = "Branch::is_forward")]
        branch: Branch,
    },
    /// An effect that was in doubt, settled by looking at the node.
    EffectSettled {
        node: NodeId,
        index: u32,
        #[serde(default, skip_serializing_if = "Branch::is_forward")]
        branch: Branch,
        happened: bool,
        detail: String,
    },
    /// A later observation of the node, compared with what the plan promised.
    NodeProven {
        node: NodeId,
        version: Option<Version>,
        content: Option<ContentDigest>,
        arrived: bool,
        detail: String,
        #[serde(default, skip_serializing_if = "Branch::is_forward")]
        branch: Branch,
    },
    WaveStarted {
        /// Counted from zero.
        wave: u32,
        name: String,
        nodes: u32,
    },
    /// Every node of a wave is settled; its gate is looked at from now on.
    GateReached {
        wave: u32,
    },
    /// What the checks of a gate came to, where that differs from before.
    GateEvaluated {
        wave: u32,
        checks: Vec<CheckResult>,
    },
    GatePassed {
        wave: u32,
    },
    GateFailed {
        wave: u32,
        reason: String,
    },
    /// Somebody looked, and says that a gate may open.
    Attested {
        wave: u32,
        by: String,
        note: String,
    },
    Paused {
        by: String,
    },
    /// Goes on after a pause or a halt; what failed until now is accepted.
    Resumed {
        by: String,
    },
    /// The run stopped itself; nothing further is changed until somebody decides.
    Halted {
        cause: HaltCause,
        reason: String,
    },
    RollbackStarted {
        reason: String,
        /// Who asked for it; nobody when it is the plan's own rule.
        by: Option<String>,
    },
    LockTaken {
        owner: String,
    },
    LockLost {
        reason: String,
    },
    LockReleased,
    /// A safeguard was passed over, by somebody with a reason.
    Bypassed {
        what: Bypass,
        by: String,
        reason: String,
    },
    /// A program went on with a run that another one had left; what was under way is in doubt.
    RunResumed {
        by: String,
    },
    AbortRequested {
        by: String,
    },
    /// What nodes answered until now is kept for evidence, without secrets.
    EvidenceKept {
        answers: u64,
        /// Hash of the newest line of the log that lists it.
        log: Digest,
    },
    RunEnded {
        outcome: Outcome,
    },
    /// Of a run of a runbook: why its documents may run.
    RunbookTrusted {
        runbook: String,
        trusted: Trusted,
    },
    /// Of a run of a runbook: who started it proved by a key of a roster who that is.
    RunbookSigned {
        /// The person of the roster whose key signed.
        by: String,
        /// A DSSE envelope over [`RunbookStart`](crate::RunbookStart).
        envelope: String,
    },
    /// Of a run of a runbook: something happened to a step.
    Step {
        step: String,
        happened: StepEvent,
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

/// What a check of a gate came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    pub verdict: CheckVerdict,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    Met,
    NotMet,
    /// Nobody answered, or not yet.
    Unknown,
}

/// Why a run stopped itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltCause {
    /// A gate stayed shut.
    Gate,
    /// More nodes failed than the plan tolerates.
    Failures,
    /// The nodes of the fleet are no longer those of the plan.
    SetChanged,
    /// The deployment lock was lost.
    LockLost,
    /// A step of a runbook failed, or is in doubt.
    Step,
}

impl std::fmt::Display for Bypass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gate { wave } => write!(f, "the gate of wave {} was passed over", wave + 1),
            Self::Freeze => f.write_str("the freeze was passed over"),
            Self::Lock => f.write_str("the deployment lock was passed over"),
            Self::Approvals => f.write_str("it began without approvals"),
            Self::Force => f.write_str("what ran already was loaded again by force"),
            Self::Finding { code } => write!(f, "the finding {code} was passed over"),
        }
    }
}

/// A safeguard that can be passed over with a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "bypass", rename_all = "snake_case", deny_unknown_fields)]
pub enum Bypass {
    Gate {
        wave: u32,
    },
    Freeze,
    /// The deployment lock.
    Lock,
    /// Approvals that the environment's rule asks for.
    Approvals,
    /// What runs already is loaded again by force.
    Force,
    /// A finding that would have kept the plan from starting, by the name of its code.
    Finding {
        code: String,
    },
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
    /// Every node that was touched proved its way back.
    RolledBack,
    /// The run stopped itself and was given up.
    Halted,
    /// The program that carried it out ended in the middle; a later one observed what was in doubt.
    Interrupted,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Incomplete => "incomplete",
            Self::Aborted => "aborted",
            Self::RolledBack => "rolled_back",
            Self::Halted => "halted",
            Self::Interrupted => "interrupted",
        }
    }
}
