//! A run of a runbook that this process carries out: what is seen of it, and people's words to it.

use std::collections::{BTreeMap, BTreeSet};

use plumb_exec::{
    Left, StepDesk, StepOrder, StepOrderError, StepWish, StepsState, WaitingFor,
    steps::{StepPhase, has_way_back},
    waiting,
};
use plumb_fleet::{FleetId, RunId};
use plumb_journal::{Judged, OfRun, Outcome, people::groups_in};
use plumb_runbook::document::{Compiled, ParameterType, RunbookPlan, StepKind, Trusted};
use plumb_trust::roster::{PersonId, Roster};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::figures::Figures;
use crate::{
    app::App,
    error::{AppError, Code, chain},
    ids,
    personal_keys::KeyChoice,
    views::{
        convert::{ms, person_signature},
        runbook::{
            RunbookRunState, RunbookRunView, RunbookWord, StepRunView, WaitingKind, WaitingView,
        },
    },
};

/// A run of a runbook, under way in this process.
#[derive(Debug)]
pub struct RunbookRun {
    pub(super) app: App,
    pub(super) run: RunId,
    pub(super) plan: RunbookPlan,
    pub(super) compiled: Compiled,
    pub(super) artifacts: String,
    pub(super) figures: Figures,
    pub(super) dashboard: Option<String>,
    /// Nothing once nobody is there to be asked.
    pub(super) desk: Option<StepDesk>,
    pub(super) told: watch::Receiver<StepsState>,
    pub(super) cancel: CancellationToken,
    pub(super) task: JoinHandle<Result<Left, AppError>>,
}

impl RunbookRun {
    pub fn id(&self) -> String {
        self.run.to_string()
    }

    /// How it stands.
    pub async fn view(&self) -> Result<RunbookRunView, AppError> {
        self.stands(true).await
    }

    async fn stands(&self, under_way: bool) -> Result<RunbookRunView, AppError> {
        let state = self.told.borrow().clone();
        let signatures = self.app.signatures(self.run, &self.plan, &state).await?;
        let parts = (&self.plan, &self.compiled);
        let view = view(self.run, parts, (&state, &signatures), &self.artifacts, under_way);
        Ok(RunbookRunView { dashboard: self.dashboard.clone(), ..view })
    }

    /// Waits until something changes; false when it has ended or was left.
    pub async fn changed(&mut self) -> bool {
        if self.task.is_finished() {
            return false;
        }
        tokio::select! {
            changed = self.told.changed() => changed.is_ok(),
            () = wait_for(&self.task) => false,
        }
    }

    /// Tells it somebody's word; durable in the journal when this returns. Where a roster rules the fleet, consent is
    /// signed with `key`, and so is an answer where its step says who may give it: whose word it is, the key says.
    /// `groups` are those the person belongs to where no roster says so.
    pub async fn say(
        &self,
        by: &str,
        groups: &[String],
        word: RunbookWord,
        key: Option<&KeyChoice>,
    ) -> Result<(), AppError> {
        let roster = self.app.roster_of(&self.plan.fleet).await?;
        if roster.is_some() {
            match &word {
                RunbookWord::Approve { step, group } => {
                    let key = key.ok_or_else(|| unsigned(&self.plan.fleet, "approves", group))?;
                    return self.approve(step, group, key).await;
                }
                RunbookWord::Answer { step, answer: said }
                | RunbookWord::Attest { step, note: said } => {
                    // By the plan, and not by how the run stands now: between two looks a step may begin to ask.
                    if let Some(whom) = self.whom(step) {
                        let key = key.ok_or_else(|| unsigned(&self.plan.fleet, "answers", whom))?;
                        let step = step.clone();
                        let asked = self.asked(&step);
                        let asked =
                            asked.ok_or_else(|| unwanted(&StepOrderError::NotAsked { step }))?;
                        return self.answer(asked, said, key).await;
                    }
                }
                _ => {}
            }
        }
        let groups = groups_of(roster.as_ref(), by, groups);
        self.give(StepOrder { by: by.to_owned(), groups, what: wish(word)? }).await
    }

    /// Lays somebody's word on its desk.
    pub(super) async fn give(&self, order: StepOrder) -> Result<(), AppError> {
        let Some(desk) = &self.desk else { return Err(unwanted(&StepOrderError::Ended)) };
        desk.give(order).await.map_err(|error| unwanted(&error))
    }

    /// Nobody is there any more: it goes on as far as it can without people.
    pub fn nobody_is_there(&mut self) {
        self.desk = None;
    }

    /// Lets it go: it stays open in its journal, and can be resumed. What is under way is waited for.
    pub fn let_go(&self) {
        self.cancel.cancel();
    }

    /// Waits for its end, or until it is left open.
    pub async fn finished(mut self) -> Result<RunbookRunView, AppError> {
        let left = (&mut self.task)
            .await
            .map_err(|error| AppError::new(Code::Other, chain(&error), "resume the run"))??;
        debug_assert!(
            matches!(left, Left::Open) != self.told.borrow().outcome.is_some(),
            "it ended or it did not"
        );
        self.stands(false).await
    }
}

/// The groups of a person: those of the roster where one rules the fleet, else those that were named.
pub(super) fn groups_of(roster: Option<&Roster>, by: &str, named: &[String]) -> BTreeSet<String> {
    let Some(roster) = roster else { return named.iter().cloned().collect() };
    PersonId::new(by).map(|person| groups_in(roster, &person)).unwrap_or_default()
}

async fn wait_for<T>(task: &JoinHandle<T>) {
    while !task.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub(super) fn wish(word: RunbookWord) -> Result<StepWish, AppError> {
    Ok(match word {
        RunbookWord::Answer { step, answer } => StepWish::Answer { step, answer, envelope: None },
        RunbookWord::Attest { step, note } => StepWish::Attest { step, note, envelope: None },
        RunbookWord::Approve { step, group } => StepWish::Approve { step, group, envelope: None },
        RunbookWord::Confirm { step, plan, typed } => {
            StepWish::Confirm { step, plan: ids::plan_hash(&plan)?, typed }
        }
        RunbookWord::Skip { step, reason } => StepWish::Skip { step, reason },
        RunbookWord::Again { step } => StepWish::Again { step },
        RunbookWord::Settle { step, happened, note } => StepWish::Settle { step, happened, note },
        RunbookWord::Pause => StepWish::Pause,
        RunbookWord::Resume => StepWish::Resume,
        RunbookWord::Abort => StepWish::Abort,
        RunbookWord::RollBack { reason } => StepWish::RollBack { reason },
        RunbookWord::PassFreeze { reason } => StepWish::PassFreeze { reason },
    })
}

fn unsigned(fleet: &FleetId, does: &str, group: &str) -> AppError {
    let message =
        format!("a signed roster rules {fleet}: whoever {does} signs, and a name is not enough");
    let hint = format!("sign with a key of somebody of {group}: --key FILE");
    AppError::new(Code::Invalid, message, hint)
}

pub(super) fn unwanted(error: &StepOrderError) -> AppError {
    let code = match error {
        StepOrderError::Phrase { .. } | StepOrderError::OtherPlan => Code::Confirmation,
        _ => Code::Invalid,
    };
    AppError::new(code, error.to_string(), "look at what the run waits for")
}

impl App {
    /// What people signed in a run, each judged by the roster that ruled when it was journalled.
    pub(crate) async fn signatures(
        &self,
        run: RunId,
        plan: &RunbookPlan,
        state: &StepsState,
    ) -> Result<Vec<Judged>, AppError> {
        if state.people.is_empty() {
            return Ok(Vec::new());
        }
        let rosters = self.rosters_of(&plan.fleet).await?;
        let of = OfRun { fleet: &plan.fleet, run, plan: plan.hash() };
        Ok(state.people.judge(of, |at| rosters.at(at)))
    }
}

/// Builds the view of a run. `alive` says whether this process carries it out.
pub(super) fn view(
    run: RunId,
    (plan, compiled): (&RunbookPlan, &Compiled),
    (state, signatures): (&StepsState, &[Judged]),
    artifacts: &str,
    alive: bool,
) -> RunbookRunView {
    let waiting: Vec<WaitingView> = waiting(compiled, state).iter().map(waiting_view).collect();
    let rolled = state.rollback.as_ref().map(|rollback| rollback.reason.clone());
    let halted = state.halted.as_ref().map(|halt| halt.reason.clone());
    let owners = owners(compiled);
    let start = signatures.iter().find(|one| one.step.is_none()).map(person_signature);
    let step = |(at, planned): (usize, &plumb_runbook::document::PlannedStep)| {
        let run = state.step(&planned.id);
        let owner = owners.get(&at);
        StepRunView {
            within: owner.map(|(owner, _)| compiled.steps[*owner].id.clone()),
            arm: owner.and_then(|(_, arm)| arm.clone()),
            way_back: compiled.is_way_back(at),
            mutates: planned.step.kind.mutates(),
            may_skip: planned.step.may_skip,
            id: planned.id.clone(),
            title: planned.step.title.clone(),
            kind: planned.step.kind.name().to_owned(),
            phase: planned.phase.map(|phase| phase.name().to_owned()),
            state: state.phase(&planned.id).name().to_owned(),
            attempt: run.map_or(0, |run| run.attempt),
            asks: run
                .and_then(|run| run.effect.as_ref())
                .map(plumb_runbook::document::StepEffect::sentence),
            detail: run.map(|run| run.detail.clone()).unwrap_or_default(),
            by: run.and_then(|run| run.by.clone()),
            signatures: { signatures.iter() }
                .filter(|one| one.step.as_ref() == Some(&planned.id))
                .map(person_signature)
                .collect(),
            started_at_ms: run.and_then(|run| run.started_at).map(ms),
            ended_at_ms: run.and_then(|run| run.ended_at).map(ms),
        }
    };
    RunbookRunView {
        id: run.to_string(),
        runbook: plan.runbook.clone(),
        title: compiled.front.title.value.clone(),
        fleet: plan.fleet.to_string(),
        operator: state.operator.clone(),
        signed: start.as_ref().is_some_and(|start| start.verified),
        signature: start,
        trusted: trusted(&plan.trusted),
        started_at_ms: state.started_at.map_or(0, ms),
        ended_at_ms: state.ended_at.map(ms),
        state: run_state(state, &waiting, alive),
        reason: halted.or(rolled),
        bypassed: state.bypasses.iter().map(ToString::to_string).collect(),
        frozen_until_ms: state.frozen().map(|(_, frozen)| ms(frozen.until)).max(),
        can_roll_back: state.outcome.is_none()
            && state.rollback.is_none()
            && has_way_back(compiled, state),
        steps: compiled.steps.iter().enumerate().map(step).collect(),
        waiting,
        artifacts: artifacts.to_owned(),
        dashboard: None,
        plan_hash: compiled.hash.to_string(),
        journal_events: 0,
    }
}

/// The step that leads to each other one, and by which of its arms.
fn owners(compiled: &Compiled) -> BTreeMap<usize, (usize, Option<String>)> {
    let mut owners = BTreeMap::new();
    for (at, planned) in compiled.steps.iter().enumerate() {
        for (arm, children) in planned.children.iter().enumerate() {
            let title = match &planned.step.kind {
                StepKind::Branch(branch) => branch.arms.get(arm).map(|arm| arm.title.clone()),
                _ => None,
            };
            owners.extend(children.iter().map(|child| (*child, (at, title.clone()))));
        }
    }
    owners
}

pub(super) fn trusted(trusted: &Trusted) -> String {
    match trusted {
        Trusted::Shipped => "it came with the program".to_owned(),
        Trusted::Signed { by } => format!("signed by {by}"),
        Trusted::Accepted { by } => format!("accepted by {by}"),
        Trusted::Harmless => "it runs no command and sends no request".to_owned(),
    }
}

fn run_state(state: &StepsState, waiting: &[WaitingView], alive: bool) -> RunbookRunState {
    match state.outcome {
        Some(Outcome::Succeeded) => return RunbookRunState::Succeeded,
        Some(Outcome::RolledBack) => return RunbookRunState::RolledBack,
        Some(_) => return RunbookRunState::Aborted,
        None => {}
    }
    let asks_people = waiting.iter().any(|waiting| waiting.what != WaitingKind::Time);
    let in_flight = state.steps.values().any(|step| step.phase == StepPhase::Running);
    if state.halted.is_some() {
        RunbookRunState::Halted
    } else if state.paused.is_some() {
        RunbookRunState::Paused
    } else if asks_people {
        RunbookRunState::Waiting
    } else if !alive {
        RunbookRunState::Left
    } else if state.rollback.is_some() && in_flight {
        RunbookRunState::RollingBack
    } else {
        RunbookRunState::Running
    }
}

fn waiting_view(waiting: &plumb_exec::Waiting) -> WaitingView {
    let mut view = WaitingView {
        step: waiting.step.clone(),
        title: waiting.title.clone(),
        what: WaitingKind::Time,
        text: String::new(),
        choices: Vec::new(),
        wanted: None,
        groups: Vec::new(),
        phrase: None,
        plan: None,
        until_ms: waiting.until.map(ms),
    };
    match waiting.what.clone() {
        WaitingFor::Answer { ask, of, choices, who } => {
            let open = choices.is_empty() && of != ParameterType::Text;
            view.wanted = open.then(|| of.wanted(&[]));
            (view.what, view.text, view.choices) = (WaitingKind::Answer, ask, choices);
            view.groups.extend(who);
        }
        WaitingFor::Attestation { what, who } => {
            (view.what, view.text) = (WaitingKind::Attestation, what);
            view.groups.extend(who);
        }
        WaitingFor::Announcement { to, text } => {
            (view.what, view.text) = (WaitingKind::Announcement, format!("tell {to}: {text}"));
        }
        WaitingFor::Approval { what, groups } => {
            (view.what, view.text, view.groups) = (WaitingKind::Approval, what, groups);
        }
        WaitingFor::Confirmation { plan, summary, phrase, refused } => {
            view.what = WaitingKind::Confirmation;
            view.text = match refused {
                Some(refused) => format!("{summary}\nnot carried out: {refused}"),
                None => summary,
            };
            (view.phrase, view.plan) = (phrase, Some(plan.to_string()));
        }
        WaitingFor::Decision { reason, again, skip, back } => {
            (view.what, view.text) = (WaitingKind::Decision, reason);
            let may = [(again, "again"), (skip, "skip"), (back, "roll_back"), (true, "abort")];
            view.choices =
                may.iter().filter(|(may, _)| *may).map(|(_, what)| (*what).to_owned()).collect();
        }
        WaitingFor::Settlement { reason, back } => {
            (view.what, view.text) = (WaitingKind::Settlement, reason);
            let may = [(true, "settle"), (back, "roll_back"), (true, "abort")];
            view.choices =
                may.iter().filter(|(may, _)| *may).map(|(_, what)| (*what).to_owned()).collect();
        }
        WaitingFor::Time => {}
        WaitingFor::Pause { by } => {
            (view.what, view.text) = (WaitingKind::Pause, format!("paused by {by}"));
        }
    }
    view
}
