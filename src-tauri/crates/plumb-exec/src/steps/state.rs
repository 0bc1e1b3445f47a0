//! What is known of a run of a runbook from its journal alone: defined for every prefix of every run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::PlanHash;
use plumb_journal::{
    Bypass, Bypassed, Entry, Event, Halt, Outcome, People, Rollback, StepEvent, StepOutcome,
};
use plumb_runbook::document::StepEffect;
use serde_json::Value;

/// A run of a runbook, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepsState {
    pub plan: Option<PlanHash>,
    pub operator: String,
    /// Who started it by the key that signed its start, where that was asked for.
    pub signed: Option<SignedStart>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<Outcome>,
    pub paused: Option<String>,
    pub halted: Option<Halt>,
    pub rollback: Option<Rollback>,
    pub abort_requested: bool,
    pub bypasses: Vec<Bypassed>,
    pub steps: BTreeMap<String, StepRun>,
    /// Steps that were started, in order, each once.
    pub started: Vec<String>,
    /// What people signed in it.
    pub people: People,
    events: u64,
}

/// A start that somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStart {
    /// The person of the roster whose key signed.
    pub by: String,
    /// A DSSE envelope over [`RunbookStart`](plumb_journal::RunbookStart).
    pub envelope: String,
}

/// A step, as far as it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepRun {
    pub phase: StepPhase,
    /// Attempts so far, over the whole run.
    pub attempt: u32,
    /// Attempts since somebody last wanted it done once more.
    pub tries: u32,
    /// When it first began.
    pub started_at: Option<Timestamp>,
    /// When the newest attempt began.
    pub since: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub effect: Option<StepEffect>,
    /// Which steps it leads to.
    pub arm: Option<u32>,
    /// What it announced begins then.
    pub announced: Option<Timestamp>,
    /// It froze, by when that has to be lifted.
    pub frozen: Option<Frozen>,
    pub planned: Option<Planned>,
    /// Attempts that may have changed something: of an action, plans that were confirmed and not refused since; of
    /// anything else, what began and is not known to have never happened.
    pub reached: u32,
    /// Consent by group, and who gave it.
    pub approvals: BTreeMap<String, String>,
    pub breached: Option<String>,
    pub result: Value,
    pub detail: String,
    pub by: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StepPhase {
    #[default]
    Waiting,
    Running,
    InDoubt,
    Succeeded,
    Failed,
    Skipped,
}

impl StepPhase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::InDoubt => "in_doubt",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    pub since: Timestamp,
    pub until: Timestamp,
    pub lifted: bool,
    /// Somebody lifted it before the run did: what it was to protect goes on without it, or not at all.
    pub by_hand: bool,
    pub overdue: bool,
}

/// The plan of an action, waiting to be confirmed or confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub plan: PlanHash,
    pub summary: String,
    pub phrase: Option<String>,
    pub confirmed_by: Option<String>,
    /// Why it was not carried out when it was confirmed last.
    pub refused: Option<String>,
}

/// Folds events, in order.
pub fn fold_steps(entries: &[Entry]) -> StepsState {
    let mut state = StepsState::default();
    for entry in entries {
        state.apply(&entry.body.event, entry.body.at);
    }
    state
}

impl StepsState {
    pub fn step(&self, id: &str) -> Option<&StepRun> {
        self.steps.get(id)
    }

    pub fn phase(&self, id: &str) -> StepPhase {
        self.steps.get(id).map_or(StepPhase::Waiting, |step| step.phase)
    }

    /// Who runs it, and so does not approve it: by the key that signed its start, else by name.
    pub fn runner(&self) -> &str {
        self.signed.as_ref().map_or(&self.operator, |signed| &signed.by)
    }

    /// Nothing further begins until somebody decides.
    pub const fn is_held(&self) -> bool {
        self.paused.is_some() || self.halted.is_some()
    }

    pub fn passes_freeze(&self) -> bool {
        self.bypasses.iter().any(|bypassed| bypassed.what == Bypass::Freeze)
    }

    /// A freeze of this run that is not lifted.
    pub fn frozen(&self) -> impl Iterator<Item = (&String, &Frozen)> {
        self.steps.iter().filter_map(|(id, step)| {
            let frozen = step.frozen.as_ref().filter(|frozen| !frozen.lifted)?;
            Some((id, frozen))
        })
    }

    /// A freeze of this run was lifted by hand, and not by the run itself since.
    pub fn lifted_by_hand(&self) -> bool {
        self.steps.values().filter_map(|step| step.frozen.as_ref()).any(|frozen| frozen.by_hand)
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        self.people.take(self.events, at, event);
        self.events += 1;
        match event {
            Event::RunStarted { plan, operator, .. } => {
                self.plan = Some(*plan);
                self.operator.clone_from(operator);
                self.started_at = Some(at);
            }
            Event::RunbookSigned { by, envelope } => {
                let (by, envelope) = (by.clone(), envelope.clone());
                // What came first counts: nobody becomes the runner of a run that goes on.
                self.signed.get_or_insert(SignedStart { by, envelope });
            }
            Event::RunResumed { .. } => self.left_behind(),
            Event::Paused { by } => self.paused = Some(by.clone()),
            Event::Resumed { .. } => (self.paused, self.halted) = (None, None),
            Event::Halted { cause, reason } => {
                self.halted = Some(Halt { cause: *cause, reason: reason.clone(), at });
            }
            Event::RollbackStarted { reason, by } => {
                (self.halted, self.paused) = (None, None);
                self.rollback = Some(Rollback { reason: reason.clone(), by: by.clone(), at });
            }
            Event::Bypassed { what, by, reason } => {
                let (what, by, reason) = (what.clone(), by.clone(), reason.clone());
                self.bypasses.push(Bypassed { what, by, reason, at });
            }
            Event::AbortRequested { .. } => self.abort_requested = true,
            Event::RunEnded { outcome } => {
                (self.outcome, self.ended_at) = (Some(*outcome), Some(at));
            }
            Event::Step { step, happened } => self.apply_to_step(step, happened, at),
            _ => {}
        }
    }

    fn apply_to_step(&mut self, id: &str, happened: &StepEvent, at: Timestamp) {
        if let StepEvent::Unfrozen = happened {
            // Told by the step that lifts it, about every freeze of the run.
            let frozen = self.steps.values_mut().filter_map(|step| step.frozen.as_mut());
            frozen.for_each(|frozen| (frozen.lifted, frozen.by_hand) = (true, false));
        }
        if matches!(
            happened,
            StepEvent::Skipped { by: Some(_), .. }
                | StepEvent::Settled { .. }
                | StepEvent::Again { .. }
        ) {
            self.halted = None;
        }
        let step = self.steps.entry(id.to_owned()).or_default();
        let starts = matches!(happened, StepEvent::Started { .. } | StepEvent::Taken { .. });
        let first = step.started_at.is_none();
        step.apply(happened, at);
        if starts && first {
            self.started.push(id.to_owned());
        }
    }

    /// What another program had under way.
    fn left_behind(&mut self) {
        for step in self.steps.values_mut().filter(|step| step.phase == StepPhase::Running) {
            let Some(effect) = &step.effect else { continue };
            match effect {
                StepEffect::Act { .. } => {
                    // What nobody confirmed is planned again; what was confirmed is looked for.
                    let confirmed = |planned: &Planned| planned.confirmed_by.is_some();
                    step.planned = step.planned.take().filter(confirmed);
                }
                StepEffect::Wait { .. } | StepEffect::Steps => {}
                effect if effect.is_for_people() || effect.is_idempotent() => {}
                effect if effect.mutates() => {
                    step.phase = StepPhase::InDoubt;
                    "the program ended before it did".clone_into(&mut step.detail);
                }
                _ => {
                    step.phase = StepPhase::Waiting;
                    step.tries = step.tries.saturating_sub(1);
                }
            }
        }
    }
}

impl StepRun {
    /// It may have changed something: nodes are changed by a plan that somebody confirmed, never before.
    pub(super) const fn may_have_changed(&self) -> bool {
        self.reached > 0
    }

    /// Of this attempt it is known that it changed nothing. What an action came to stands in the run of its plan.
    fn did_not_reach(&mut self) {
        let acts = matches!(self.effect, Some(StepEffect::Act { .. }));
        self.reached = self.reached.saturating_sub(u32::from(!acts));
    }

    fn apply(&mut self, happened: &StepEvent, at: Timestamp) {
        match happened {
            StepEvent::Skipped { reason, by } => {
                self.phase = StepPhase::Skipped;
                self.detail.clone_from(reason);
                self.by.clone_from(by);
                self.ended_at = Some(at);
            }
            StepEvent::Started { attempt, effect } => {
                self.phase = StepPhase::Running;
                self.attempt = *attempt;
                self.tries += 1;
                self.started_at.get_or_insert(at);
                (self.since, self.ended_at) = (Some(at), None);
                self.reached += u32::from(!matches!(effect, StepEffect::Act { .. }));
                self.effect = Some(effect.clone());
                (self.planned, self.breached, self.announced) = (None, None, None);
            }
            StepEvent::Taken { arm, title } => {
                self.phase = StepPhase::Succeeded;
                self.arm = Some(*arm);
                self.detail.clone_from(title);
                self.started_at.get_or_insert(at);
                self.ended_at = Some(at);
            }
            StepEvent::Announced { until } => self.announced = Some(*until),
            StepEvent::Frozen { until } => {
                let (lifted, by_hand, overdue) = (false, false, false);
                let until = *until;
                self.frozen = Some(Frozen { since: at, until, lifted, by_hand, overdue });
            }
            StepEvent::Overdue => {
                self.frozen.iter_mut().for_each(|frozen| frozen.overdue = true);
            }
            StepEvent::Planned { .. }
            | StepEvent::Confirmed { .. }
            | StepEvent::NotCarried { .. } => self.apply_to_plan(happened),
            StepEvent::Approved { group, by, .. } => {
                self.approvals.insert(group.clone(), by.clone());
            }
            StepEvent::Breached { monitor, detail } => {
                self.breached = Some(format!("{monitor}: {detail}"));
            }
            StepEvent::Finished { .. } | StepEvent::Settled { .. } => self.apply_end(happened, at),
            StepEvent::Again { .. } => (self.phase, self.tries) = (StepPhase::Waiting, 0),
            StepEvent::Lifted { by, reason } => {
                // The program may have died between the freeze and the word of it.
                let (lifted, by_hand, overdue) = (true, true, false);
                let untold = Frozen { since: at, until: at, lifted, by_hand, overdue };
                let frozen = self.frozen.get_or_insert(untold);
                (frozen.lifted, frozen.by_hand) = (true, true);
                self.detail = format!("lifted by {by}: {reason}");
            }
            StepEvent::Unfrozen => {}
        }
    }

    fn apply_end(&mut self, happened: &StepEvent, at: Timestamp) {
        self.ended_at = Some(at);
        match happened {
            StepEvent::Finished { outcome, detail, result, by, .. } => {
                self.phase = match outcome {
                    StepOutcome::Succeeded => StepPhase::Succeeded,
                    StepOutcome::Failed | StepOutcome::NotBegun => StepPhase::Failed,
                    StepOutcome::InDoubt => StepPhase::InDoubt,
                };
                if *outcome == StepOutcome::NotBegun {
                    self.did_not_reach();
                }
                self.detail.clone_from(detail);
                self.result.clone_from(result);
                self.by.clone_from(by);
            }
            StepEvent::Settled { happened, by, note } => {
                let (done, not) = (StepPhase::Succeeded, StepPhase::Failed);
                self.phase = if *happened { done } else { not };
                if !*happened {
                    self.did_not_reach();
                }
                self.detail.clone_from(note);
                self.by = Some(by.clone());
            }
            _ => {}
        }
    }

    fn apply_to_plan(&mut self, happened: &StepEvent) {
        match happened {
            StepEvent::Planned { plan, summary, phrase } => {
                let (summary, phrase) = (summary.clone(), phrase.clone());
                let (confirmed_by, refused) = (None, None);
                let plan = *plan;
                self.planned = Some(Planned { plan, summary, phrase, confirmed_by, refused });
            }
            StepEvent::Confirmed { by, .. } => {
                if let Some(planned) = &mut self.planned {
                    planned.confirmed_by = Some(by.clone());
                    planned.refused = None;
                    self.reached += 1;
                }
            }
            StepEvent::NotCarried { reason } => {
                if let Some(planned) = &mut self.planned {
                    let confirmed = planned.confirmed_by.take();
                    planned.refused = Some(reason.clone());
                    self.reached = self.reached.saturating_sub(u32::from(confirmed.is_some()));
                }
            }
            _ => {}
        }
    }
}
