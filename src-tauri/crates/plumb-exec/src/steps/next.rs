//! What a run of a runbook does next: a pure function of its plan, its journal, what is under way, and time.

mod values;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::PlanHash;
use plumb_journal::{Event, HaltCause, Outcome, StepEvent, StepOutcome};
use plumb_runbook::{
    Action,
    document::{
        Compiled, Phase, StepEffect, StepKind, Values,
        steps::{action::Waves, query::QueryStep},
    },
};
use serde_json::{Value, json};

use super::{
    judge::{Answer, condition, judge, reason},
    state::{StepPhase, StepRun, StepsState},
};

/// How often a figure beside a step may stay without an answer before that counts as out of its limits.
const SILENT_LOOKS_MAX: u32 = 3;

/// How long somebody may take to announce something, in seconds: a day.
const ANNOUNCED_WITHIN_S: u32 = 24 * 60 * 60;

/// Why a change is refused.
const UNPROTECTED: &str = "refused: the freeze of this run was lifted by hand";

/// What the loop does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// To be journalled, durably, before it asks again.
    Record(Vec<Event>),
    Perform(Vec<Errand>),
    Look(Vec<Look>),
    /// What is under way for these steps is stopped.
    Stop(Vec<usize>),
    /// Nothing to do until something comes back, somebody decides, or this moment.
    Wait {
        until: Option<Timestamp>,
    },
    Done(Outcome),
}

/// Something to be done for a step whose intent is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub at: usize,
    pub step: String,
    pub attempt: u32,
    pub task: Task,
    /// What the run fills in by itself: also told to commands.
    pub of_run: Values,
    /// What a capture keeps, where the journal holds it.
    pub content: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Do(StepEffect),
    Plan { action: Action, nodes: String, waves: Option<Waves> },
    Carry { action: Action, nodes: String, waves: Option<Waves>, plan: PlanHash },
}

/// A figure beside a running step is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub at: usize,
    pub monitor: usize,
    pub query: QueryStep,
}

/// What the loop knows beside the journal; a program that goes on with a run knows nothing.
#[derive(Debug, Clone, Default)]
pub struct NotedSteps {
    pub in_flight: BTreeSet<usize>,
    pub stopped: BTreeSet<usize>,
    pub looking: BTreeSet<(usize, usize)>,
    pub looked_at: BTreeMap<(usize, usize), Timestamp>,
    /// Looks in a row that gave no figure.
    pub silent: BTreeMap<(usize, usize), u32>,
    /// The program lets the run go: nothing further begins here.
    pub leaving: bool,
}

impl NotedSteps {
    /// Takes in how a look came out. A figure that stays away is out of its limits, too.
    pub fn looked(
        &mut self,
        key: (usize, usize),
        at: Timestamp,
        outside: Result<Option<String>, String>,
    ) -> Option<String> {
        self.looking.remove(&key);
        self.looked_at.insert(key, at);
        match outside {
            Ok(outside) => {
                self.silent.remove(&key);
                outside
            }
            Err(message) => {
                let silent = self.silent.entry(key).or_default();
                *silent += 1;
                (*silent >= SILENT_LOOKS_MAX).then(|| format!("cannot be told: {message}"))
            }
        }
    }
}

/// What happens next.
pub fn next_step(plan: &Compiled, state: &StepsState, noted: &NotedSteps, now: Timestamp) -> Move {
    if let Some(outcome) = state.outcome {
        return Move::Done(outcome);
    }
    let mut walk = Walk {
        plan,
        state,
        noted,
        now,
        events: Vec::new(),
        errands: Vec::new(),
        looks: Vec::new(),
        stops: Vec::new(),
        until: None,
    };
    walk.watch_freezes();
    let over = if state.abort_requested {
        walk.stop_all(|_| true).then_some(Outcome::Aborted)
    } else if state.rollback.is_some() {
        walk.back().then_some(Outcome::RolledBack)
    } else {
        walk.sequence(&plan.main).then_some(Outcome::Succeeded)
    };
    walk.events.extend(over.map(|outcome| Event::RunEnded { outcome }));
    walk.finish()
}

/// One pass over the plan.
struct Walk<'a> {
    plan: &'a Compiled,
    state: &'a StepsState,
    noted: &'a NotedSteps,
    now: Timestamp,
    events: Vec<Event>,
    errands: Vec<Errand>,
    looks: Vec<Look>,
    stops: Vec<usize>,
    until: Option<Timestamp>,
}

impl<'a> Walk<'a> {
    fn finish(self) -> Move {
        if !self.events.is_empty() {
            Move::Record(self.events)
        } else if !self.stops.is_empty() {
            Move::Stop(self.stops)
        } else if !self.errands.is_empty() {
            Move::Perform(self.errands)
        } else if !self.looks.is_empty() {
            Move::Look(self.looks)
        } else {
            Move::Wait { until: self.until }
        }
    }

    const fn is_held(&self) -> bool {
        self.state.is_held() || self.noted.leaving
    }

    fn run(&self, at: usize) -> Option<&'a StepRun> {
        self.state.step(&self.plan.steps[at].id)
    }

    fn phase(&self, at: usize) -> StepPhase {
        self.state.phase(&self.plan.steps[at].id)
    }

    fn tell(&mut self, at: usize, happened: StepEvent) {
        let step = self.plan.steps[at].id.clone();
        self.events.push(Event::Step { step, happened });
    }

    fn finished(&mut self, at: usize, outcome: StepOutcome, detail: impl Into<String>) {
        let (detail, result, by, envelope) = (detail.into(), Value::Null, None, None);
        self.tell(at, StepEvent::Finished { outcome, detail, result, by, envelope });
    }

    /// It came to its end, which is a success where the step does not name another.
    fn came(&mut self, at: usize, detail: String, result: Value) {
        let outcome = StepOutcome::Succeeded;
        let event = judge(self.plan, self.state, at, Answer { outcome, detail, result });
        self.tell(at, event);
    }

    fn wake(&mut self, at: Timestamp) {
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
    }

    /// Whether a moment is there; where it is not, it is waited for.
    fn is_due(&mut self, at: Timestamp) -> bool {
        if self.now < at {
            self.wake(at);
        }
        self.now >= at
    }

    /// Somebody is told when a freeze was not lifted in time.
    fn watch_freezes(&mut self) {
        let state = self.state;
        for (id, frozen) in state.frozen().filter(|(_, frozen)| !frozen.overdue) {
            if self.is_due(frozen.until) {
                let step = id.clone();
                self.events.push(Event::Step { step, happened: StepEvent::Overdue });
            }
        }
    }

    /// Steps one after the other; whether all of them are over.
    fn sequence(&mut self, steps: &[usize]) -> bool {
        steps.iter().all(|at| self.step(*at))
    }

    /// Does what a step needs; whether it is over.
    fn step(&mut self, at: usize) -> bool {
        match self.phase(at) {
            StepPhase::Waiting => {
                self.begin(at);
                false
            }
            StepPhase::Running => {
                self.tend(at);
                false
            }
            StepPhase::Succeeded => self.children(at),
            StepPhase::Skipped => true,
            StepPhase::Failed | StepPhase::InDoubt => {
                self.failed(at);
                false
            }
        }
    }

    fn children(&mut self, at: usize) -> bool {
        let plan = self.plan;
        let planned = &plan.steps[at];
        let arm = self.run(at).and_then(|run| run.arm).unwrap_or_default();
        let taken = usize::try_from(arm).ok().and_then(|arm| planned.children.get(arm));
        let Some(children) = taken else { return true };
        if matches!(planned.step.kind, StepKind::Parallel(_)) {
            // All of them go on, whatever one of them came to.
            let mut over = true;
            for child in children {
                over &= self.step(*child);
            }
            over
        } else {
            self.sequence(children)
        }
    }

    /// A step that waits begins, unless the run stands still or its condition does not hold.
    fn begin(&mut self, at: usize) {
        if self.is_held() {
            return;
        }
        let planned = &self.plan.steps[at];
        if let Some(when) = &planned.step.when {
            match condition(self.plan, self.state, at, &when.value, None) {
                Ok(true) => {}
                Ok(false) => {
                    let reason = format!("{} does not hold", when.value);
                    return self.tell(at, StepEvent::Skipped { reason, by: None });
                }
                Err(error) => return self.finished(at, StepOutcome::Failed, error),
            }
        }
        if !planned.children.is_empty() {
            return self.take(at);
        }
        let mut values = self.of_run();
        values.extend(self.answers(at));
        let effect = self.plan.effect(at, &values).and_then(|effect| {
            self.as_rehearsed(at, &effect)?;
            Ok(effect)
        });
        match effect {
            Ok(effect) if self.is_unprotected(&effect) => {
                self.finished(at, StepOutcome::Failed, UNPROTECTED);
            }
            Ok(effect) => {
                let attempt = self.run(at).map_or(0, |run| run.attempt) + 1;
                self.tell(at, StepEvent::Started { attempt, effect });
            }
            Err(error) => self.finished(at, StepOutcome::Failed, error),
        }
    }

    /// Which steps it leads to is decided once, and stands in the journal.
    fn take(&mut self, at: usize) {
        let StepKind::Branch(branch) = &self.plan.steps[at].step.kind else {
            let title = self.plan.steps[at].step.title.clone();
            return self.tell(at, StepEvent::Taken { arm: 0, title });
        };
        for (arm, told) in (0_u32..).zip(&branch.arms) {
            let holds = match &told.when {
                None => Ok(true),
                Some(when) => condition(self.plan, self.state, at, &when.value, None),
            };
            match holds {
                Ok(true) => {
                    let title = told.title.clone();
                    return self.tell(at, StepEvent::Taken { arm, title });
                }
                Ok(false) => {}
                Err(error) => return self.finished(at, StepOutcome::Failed, error),
            }
        }
    }

    /// A command of the execution is the one that was run dry, but for the flag.
    fn as_rehearsed(&self, at: usize, real: &StepEffect) -> Result<(), String> {
        let StepKind::Command(command) = &self.plan.steps[at].step.kind else { return Ok(()) };
        let Some(repeats) = &command.repeats else { return Ok(()) };
        let dry = self.plan.beside(at, &repeats.step).and_then(|at| self.run(at));
        let Some(dry) = dry.filter(|dry| dry.phase == StepPhase::Succeeded) else {
            return Err(format!("refused: {} did not succeed first", repeats.step));
        };
        let without = |effect: Option<&StepEffect>| match effect {
            Some(StepEffect::Run { argv, environment, folder, .. }) => {
                let argv: Vec<String> =
                    argv.iter().filter(|word| **word != repeats.without).cloned().collect();
                Some((argv, environment.clone(), folder.clone()))
            }
            _ => None,
        };
        let rehearsed = without(dry.effect.as_ref());
        let StepEffect::Run { argv, environment, folder, .. } = real else {
            return Err("refused: this is no command".to_owned());
        };
        let real = (argv.clone(), environment.clone(), folder.clone());
        if rehearsed == Some(real) {
            return Ok(());
        }
        Err(format!("refused: it differs from its dry run by more than {}", repeats.without))
    }

    /// When somebody was told of what is about to be done.
    fn announced(&self) -> Option<Timestamp> {
        let told = |run: &StepRun| {
            let announces = matches!(run.effect, Some(StepEffect::Announce { .. }));
            run.ended_at.filter(|_| announces && run.phase == StepPhase::Succeeded)
        };
        self.state.steps.values().filter_map(told).min()
    }

    /// When the first change that a way back would take back began.
    fn window(&self) -> Option<Timestamp> {
        self.changed().filter_map(|at| self.run(at)?.started_at).min()
    }

    /// Steps that may have changed something and name a way back, in the order they began.
    fn changed(&self) -> impl Iterator<Item = usize> + 'a {
        let (plan, state) = (self.plan, self.state);
        state.started.iter().filter_map(move |id| plan.place(id)).filter(move |at| {
            let planned = &plan.steps[*at];
            let is_back = planned.phase == Some(Phase::Rollback) || plan.is_way_back(*at);
            let may = state.step(&planned.id).is_some_and(StepRun::may_have_changed);
            planned.rollback.is_some() && !is_back && may
        })
    }

    /// Whether it would change something that a freeze was to protect, and no longer does. What leads back
    /// still does.
    fn is_unprotected(&self, effect: &StepEffect) -> bool {
        let changes = match effect {
            StepEffect::Act { .. } => true,
            StepEffect::Run { .. } | StepEffect::Http { .. } => effect.mutates(),
            _ => false,
        };
        changes && self.state.rollback.is_none() && self.state.lifted_by_hand()
    }

    /// What was under way when its freeze was lifted does not begin again; nobody knows how far it came.
    fn unprotected(&mut self, at: usize, run: &StepRun) {
        let planned = matches!(run.effect, Some(StepEffect::Act { .. }))
            && run.planned.as_ref().is_none_or(|planned| planned.confirmed_by.is_none());
        let outcome = if planned { StepOutcome::Failed } else { StepOutcome::InDoubt };
        self.finished(at, outcome, UNPROTECTED);
    }

    /// Looks after a step under way.
    fn tend(&mut self, at: usize) {
        let Some(run) = self.run(at) else { return };
        let Some(effect) = &run.effect else { return };
        if self.is_unprotected(effect) && !self.noted.in_flight.contains(&at) {
            return self.unprotected(at, run);
        }
        if let Some(breached) = &run.breached {
            if self.noted.in_flight.contains(&at) {
                if !self.noted.stopped.contains(&at) {
                    self.stops.push(at);
                }
            } else {
                self.finished(at, StepOutcome::Failed, format!("stopped: {breached}"));
            }
            return;
        }
        let since = run.since.unwrap_or(self.now);
        let after = |seconds: u32| since + SignedDuration::from_secs(i64::from(seconds));
        match effect {
            StepEffect::Wait { seconds } => self.soak(at, after(*seconds)),
            StepEffect::Approve { groups, until_s, .. } => {
                let missing = groups.iter().any(|group| !run.approvals.contains_key(group));
                if missing {
                    return self.patience(at, after(*until_s), "not all groups approved in time");
                }
                let by: Vec<&str> = run.approvals.values().map(String::as_str).collect();
                // What each of them signed stands beside their consent.
                self.came(at, format!("approved by {}", by.join(" and ")), json!(run.approvals));
            }
            StepEffect::Ask { until_s, .. } | StepEffect::Attest { until_s, .. } => {
                self.patience(at, after(*until_s), "nobody answered in time");
            }
            StepEffect::Announce { .. } => {
                self.patience(at, after(ANNOUNCED_WITHIN_S), "nobody announced it in time");
            }
            StepEffect::Freeze { announced_h, .. } if *announced_h > 0 => {
                let ahead = SignedDuration::from_hours(i64::from(*announced_h));
                match run.announced {
                    None => {
                        let until = self.announced().unwrap_or(since) + ahead;
                        self.tell(at, StepEvent::Announced { until });
                    }
                    Some(until) if self.state.passes_freeze() || self.is_due(until) => {
                        self.perform(at, run, Task::Do(effect.clone()));
                    }
                    Some(_) => {}
                }
            }
            StepEffect::Act { action, nodes, waves } => {
                let (action, nodes, waves) = (action.clone(), nodes.clone(), waves.clone());
                match &run.planned {
                    None => self.perform(at, run, Task::Plan { action, nodes, waves }),
                    Some(planned) if planned.confirmed_by.is_some() => {
                        let plan = planned.plan;
                        self.perform(at, run, Task::Carry { action, nodes, waves, plan });
                    }
                    Some(_) => {}
                }
            }
            effect => self.perform(at, run, Task::Do(effect.clone())),
        }
        self.monitor(at);
    }

    fn patience(&mut self, at: usize, until: Timestamp, what: &str) {
        if self.is_due(until) {
            self.finished(at, StepOutcome::Failed, what);
        }
    }

    /// A wait is over when its time is; what has to hold is looked at all the while.
    fn soak(&mut self, at: usize, until: Timestamp) {
        if let StepKind::Wait(wait) = &self.plan.steps[at].step.kind
            && let Some(holds) = &wait.holds
        {
            match condition(self.plan, self.state, at, &holds.value, None) {
                Ok(true) => {}
                Ok(false) => {
                    let detail = format!("{} does not hold", holds.value);
                    return self.finished(at, StepOutcome::Failed, detail);
                }
                Err(error) => return self.finished(at, StepOutcome::Failed, error),
            }
        }
        if self.is_due(until) {
            self.came(at, "waited".to_owned(), Value::Null);
        }
    }

    fn perform(&mut self, at: usize, run: &StepRun, task: Task) {
        if self.noted.in_flight.contains(&at) || (self.is_held() && !run_on(&task)) {
            return;
        }
        let content = super::judge::captured(self.plan, self.state, at, &task);
        let (step, of_run) = (self.plan.steps[at].id.clone(), self.of_run());
        self.errands.push(Errand { at, step, attempt: run.attempt, task, of_run, content });
    }

    /// Figures beside a step under way.
    fn monitor(&mut self, at: usize) {
        let plan = self.plan;
        for (number, monitor) in plan.steps[at].step.monitors.iter().enumerate() {
            let key = (at, number);
            if self.noted.looking.contains(&key) {
                continue;
            }
            let every = SignedDuration::from_secs(i64::from(monitor.every_s));
            let due = self.noted.looked_at.get(&key).map(|looked| *looked + every);
            if due.is_none_or(|due| self.is_due(due)) {
                self.looks.push(Look { at, monitor: number, query: monitor.asked_once() });
            }
        }
    }

    /// A step failed, or nobody knows: it is tried again where it only reads, else the run goes back or halts.
    fn failed(&mut self, at: usize) {
        let Some(run) = self.run(at) else { return };
        let planned = &self.plan.steps[at];
        if let Some(retry) = planned.step.retry
            && run.phase == StepPhase::Failed
            && run.tries > 0
            && run.tries < u32::from(retry.tries)
            && !self.state.is_held()
        {
            let every = SignedDuration::from_secs(i64::from(retry.every_s));
            let due = run.ended_at.unwrap_or(self.now) + every;
            if self.is_due(due) {
                self.begin(at);
            }
            return;
        }
        if self.state.is_held() {
            return;
        }
        let came_to = reason(self.plan, self.state, at, run);
        let reason = format!("{}: {came_to}", planned.step.title);
        let forward = self.state.rollback.is_none();
        let may_go_back = planned.phase.is_some_and(|phase| phase < Phase::Unfreeze);
        if forward && self.plan.is_rollout() && may_go_back && self.changed().next().is_some() {
            return self.events.push(Event::RollbackStarted { reason, by: None });
        }
        self.events.push(Event::Halted { cause: HaltCause::Step, reason });
    }

    /// Whether nothing of these steps is under way any more; what can be stopped is.
    fn stop_all(&mut self, of: impl Fn(usize) -> bool) -> bool {
        let under_way: Vec<usize> =
            self.noted.in_flight.iter().copied().filter(|at| of(*at)).collect();
        let to_stop = under_way.iter().filter(|at| !self.noted.stopped.contains(at));
        self.stops.extend(to_stop);
        under_way.is_empty()
    }

    /// What was changed is taken back, the newest first; then the freeze is lifted.
    fn back(&mut self) -> bool {
        let leads_back = |plan: &Compiled, at: usize| {
            plan.is_way_back(at) || plan.steps[at].phase == Some(Phase::Unfreeze)
        };
        let plan = self.plan;
        if !self.stop_all(|at| !leads_back(plan, at)) {
            return false;
        }
        let mut changed: Vec<usize> = self.changed().collect();
        changed.reverse();
        for at in changed {
            if !self.step_back(at) {
                return false;
            }
        }
        let froze = self.state.steps.values().any(|step| step.frozen.is_some());
        let unfreeze: Vec<usize> = (plan.main.iter().copied())
            .filter(|at| froze && plan.steps[*at].phase == Some(Phase::Unfreeze))
            .collect();
        self.sequence(&unfreeze)
    }

    /// The way back of a step, and the way back of that when it fails.
    fn step_back(&mut self, at: usize) -> bool {
        let mut at = at;
        while let Some(back) = self.plan.steps[at].rollback {
            let second = self.plan.steps[back].rollback.is_some();
            if self.phase(back) == StepPhase::Failed && second {
                at = back;
                continue;
            }
            return self.step(back);
        }
        true
    }
}

/// A plan may still be made while the run stands still; nothing is changed by it.
const fn run_on(task: &Task) -> bool {
    matches!(task, Task::Plan { .. })
}
