//! What a run does next: a pure function of plan, journal, observations and time.
//!
//! The same function serves a run under way and one that is resumed: whatever it needs is in the
//! journal, or is looked at again.

mod back;
mod forward;
mod gates;
mod node;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NodeId, RunId};
use plumb_journal::{Event, HaltCause, LockState, Outcome, RunState};
use plumb_runbook::{Branch, Effect, Plan};

use crate::ports::Observation;

/// What is known beside the journal.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The newest look at each node.
    pub seen: BTreeMap<NodeId, Look>,
    /// When nodes had loaded last before they were sent anything.
    pub loaded_before: BTreeMap<NodeId, Timestamp>,
    /// The newest figures for the checks of a wave's gate.
    pub measured: Option<Measured>,
    /// The newest comparison of the fleet's nodes with the plan's, made before this wave.
    pub compared: Option<(u32, Option<String>)>,
    /// Why the console's own pins could not be changed.
    pub unset: Option<String>,
    pub refused: BTreeSet<ContentDigest>,
    pub lease: Lease,
    /// A look, a measurement or a comparison is under way.
    pub looking: bool,
}

/// One look at a node.
#[derive(Debug, Clone)]
pub struct Look {
    pub began: Timestamp,
    pub ended: Timestamp,
    pub answer: Result<Observation, String>,
}

/// One measurement of a gate's checks, in their order; nothing for those that are not measured.
#[derive(Debug, Clone)]
pub struct Measured {
    pub wave: u32,
    pub began: Timestamp,
    pub figures: Vec<Option<Result<i64, String>>>,
}

/// Whether the deployment lock is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lease {
    #[default]
    NotNeeded,
    /// Nothing is sent after the first moment; it ends at the second.
    Held {
        act_until: Timestamp,
        until: Timestamp,
    },
    Lost {
        reason: String,
    },
}

impl Lease {
    /// Whether it allows to send now.
    pub fn holds(&self, now: Timestamp) -> bool {
        match self {
            Self::NotNeeded => true,
            Self::Held { act_until, .. } => now < *act_until,
            Self::Lost { .. } => false,
        }
    }
}

/// One effect that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    pub node: NodeId,
    pub branch: Branch,
    pub index: u32,
    pub effect: Effect,
    /// Lets nodes that remember keys recognise the request: the same after every crash.
    pub key: String,
    /// The content it makes the node run, or tells it to.
    pub brings: Option<ContentDigest>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Facts that follow from what is known.
    Record(Vec<Event>),
    /// Effects that start together: durable in one batch, then sent.
    Send(Vec<Sending>),
    Look(Vec<NodeId>),
    /// Look at what the gate of a wave checks, over the nodes changed so far.
    Measure {
        wave: u32,
        nodes: Vec<NodeId>,
    },
    /// Compare the fleet's nodes with the plan's before a wave.
    Compare {
        wave: u32,
    },
    /// Change the console's own pins as the plan says, or back to what they were.
    ChangePins {
        back: bool,
    },
    /// See whether the console's own pins were changed.
    SettlePins,
    /// Nothing, until something comes back, somebody orders something, or this moment.
    Wait {
        until: Option<Timestamp>,
    },
    Done(Outcome),
}

/// Decides what a run does next.
pub fn next(run: RunId, plan: &Plan, state: &RunState, known: &Known, now: Timestamp) -> Step {
    Decision { run, plan, state, known, now }.next()
}

/// Everything a decision is made from.
struct Decision<'a> {
    run: RunId,
    plan: &'a Plan,
    state: &'a RunState,
    known: &'a Known,
    now: Timestamp,
}

impl Decision<'_> {
    fn next(&self) -> Step {
        if let Some(outcome) = self.state.outcome {
            return Step::Done(outcome);
        }
        if let Some(events) = self.lock_lost() {
            return Step::Record(events);
        }
        if self.state.abort_requested {
            self.abort()
        } else if self.state.rollback.is_some() {
            self.back()
        } else {
            self.forward()
        }
    }

    /// Without the lock somebody else may act, so nothing further is sent.
    fn lock_lost(&self) -> Option<Vec<Event>> {
        let Lease::Lost { reason } = &self.known.lease else { return None };
        let reason = || reason.clone();
        let lost = || Event::LockLost { reason: reason() };
        let halted = || Event::Halted { cause: HaltCause::LockLost, reason: reason() };
        match (self.state.lock, &self.state.halted) {
            (LockState::Lost, Some(halt)) if halt.cause == HaltCause::LockLost => None,
            (LockState::Lost, _) => Some(vec![halted()]),
            _ => Some(vec![lost(), halted()]),
        }
    }

    /// Whether the run stands still until somebody decides.
    fn is_held(&self) -> bool {
        self.state.paused.is_some()
            || self.state.halted.is_some()
            || !self.known.lease.holds(self.now)
    }

    /// Ends the run, and gives the lock back.
    fn end(&self, outcome: Outcome) -> Step {
        let ended = Event::RunEnded { outcome };
        Step::Record(match self.state.lock {
            LockState::Held => vec![Event::LockReleased, ended],
            LockState::Free | LockState::Lost => vec![ended],
        })
    }

    fn abort(&self) -> Step {
        let mut work = self.work();
        for target in self.plan.targets() {
            work.settle(target, Branch::Forward);
            if self.state.rollback.is_some() {
                work.settle(target, Branch::Back);
            }
        }
        if let Some(step) = work.step() {
            return step;
        }
        if self.state.pins_pending && self.known.unset.is_none() {
            return Step::SettlePins;
        }
        let done = self.all_arrived() && !self.has_pins_to_change();
        self.end(if done { Outcome::Succeeded } else { Outcome::Aborted })
    }

    /// Whether the plan changes pins of the console that it has not changed yet.
    fn has_pins_to_change(&self) -> bool {
        (self.plan.desired.is_some() && !self.state.desired_set)
            || (self.plan.pins.is_some() && !self.state.pins_set)
    }

    fn all_arrived(&self) -> bool {
        use plumb_journal::NodePhase::Arrived;
        self.plan.targets().all(|target| {
            self.state.nodes.get(&target.node).is_some_and(|node| node.phase == Arrived)
        })
    }
}

/// The sooner of two moments.
fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn seconds(count: u32) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(i64::from(count))
}
