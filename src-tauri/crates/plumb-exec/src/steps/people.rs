//! What people are asked by a run of a runbook, and what their word comes to.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::PlanHash;
use plumb_journal::{Bypass, Event, StepEvent, StepOutcome, people::belongs};
use plumb_runbook::document::{Compiled, ParameterType, PlannedStep, StepEffect};
use serde_json::json;

use super::{
    judge::{reason, unsuccessful},
    state::{StepPhase, StepRun, StepsState},
};

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOrder {
    pub by: String,
    /// Groups whoever it is belongs to.
    pub groups: BTreeSet<String>,
    pub what: StepWish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepWish {
    /// With the signed answer, where a roster rules the fleet and the step says who may give it.
    Answer {
        step: String,
        answer: String,
        envelope: Option<String>,
    },
    /// The same for what somebody saw.
    Attest {
        step: String,
        note: String,
        envelope: Option<String>,
    },
    /// With the signed consent, where a roster rules the fleet.
    Approve {
        step: String,
        group: String,
        envelope: Option<String>,
    },
    /// Carry out exactly this plan.
    Confirm {
        step: String,
        plan: PlanHash,
        typed: Option<String>,
    },
    Skip {
        step: String,
        reason: String,
    },
    /// Once more; for steps that only read.
    Again {
        step: String,
    },
    /// What was in doubt, as somebody found it.
    Settle {
        step: String,
        happened: bool,
        note: String,
    },
    Pause,
    Resume,
    Abort,
    RollBack {
        reason: String,
    },
    /// Do not wait until the freeze was announced long enough.
    PassFreeze {
        reason: String,
    },
}

/// Why a run does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepOrderError {
    #[error("the run has ended")]
    Ended,
    #[error("there is no step {step}")]
    NoStep { step: String },
    #[error("{step} does not wait for this")]
    NotAsked { step: String },
    #[error("{answer:?} is none of the answers {choices}")]
    NoChoice { answer: String, choices: String },
    #[error("{answer:?} is not {wanted}")]
    NoValue { answer: String, wanted: String },
    #[error("this takes somebody of {group}")]
    NotOfGroup { group: String },
    #[error("whoever runs it does not approve it")]
    Runner,
    #[error("{by} approved for {group} already; another group takes another person")]
    Twice { by: String, group: String },
    #[error("the phrase {phrase:?} must be typed")]
    Phrase { phrase: String },
    #[error("the plan that waits is another one")]
    OtherPlan,
    #[error("{step} is not left out: the runbook does not allow it")]
    Kept { step: String },
    #[error("{step} changes something, and is never tried again; plan it again by a new run")]
    Mutates { step: String },
    #[error("the run is {is} already")]
    Already { is: &'static str },
    #[error("the run neither paused nor halted")]
    NotHeld,
    #[error("what halted it has to be settled first: {step}")]
    Unsettled { step: String },
    #[error("there is nothing to take back")]
    NothingToTakeBack,
    #[error("a reason must be given")]
    NoReason,
}

/// What somebody's word comes to in the journal, or why it comes to nothing.
pub fn obey_step(
    order: &StepOrder,
    plan: &Compiled,
    state: &StepsState,
) -> Result<Event, StepOrderError> {
    if state.outcome.is_some() || state.abort_requested {
        return Err(StepOrderError::Ended);
    }
    let by = order.by.clone();
    match &order.what {
        StepWish::Pause if state.paused.is_some() => Err(StepOrderError::Already { is: "paused" }),
        StepWish::Pause => Ok(Event::Paused { by }),
        StepWish::Resume => resume(plan, state).map(|()| Event::Resumed { by }),
        StepWish::Abort => Ok(Event::AbortRequested { by }),
        StepWish::RollBack { .. } if state.rollback.is_some() => {
            Err(StepOrderError::Already { is: "on its way back" })
        }
        StepWish::RollBack { reason } => {
            if !has_way_back(plan, state) {
                return Err(StepOrderError::NothingToTakeBack);
            }
            Ok(Event::RollbackStarted { reason: given(reason)?, by: Some(by) })
        }
        StepWish::PassFreeze { reason } => {
            Ok(Event::Bypassed { what: Bypass::Freeze, by, reason: given(reason)? })
        }
        StepWish::Answer { step, .. }
        | StepWish::Attest { step, .. }
        | StepWish::Approve { step, .. }
        | StepWish::Confirm { step, .. }
        | StepWish::Skip { step, .. }
        | StepWish::Again { step }
        | StepWish::Settle { step, .. } => {
            let happened = of_step(order, step, plan, state)?;
            Ok(Event::Step { step: step.clone(), happened })
        }
    }
}

/// A run that halted at a step goes on by what becomes of the step, not by looking away.
fn resume(plan: &Compiled, state: &StepsState) -> Result<(), StepOrderError> {
    if !state.is_held() {
        return Err(StepOrderError::NotHeld);
    }
    let stuck = |(id, run): &(&String, &StepRun)| {
        matches!(run.phase, StepPhase::Failed | StepPhase::InDoubt) && plan.place(id).is_some()
    };
    match state.steps.iter().find(stuck).filter(|_| state.halted.is_some()) {
        Some((step, _)) => Err(StepOrderError::Unsettled { step: step.clone() }),
        None => Ok(()),
    }
}

fn of_step(
    order: &StepOrder,
    step: &str,
    plan: &Compiled,
    state: &StepsState,
) -> Result<StepEvent, StepOrderError> {
    let named = || step.to_owned();
    let at = plan.place(step).ok_or_else(|| StepOrderError::NoStep { step: named() })?;
    let not_asked = || StepOrderError::NotAsked { step: named() };
    let run = state.step(step).ok_or_else(not_asked)?;
    let effect = run.effect.as_ref();
    let running = run.phase == StepPhase::Running;
    // Their word stands as they gave it, whatever the step makes of it.
    let said = |name: &str, word: String, envelope| {
        let result = json!({ name: word });
        let failed = unsuccessful(plan, state, at, &result).is_some();
        let outcome = if failed { StepOutcome::Failed } else { StepOutcome::Succeeded };
        let by = Some(order.by.clone());
        StepEvent::Finished { outcome, detail: word, result, by, envelope }
    };
    match &order.what {
        StepWish::Answer { answer, envelope, .. } => match effect.filter(|_| running) {
            Some(StepEffect::Ask { of, choices, who, .. }) => {
                of_group(order, who.as_deref())?;
                let answer = given(answer)?;
                is_answer(*of, choices, &answer)?;
                Ok(said("answer", answer, envelope.clone()))
            }
            _ => Err(not_asked()),
        },
        StepWish::Attest { note, envelope, .. } => match effect.filter(|_| running) {
            Some(StepEffect::Announce { .. }) => Ok(said("note", given(note)?, None)),
            Some(StepEffect::Attest { who, .. }) => {
                of_group(order, who.as_deref())?;
                Ok(said("note", given(note)?, envelope.clone()))
            }
            _ => Err(not_asked()),
        },
        StepWish::Approve { group, .. } => match effect.filter(|_| running) {
            Some(StepEffect::Approve { groups, .. }) if groups.contains(group) => {
                approve(order, group, run, state)
            }
            _ => Err(not_asked()),
        },
        StepWish::Confirm { plan, typed, .. } => {
            let planned = run.planned.as_ref().filter(|_| running).ok_or_else(not_asked)?;
            if planned.confirmed_by.is_some() {
                return Err(StepOrderError::Already { is: "confirmed" });
            }
            if planned.plan != *plan {
                return Err(StepOrderError::OtherPlan);
            }
            if let Some(phrase) =
                planned.phrase.as_ref().filter(|phrase| typed.as_ref() != Some(phrase))
            {
                return Err(StepOrderError::Phrase { phrase: phrase.clone() });
            }
            Ok(StepEvent::Confirmed { plan: *plan, by: order.by.clone() })
        }
        _ => decided(order, at, run, plan).unwrap_or_else(|| Err(not_asked())),
    }
}

/// What becomes of a step that failed, is in doubt, or waits; nothing where that is not asked.
fn decided(
    order: &StepOrder,
    at: usize,
    run: &StepRun,
    plan: &Compiled,
) -> Option<Result<StepEvent, StepOrderError>> {
    let planned = &plan.steps[at];
    let named = || planned.id.clone();
    let by = order.by.clone();
    let effect = run.effect.as_ref();
    let running = run.phase == StepPhase::Running;
    match &order.what {
        StepWish::Skip { reason, .. } => {
            let waits =
                running && (effect.is_some_and(StepEffect::is_for_people) || run.planned.is_some());
            let stuck = matches!(run.phase, StepPhase::Failed | StepPhase::InDoubt);
            if !planned.step.may_skip {
                return Some(Err(StepOrderError::Kept { step: named() }));
            }
            if !(waits || stuck) {
                return None;
            }
            Some(given(reason).map(|reason| StepEvent::Skipped { reason, by: Some(by) }))
        }
        StepWish::Again { .. } => {
            if !matches!(run.phase, StepPhase::Failed | StepPhase::InDoubt) {
                return None;
            }
            if is_never_repeated(planned, run) {
                return Some(Err(StepOrderError::Mutates { step: named() }));
            }
            Some(Ok(StepEvent::Again { by }))
        }
        StepWish::Settle { happened, note, .. } if run.phase == StepPhase::InDoubt => {
            let happened = *happened;
            Some(given(note).map(|note| StepEvent::Settled { happened, by, note }))
        }
        _ => None,
    }
}

/// Whether an answer is one of those to choose from, or what it has to be.
fn is_answer(of: ParameterType, choices: &[String], answer: &str) -> Result<(), StepOrderError> {
    let answer = || answer.to_owned();
    if !choices.is_empty() && !choices.contains(&answer()) {
        return Err(StepOrderError::NoChoice { answer: answer(), choices: choices.join(", ") });
    }
    if !of.takes(choices, &answer()) {
        return Err(StepOrderError::NoValue { answer: answer(), wanted: of.wanted(choices) });
    }
    Ok(())
}

fn of_group(order: &StepOrder, group: Option<&str>) -> Result<(), StepOrderError> {
    match group {
        Some(group) if !belongs(&order.groups, group) => {
            Err(StepOrderError::NotOfGroup { group: group.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether doing it once more could do it twice.
fn is_never_repeated(planned: &PlannedStep, run: &StepRun) -> bool {
    let idempotent = run.effect.as_ref().is_some_and(StepEffect::is_idempotent);
    planned.step.kind.mutates() && run.may_have_changed() && !idempotent
}

/// Two roles that are never one person: who runs it, and each group that approves.
fn approve(
    order: &StepOrder,
    group: &str,
    run: &StepRun,
    state: &StepsState,
) -> Result<StepEvent, StepOrderError> {
    of_group(order, Some(group))?;
    if order.by == state.runner() {
        return Err(StepOrderError::Runner);
    }
    if let Some((group, by)) = run.approvals.iter().find(|(_, by)| **by == order.by) {
        return Err(StepOrderError::Twice { by: by.clone(), group: group.clone() });
    }
    let envelope = match &order.what {
        StepWish::Approve { envelope, .. } => envelope.clone(),
        _ => None,
    };
    Ok(StepEvent::Approved { group: group.to_owned(), by: order.by.clone(), envelope })
}

fn given(reason: &str) -> Result<String, StepOrderError> {
    match reason.trim() {
        "" => Err(StepOrderError::NoReason),
        reason => Ok(reason.to_owned()),
    }
}

/// What a run waits for, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub step: String,
    pub title: String,
    pub what: WaitingFor,
    /// When it no longer waits.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    Answer {
        ask: String,
        of: ParameterType,
        choices: Vec<String>,
        who: Option<String>,
    },
    Attestation {
        what: String,
        who: Option<String>,
    },
    /// Somebody has to tell others, and then say where they did.
    Announcement {
        to: String,
        text: String,
    },
    Approval {
        what: String,
        groups: Vec<String>,
    },
    Confirmation {
        plan: PlanHash,
        summary: String,
        phrase: Option<String>,
        refused: Option<String>,
    },
    /// A failed step: what may be done about it.
    Decision {
        reason: String,
        again: bool,
        skip: bool,
        back: bool,
    },
    /// Somebody has to look whether it happened.
    Settlement {
        reason: String,
        back: bool,
    },
    /// Only time.
    Time,
    /// Somebody paused it.
    Pause {
        by: String,
    },
}

impl WaitingFor {
    pub const fn is_for_people(&self) -> bool {
        !matches!(self, Self::Time)
    }
}

/// Whether there is something to take back: a step that may have changed something, or a freeze that holds.
pub fn has_way_back(plan: &Compiled, state: &StepsState) -> bool {
    let changed = |id: &String| {
        let leads_back = plan.place(id).is_some_and(|at| plan.steps[at].rollback.is_some());
        leads_back && state.step(id).is_some_and(StepRun::may_have_changed)
    };
    state.started.iter().any(changed) || state.frozen().next().is_some()
}

/// Everything a run waits for, in the order of its steps.
pub fn waiting(plan: &Compiled, state: &StepsState) -> Vec<Waiting> {
    let mut found = Vec::new();
    if state.outcome.is_some() || state.abort_requested {
        return found;
    }
    if let Some(by) = &state.paused {
        let what = WaitingFor::Pause { by: by.clone() };
        found.push(Waiting { step: String::new(), title: "Paused".to_owned(), what, until: None });
    }
    let can_go_back = state.rollback.is_none() && has_way_back(plan, state);
    for (at, planned) in plan.steps.iter().enumerate() {
        let Some(run) = state.step(&planned.id) else { continue };
        let stuck = state.halted.is_some().then_some(run.phase);
        let (what, until) = match stuck {
            Some(StepPhase::Failed) => {
                let again = !is_never_repeated(planned, run);
                let (skip, back) = (planned.step.may_skip, can_go_back);
                // One that its second way back stands in for is over.
                if state.rollback.is_some() && planned.rollback.is_some() {
                    continue;
                }
                let reason = reason(plan, state, at, run);
                (WaitingFor::Decision { reason, again, skip, back }, None)
            }
            Some(StepPhase::InDoubt) => {
                let reason = run.detail.clone();
                (WaitingFor::Settlement { reason, back: can_go_back }, None)
            }
            _ if run.phase == StepPhase::Running => match running(run) {
                Some(waiting) => waiting,
                None => continue,
            },
            _ => continue,
        };
        let (step, title) = (planned.id.clone(), planned.step.title.clone());
        found.push(Waiting { step, title, what, until });
    }
    found
}

fn running(run: &StepRun) -> Option<(WaitingFor, Option<Timestamp>)> {
    let after = |seconds: u32| Some(run.since? + SignedDuration::from_secs(i64::from(seconds)));
    Some(match run.effect.as_ref()? {
        StepEffect::Ask { ask, of, choices, who, until_s } => {
            let (ask, choices, who) = (ask.clone(), choices.clone(), who.clone());
            (WaitingFor::Answer { ask, of: *of, choices, who }, after(*until_s))
        }
        StepEffect::Attest { what, who, until_s } => {
            let (what, who) = (what.clone(), who.clone());
            (WaitingFor::Attestation { what, who }, after(*until_s))
        }
        StepEffect::Announce { to, text } => {
            (WaitingFor::Announcement { to: to.clone(), text: text.clone() }, None)
        }
        StepEffect::Approve { what, groups, until_s } => {
            let missing = |group: &&String| !run.approvals.contains_key(*group);
            let groups = groups.iter().filter(missing).cloned().collect();
            (WaitingFor::Approval { what: what.clone(), groups }, after(*until_s))
        }
        StepEffect::Act { .. } => {
            let planned = run.planned.as_ref().filter(|plan| plan.confirmed_by.is_none())?;
            let (summary, phrase) = (planned.summary.clone(), planned.phrase.clone());
            let (plan, refused) = (planned.plan, planned.refused.clone());
            (WaitingFor::Confirmation { plan, summary, phrase, refused }, None)
        }
        StepEffect::Wait { seconds } => (WaitingFor::Time, after(*seconds)),
        StepEffect::Freeze { .. } => (WaitingFor::Time, Some(run.announced?)),
        _ => return None,
    })
}
