//! Events to state: defined for every prefix of every run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NodeId, PlanHash, Version};
use plumb_runbook::{Branch, Effect};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Entry,
    event::{Bypass, CheckResult, EffectOutcome, Event, HaltCause, Outcome},
    step_run::StepRun,
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
    #[serde(default)]
    pub aborted_at: Option<Timestamp>,
    /// They are about to be changed, and what came of it is not known yet.
    #[serde(default)]
    pub pins_pending: bool,
    #[serde(default)]
    pub desired_set: bool,
    #[serde(default)]
    pub pins_set: bool,
    /// The pins that the plan replaced are back.
    #[serde(default)]
    pub pins_restored: bool,
    /// Waves that have begun, in order.
    #[serde(default)]
    pub waves: Vec<WaveRun>,
    /// Who paused it, as long as it is paused.
    #[serde(default)]
    pub paused: Option<String>,
    #[serde(default)]
    pub halted: Option<Halt>,
    #[serde(default)]
    pub rollback: Option<Rollback>,
    #[serde(default)]
    pub lock: LockState,
    #[serde(default)]
    pub bypasses: Vec<Bypassed>,
    /// Nodes of which the part of the plan failed.
    #[serde(default)]
    pub failed: u32,
    /// How many of them somebody accepted when the run went on.
    #[serde(default)]
    pub forgiven: u32,
    /// How often another program went on with it.
    #[serde(default)]
    pub resumed: u32,
    /// When somebody last went on with it, after a crash, a pause or a halt.
    #[serde(default)]
    pub went_on_at: Option<Timestamp>,
    /// Steps of a runbook, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepRun>,
    /// Nodes with an effect under way. Whoever goes on after another program looks at these and at no others, so a
    /// journal that is resumed a thousand times folds in the time of its events.
    #[serde(skip)]
    acting: BTreeSet<NodeId>,
    /// Waves whose gate failed, until the run goes on.
    #[serde(skip)]
    shut: BTreeSet<usize>,
}

/// A wave that has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveRun {
    pub started_at: Option<Timestamp>,
    /// Since when its gate is looked at; again from the moment the run went on after a halt.
    pub reached_at: Option<Timestamp>,
    pub checks: Vec<CheckResult>,
    pub attested: Option<Attestation>,
    pub passed: bool,
    pub failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    pub by: String,
    pub note: String,
    pub at: Timestamp,
}

/// Why a run stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    pub cause: HaltCause,
    pub reason: String,
    pub at: Timestamp,
}

/// Why nodes are brought back, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub reason: String,
    pub by: Option<String>,
    pub at: Timestamp,
}

/// A safeguard that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bypassed {
    pub what: Bypass,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

impl std::fmt::Display for Bypassed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}: {}", self.what, self.by, self.reason)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// It was never taken, or was given back.
    #[default]
    Free,
    Held,
    Lost,
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
    #[serde(default)]
    pub forward: BranchRun,
    #[serde(default)]
    pub back: BranchRun,
}

/// How far one branch of a node's plan is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRun {
    pub phase: NodePhase,
    /// Effects that were started.
    pub started: u32,
    /// Effects that are known to have been accepted or to have happened.
    pub accepted: u32,
    /// An effect that changes the node was started.
    pub changing: bool,
    /// When its last effect was started.
    pub sent_at: Option<Timestamp>,
    /// When its last effect was started or came back.
    pub heard_at: Option<Timestamp>,
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
    /// It was brought back, and proved it.
    RolledBack,
}

impl NodeRun {
    pub const fn branch(&self, branch: Branch) -> &BranchRun {
        match branch {
            Branch::Forward => &self.forward,
            Branch::Back => &self.back,
        }
    }

    fn branch_mut(&mut self, branch: Branch) -> &mut BranchRun {
        match branch {
            Branch::Forward => &mut self.forward,
            Branch::Back => &mut self.back,
        }
    }
}

/// Folds events, in order, to what they amount to.
pub fn fold(entries: &[Entry]) -> RunState {
    let mut state = RunState::default();
    for entry in entries {
        state.apply(&entry.body.event, entry.body.at);
    }
    state
}

impl RunState {
    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::EffectStarted { .. }
            | Event::EffectFinished { .. }
            | Event::EffectSkipped { .. }
            | Event::EffectSettled { .. }
            | Event::NodeProven { .. } => self.apply_to_node(event, at),
            Event::WaveStarted { .. }
            | Event::GateReached { .. }
            | Event::GateEvaluated { .. }
            | Event::GatePassed { .. }
            | Event::GateFailed { .. }
            | Event::Attested { .. } => self.apply_to_wave(event, at),
            _ => self.apply_to_run(event, at),
        }
    }

    fn apply_to_run(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::RunStarted { plan, operator, .. } => {
                self.plan = Some(*plan);
                self.operator.clone_from(operator);
                self.started_at = Some(at);
            }
            Event::DesiredStarted { .. }
            | Event::DesiredSet { .. }
            | Event::PinsStarted { .. }
            | Event::PinsChanged { .. }
            | Event::PinsUnchanged { .. } => self.apply_to_pins(event),
            Event::AbortRequested { .. } => {
                self.abort_requested = true;
                self.aborted_at.get_or_insert(at);
            }
            Event::Paused { by } => self.paused = Some(by.clone()),
            Event::Resumed { .. } => self.go_on(at),
            Event::Halted { cause, reason } => {
                self.halted = Some(Halt { cause: *cause, reason: reason.clone(), at });
            }
            Event::RollbackStarted { reason, by } => {
                self.halted = None;
                self.rollback = Some(Rollback { reason: reason.clone(), by: by.clone(), at });
            }
            Event::LockTaken { .. } => self.lock = LockState::Held,
            Event::LockLost { .. } => self.lock = LockState::Lost,
            Event::LockReleased => self.lock = LockState::Free,
            Event::Bypassed { what, by, reason } => {
                if let Bypass::Gate { wave } = what {
                    self.wave_mut(*wave).passed = true;
                    self.halted = self.halted.take().filter(|halt| halt.cause != HaltCause::Gate);
                }
                let (what, by, reason) = (what.clone(), by.clone(), reason.clone());
                self.bypasses.push(Bypassed { what, by, reason, at });
            }
            Event::RunResumed { .. } => self.left_behind(at),
            Event::Step { step, happened } => {
                if !self.steps.contains_key(step) {
                    self.steps.insert(step.clone(), StepRun::new(at));
                }
                if let Some(run) = self.steps.get_mut(step) {
                    run.take(happened, at);
                }
            }
            Event::RunEnded { outcome } => {
                self.outcome = Some(*outcome);
                self.ended_at = Some(at);
            }
            _ => {}
        }
    }

    fn apply_to_pins(&mut self, event: &Event) {
        match event {
            Event::DesiredStarted { .. } | Event::PinsStarted { .. } => {
                // An intent that the way back overtook may have come to be.
                self.pins_changed |= self.pins_pending && self.rollback.is_some();
                self.pins_pending = true;
                return;
            }
            Event::DesiredSet { .. } => (self.desired_set, self.pins_changed) = (true, true),
            Event::PinsChanged { .. } if self.rollback.is_some() => {
                (self.pins_restored, self.pins_changed) = (true, false);
            }
            Event::PinsChanged { .. } => (self.pins_set, self.pins_changed) = (true, true),
            _ => {}
        }
        self.pins_pending = false;
    }

    /// Whether the console's own pins are, or may be, others than before the run.
    pub const fn pins_may_differ(&self) -> bool {
        self.pins_changed || self.pins_pending
    }

    /// Nodes that a program which ends now leaves in doubt.
    pub(crate) const fn acting(&self) -> &BTreeSet<NodeId> {
        &self.acting
    }

    /// Waves that are looked at anew when the run goes on.
    pub(crate) const fn shut(&self) -> &BTreeSet<usize> {
        &self.shut
    }

    /// Where a wave stands in the list of them.
    pub(crate) fn wave_at(wave: u32) -> usize {
        usize::try_from(wave).unwrap_or(usize::MAX).min(WAVES_KEPT)
    }

    fn wave_mut(&mut self, wave: u32) -> &mut WaveRun {
        let wave = Self::wave_at(wave);
        if self.waves.len() <= wave {
            self.waves.resize_with(wave + 1, WaveRun::default);
        }
        &mut self.waves[wave]
    }

    fn apply_to_wave(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::WaveStarted { wave, .. } => {
                self.wave_mut(*wave).started_at.get_or_insert(at);
            }
            Event::GateReached { wave } => self.wave_mut(*wave).reached_at = Some(at),
            Event::GateEvaluated { wave, checks } => {
                self.wave_mut(*wave).checks.clone_from(checks);
            }
            Event::GatePassed { wave } => self.wave_mut(*wave).passed = true,
            Event::GateFailed { wave, reason } => {
                self.wave_mut(*wave).failed = Some(reason.clone());
                self.shut.insert(Self::wave_at(*wave));
            }
            Event::Attested { wave, by, note } => {
                let (by, note) = (by.clone(), note.clone());
                self.wave_mut(*wave).attested = Some(Attestation { by, note, at });
            }
            _ => {}
        }
    }

    /// A pause or a halt is over: what failed is accepted, and a gate is looked at anew.
    fn go_on(&mut self, at: Timestamp) {
        self.paused = None;
        self.went_on_at = Some(at);
        if self.halted.take().is_some() {
            self.forgiven = self.failed;
            for wave in std::mem::take(&mut self.shut) {
                let wave = &mut self.waves[wave];
                wave.failed = None;
                wave.checks.clear();
                wave.reached_at = Some(at);
            }
        }
    }

    /// What another program had under way may or may not have arrived.
    fn left_behind(&mut self, at: Timestamp) {
        self.resumed += 1;
        self.went_on_at = Some(at);
        self.lock = LockState::Free;
        for id in std::mem::take(&mut self.acting) {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            for branch in [Branch::Forward, Branch::Back] {
                let run = node.branch_mut(branch);
                if run.phase == NodePhase::Acting {
                    run.phase = NodePhase::InDoubt;
                    run.heard_at = Some(at);
                    node.phase = NodePhase::InDoubt;
                    "the program ended before the answer".clone_into(&mut node.detail);
                }
            }
        }
    }

    fn apply_to_node(&mut self, event: &Event, at: Timestamp) {
        let (Event::EffectStarted { node, branch, .. }
        | Event::EffectFinished { node, branch, .. }
        | Event::EffectSkipped { node, branch, .. }
        | Event::EffectSettled { node, branch, .. }
        | Event::NodeProven { node, branch, .. }) = event
        else {
            return;
        };
        let id = node;
        if !self.nodes.contains_key(id) {
            self.nodes.insert(id.clone(), NodeRun::default());
        }
        let Some(node) = self.nodes.get_mut(id) else { return };
        let failed = node.forward.phase == NodePhase::Failed;
        node.apply(event, *branch, at);
        let fails = node.forward.phase == NodePhase::Failed;
        self.failed = self.failed + u32::from(fails) - u32::from(failed);
        let acts = |run: &BranchRun| run.phase == NodePhase::Acting;
        if acts(&node.forward) || acts(&node.back) {
            self.acting.insert(id.clone());
        } else {
            self.acting.remove(id);
        }
    }
}

/// A wave beyond this is none of a plan that was made here; a foreign journal does not fill memory.
const WAVES_KEPT: usize = plumb_runbook::rollout::WAVES_MAX;

impl NodeRun {
    fn apply(&mut self, event: &Event, branch: Branch, at: Timestamp) {
        let run = self.branch_mut(branch);
        match event {
            Event::EffectStarted { index, effect, .. } => {
                run.phase = NodePhase::Acting;
                run.started = index.saturating_add(1);
                run.changing |= !matches!(effect, Effect::Verify { .. });
                (run.sent_at, run.heard_at) = (Some(at), Some(at));
                self.acted_at.get_or_insert(at);
                self.detail = effect.sentence();
            }
            Event::EffectFinished { index, outcome, .. } => {
                run.heard_at = Some(at);
                run.phase = match outcome {
                    EffectOutcome::Accepted { .. } => NodePhase::Accepted,
                    EffectOutcome::Refused { .. } | EffectOutcome::Missing { .. } => {
                        NodePhase::Failed
                    }
                    EffectOutcome::InDoubt { .. } => NodePhase::InDoubt,
                };
                if outcome.is_accepted() {
                    run.accepted = index.saturating_add(1);
                }
                outcome.message().clone_into(&mut self.detail);
            }
            Event::EffectSettled { index, happened, detail, .. } => {
                run.phase = if *happened { NodePhase::Accepted } else { NodePhase::Failed };
                if *happened {
                    run.accepted = index.saturating_add(1);
                }
                self.detail.clone_from(detail);
            }
            Event::EffectSkipped { reason, .. } => {
                if matches!(run.phase, NodePhase::Waiting | NodePhase::Accepted) {
                    run.phase = NodePhase::Skipped;
                    self.detail.clone_from(reason);
                }
            }
            Event::NodeProven { version, content, arrived, detail, .. } => {
                run.phase = if *arrived { NodePhase::Arrived } else { NodePhase::Failed };
                self.version.clone_from(version);
                self.content = *content;
                self.detail.clone_from(detail);
            }
            _ => {}
        }
        self.phase = match (self.back.phase, self.forward.phase) {
            (NodePhase::Waiting, forward) => forward,
            (NodePhase::Arrived, _) => NodePhase::RolledBack,
            (back, _) => back,
        };
    }
}
