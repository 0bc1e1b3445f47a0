//! A runbook against a simulated world, with a fault at every step in turn. Pure: time is only counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_journal::{Event, Outcome, StepEvent, StepOutcome};
use plumb_runbook::document::{
    Compiled, Expression, ParameterType, Phase, Scope, StepEffect, StepKind,
};
use serde_json::{Value, json};

use super::{
    judge::{Answer, outside},
    next::{Errand, Move, NotedSteps, Task, next_step},
    people::{StepOrder, StepWish, Waiting, WaitingFor, obey_step, waiting},
    perform::{Came, events_of},
    state::{StepPhase, StepsState},
};

/// Moves of one run, so that a mistake in a runbook ends a rehearsal and not the program.
const MOVES_MAX: usize = 50_000;
/// Runs of one rehearsal.
const RUNS_MAX: usize = 5_000;

/// What goes wrong at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It fails.
    Fails,
    /// Nobody knows whether it happened.
    InDoubt,
    /// The program ends in the middle of it.
    Crash,
    /// Nobody answers.
    Silence,
    /// A figure beside it leaves its limits.
    Breach,
}

impl Fault {
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Fails => "it fails",
            Self::InDoubt => "nobody knows whether it happened",
            Self::Crash => "the program ends in the middle",
            Self::Silence => "nobody answers",
            Self::Breach => "a figure leaves its limits",
        }
    }
}

/// What steps do in the simulation.
pub trait SimulatedWorld {
    /// Everything is as it was before the first step.
    fn begin(&mut self);

    /// Does one errand as well as it can be done.
    fn perform(&mut self, errand: &Errand) -> Came;

    /// A node of the fleet, for questions that ask for one.
    fn node(&self) -> Option<String> {
        None
    }
}

/// One run of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// Answers that were not the first choice, by step.
    pub answers: BTreeMap<String, String>,
    /// Where something went wrong, and what: one step, or also its way back.
    pub faults: Vec<(String, Fault)>,
    /// How it ended; nothing where it stands still and somebody has to decide.
    pub outcome: Option<Outcome>,
    /// What is wrong with how it went; nothing where it went as it should.
    pub problem: Option<String>,
}

/// A rehearsal: every choice of every question, and a fault at every step that is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    pub runs: Vec<Rehearsed>,
    /// Steps that no run reached.
    pub never_reached: Vec<String>,
    /// Steps that are no part of a run with these parameters: their condition speaks of nothing else, and does not hold.
    pub left_out: Vec<String>,
    /// There was more to try than is tried.
    pub cut_off: bool,
}

impl Rehearsal {
    /// Whether nothing more is tried; that it is not is part of what came of it.
    fn is_full(&mut self) -> bool {
        self.cut_off |= self.runs.len() >= RUNS_MAX;
        self.cut_off
    }

    pub fn is_green(&self) -> bool {
        !self.runs.is_empty()
            && !self.cut_off
            && self.never_reached.is_empty()
            && self.runs.iter().all(|run| run.problem.is_none())
    }
}

/// Rehearses a runbook.
pub fn rehearse(plan: &Compiled, world: &mut impl SimulatedWorld, now: Timestamp) -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    let mut reached = BTreeSet::new();
    let mut known = BTreeSet::from([BTreeMap::new()]);
    let mut open = vec![BTreeMap::new()];
    while let Some(answers) = open.pop() {
        if rehearsal.is_full() {
            break;
        }
        let sound = one(plan, world, now, &answers, &[]);
        let steps = sound.reached.clone();
        for (step, choices) in &sound.choices {
            for choice in choices.iter().skip(1) {
                let mut other = answers.clone();
                other.insert(step.clone(), choice.clone());
                if !answers.contains_key(step) && known.insert(other.clone()) {
                    open.push(other);
                }
            }
        }
        rehearsal.runs.push(sound.run);
        for step in &steps {
            // What was tried under other answers comes to the same.
            if !reached.insert(step.clone()) {
                continue;
            }
            for fault in faults(plan, step) {
                let wrong = [(step.clone(), fault)];
                let mut trial = Trial { plan, world, now, answers: &answers };
                trial.faulty(&wrong, &mut rehearsal, &mut reached);
            }
        }
    }
    for (at, step) in plan.steps.iter().enumerate() {
        if reached.contains(&step.id) {
            continue;
        }
        let missed = if is_left_out(plan, at) {
            &mut rehearsal.left_out
        } else {
            &mut rehearsal.never_reached
        };
        missed.push(step.id.clone());
    }
    rehearsal
}

/// Whether the parameters alone decide that a step is not done.
fn is_left_out(plan: &Compiled, at: usize) -> bool {
    let Some(when) = &plan.steps[at].step.when else { return false };
    let typed = &plan.scopes[plan.steps[at].scope].typed;
    let scope = Scope { parameters: typed.keys().cloned().collect(), ..Scope::default() };
    let values = BTreeMap::from([("params".to_owned(), Value::Object(typed.clone()))]);
    Expression::parse(&when.value, &scope).is_ok_and(|when| when.holds(&values) == Ok(false))
}

/// Runs that go wrong, under some answers.
struct Trial<'a, W> {
    plan: &'a Compiled,
    world: &'a mut W,
    now: Timestamp,
    answers: &'a BTreeMap<String, String>,
}

impl<W: SimulatedWorld> Trial<'_, W> {
    /// A run with these faults, and for each way back that it takes first, one with faults there, too.
    fn faulty(
        &mut self,
        wrong: &[(String, Fault)],
        rehearsal: &mut Rehearsal,
        reached: &mut BTreeSet<String>,
    ) {
        if rehearsal.is_full() {
            return;
        }
        let run = one(self.plan, self.world, self.now, self.answers, wrong);
        rehearsal.runs.push(run.run);
        for back in run.reached.iter().filter(|id| is_back(self.plan, id)) {
            if reached.insert(back.clone()) {
                for fault in faults(self.plan, back) {
                    let mut both = wrong.to_vec();
                    both.push((back.clone(), fault));
                    self.faulty(&both, rehearsal, reached);
                }
            }
        }
    }
}

fn is_back(plan: &Compiled, id: &str) -> bool {
    plan.place(id)
        .is_some_and(|at| plan.is_way_back(at) || plan.steps[at].phase == Some(Phase::Rollback))
}

/// What can go wrong at a step of its kind.
fn faults(plan: &Compiled, id: &str) -> Vec<Fault> {
    let Some(at) = plan.place(id) else { return Vec::new() };
    let step = &plan.steps[at].step;
    let mut faults = match &step.kind {
        StepKind::Branch(_) | StepKind::Parallel(_) | StepKind::Runbook(_) => return Vec::new(),
        StepKind::Question(_)
        | StepKind::Attest(_)
        | StepKind::Approval(_)
        | StepKind::Announce(_) => vec![Fault::Silence, Fault::Crash],
        StepKind::Wait(_) => vec![Fault::Crash],
        kind if kind.mutates() => vec![Fault::Fails, Fault::InDoubt, Fault::Crash],
        _ => vec![Fault::Fails, Fault::Crash],
    };
    if !step.monitors.is_empty() {
        faults.push(Fault::Breach);
    }
    faults
}

struct One {
    run: Rehearsed,
    reached: Vec<String>,
    choices: BTreeMap<String, Vec<String>>,
}

/// One run, to its end or until nobody can decide any more.
fn one(
    plan: &Compiled,
    world: &mut impl SimulatedWorld,
    now: Timestamp,
    answers: &BTreeMap<String, String>,
    faults: &[(String, Fault)],
) -> One {
    world.begin();
    let mut story = Story {
        plan,
        world,
        answers,
        faults,
        done: BTreeSet::new(),
        again: BTreeSet::new(),
        state: StepsState::default(),
        noted: NotedSteps::default(),
        now,
        sent: BTreeMap::new(),
        choices: BTreeMap::new(),
        problem: None,
    };
    story.begin();
    let outcome = story.go();
    let problem = story.problem.clone().or_else(|| story.judged(outcome));
    let faults = faults.to_vec();
    let run = Rehearsed { answers: answers.clone(), faults, outcome, problem };
    One { run, reached: story.state.started.clone(), choices: story.choices }
}

struct Story<'a, W> {
    plan: &'a Compiled,
    world: &'a mut W,
    answers: &'a BTreeMap<String, String>,
    faults: &'a [(String, Fault)],
    /// Steps whose fault is over.
    done: BTreeSet<String>,
    /// Steps that somebody wanted once more already.
    again: BTreeSet<String>,
    state: StepsState,
    noted: NotedSteps,
    now: Timestamp,
    /// How often something that changes was sent, by step.
    sent: BTreeMap<String, u32>,
    choices: BTreeMap<String, Vec<String>>,
    problem: Option<String>,
}

const OPERATOR: &str = "rehearsal";

impl<W: SimulatedWorld> Story<'_, W> {
    fn begin(&mut self) {
        let fleet = plumb_fleet::FleetId::new("rehearsal").expect("a name");
        let targets = u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX);
        let (plan, operator) = (self.plan.hash, OPERATOR.to_owned());
        self.record(&Event::RunStarted { plan, fleet, operator, targets });
    }

    fn record(&mut self, event: &Event) {
        self.state.apply(event, self.now);
        // A moment passes with everything that happens.
        self.now += SignedDuration::from_millis(1);
    }

    fn go(&mut self) -> Option<Outcome> {
        for _ in 0..MOVES_MAX {
            match next_step(self.plan, &self.state, &self.noted, self.now) {
                Move::Record(events) => {
                    let crashes = events.iter().find_map(|event| self.crashes_after(event));
                    for event in &events {
                        self.record(event);
                    }
                    if let Some(step) = crashes {
                        self.crash(step);
                    }
                }
                Move::Perform(errands) => {
                    for errand in errands {
                        self.perform(&errand);
                    }
                }
                Move::Look(looks) => looks.iter().for_each(|look| self.look(look)),
                Move::Stop(steps) => self.stop(&steps),
                Move::Done(outcome) => return Some(outcome),
                Move::Wait { until } => {
                    let asked = waiting(self.plan, &self.state);
                    if asked.iter().any(|asked| self.answered(asked)) {
                        continue;
                    }
                    match until {
                        Some(until) => self.now = self.now.max(until),
                        None if self.noted.in_flight.is_empty() => return None,
                        // What goes on without an end is looked at until a figure stops it.
                        None => self.now += SignedDuration::from_secs(1),
                    }
                }
            }
        }
        self.problem = Some("it never comes to an end".to_owned());
        None
    }

    fn is_faulty(&self, step: &str) -> Option<Fault> {
        let fault = self.faults.iter().find(|(at, _)| at == step && !self.done.contains(step));
        fault.map(|(_, fault)| *fault)
    }

    /// The program ends after the intent of a step is durable, and before anything came of it.
    fn crashes_after(&self, event: &Event) -> Option<String> {
        match event {
            Event::Step { step, happened: StepEvent::Started { .. } }
                if self.is_faulty(step) == Some(Fault::Crash) =>
            {
                Some(step.clone())
            }
            _ => None,
        }
    }

    fn crash(&mut self, step: String) {
        // What was under way may have arrived before the program ended.
        if self.state.step(&step).and_then(|run| run.effect.as_ref()).is_some_and(once) {
            *self.sent.entry(step.clone()).or_default() += 1;
        }
        self.done.insert(step);
        self.noted = NotedSteps::default();
        self.record(&Event::RunResumed { by: OPERATOR.to_owned() });
    }

    fn perform(&mut self, errand: &Errand) {
        // What goes wrong with nodes goes wrong when the plan is carried out: before that nothing happened.
        let planning = matches!(errand.task, Task::Plan { .. });
        let fault = self.is_faulty(&errand.step);
        let fault = fault.filter(|fault| !planning || *fault == Fault::Breach);
        let changes = match &errand.task {
            Task::Do(effect) => once(effect),
            Task::Carry { .. } => true,
            Task::Plan { .. } => false,
        };
        if changes {
            *self.sent.entry(errand.step.clone()).or_default() += 1;
        }
        if fault == Some(Fault::Breach) {
            // It goes on until the figure stops it.
            self.noted.in_flight.insert(errand.at);
            return;
        }
        let answer = |outcome| {
            let detail = "as the rehearsal wants it".to_owned();
            Came::Answer(Answer { outcome, detail, result: json!({ "exit": 1, "ok": false }) })
        };
        let came = match fault {
            Some(Fault::Fails) => answer(StepOutcome::Failed),
            Some(Fault::InDoubt) if changes => answer(StepOutcome::InDoubt),
            _ => self.world.perform(errand),
        };
        let came = if planning { self.something_to_do(errand, came) } else { came };
        let reads = !self.plan.steps[errand.at].step.kind.mutates();
        // One that is tried again fails each time: the worst case.
        if matches!(fault, Some(Fault::Fails | Fault::InDoubt)) && !reads {
            self.done.insert(errand.step.clone());
        }
        for happened in events_of(self.plan, &self.state, errand.at, came) {
            self.record(&Event::Step { step: errand.step.clone(), happened });
        }
    }

    /// Where an action of nodes is to go wrong, there is something to do: the snapshot may find all as it should be,
    /// and the day of need does not.
    fn something_to_do(&self, errand: &Errand, came: Came) -> Came {
        let nothing = matches!(&came, Came::Answer(it) if it.outcome == StepOutcome::Succeeded);
        match self.is_faulty(&errand.step) {
            Some(Fault::Fails | Fault::InDoubt) if nothing => {
                let summary = "as if there were something to do".to_owned();
                Came::Planned { plan: self.plan.hash, summary, phrase: None }
            }
            _ => came,
        }
    }

    fn look(&mut self, look: &super::next::Look) {
        let step = self.plan.steps[look.at].id.clone();
        let limit =
            |limit: Option<plumb_runbook::document::steps::query::Decimal>| limit.map(f64::from);
        let (min, max) = (limit(look.query.min), limit(look.query.max));
        let figure = match (self.is_faulty(&step), min, max) {
            (Some(Fault::Breach), _, Some(max)) => max + 1.0,
            (Some(Fault::Breach), Some(min), None) => min - 1.0,
            (_, min, max) => min.or(max).unwrap_or_default(),
        };
        let found = outside(figure, look.query.min, look.query.max);
        let key = (look.at, look.monitor);
        if let Some(detail) = self.noted.looked(key, self.now, Ok(found)) {
            let monitor = self.plan.steps[look.at].step.monitors[look.monitor].title.clone();
            let happened = StepEvent::Breached { monitor, detail };
            self.record(&Event::Step { step, happened });
        }
    }

    fn stop(&mut self, steps: &[usize]) {
        for at in steps {
            self.noted.in_flight.remove(at);
            self.done.insert(self.plan.steps[*at].id.clone());
            let answer = Answer {
                outcome: StepOutcome::Failed,
                detail: "stopped".to_owned(),
                result: json!({}),
            };
            let step = self.plan.steps[*at].id.clone();
            for happened in events_of(self.plan, &self.state, *at, Came::Answer(answer)) {
                self.record(&Event::Step { step: step.clone(), happened });
            }
        }
    }

    /// Says what somebody would; whether anything was said.
    fn answered(&mut self, asked: &Waiting) -> bool {
        let decides = matches!(asked.what, WaitingFor::Decision { .. });
        if !decides && self.is_faulty(&asked.step) == Some(Fault::Silence) {
            return false;
        }
        let step = asked.step.clone();
        let what = match &asked.what {
            WaitingFor::Answer { of, choices, .. } => {
                let said = self.answers.get(&step).or_else(|| choices.first()).cloned();
                let answer = said.unwrap_or_else(|| self.as_expected(&step, *of));
                self.choices.insert(step.clone(), choices.clone());
                StepWish::Answer { step, answer, envelope: None }
            }
            WaitingFor::Attestation { .. } | WaitingFor::Announcement { .. } => {
                StepWish::Attest { step, note: "rehearsed".to_owned(), envelope: None }
            }
            WaitingFor::Approval { groups, .. } => match groups.first() {
                Some(group) => StepWish::Approve { step, group: group.clone(), envelope: None },
                None => return false,
            },
            WaitingFor::Confirmation { plan, phrase, .. } => {
                StepWish::Confirm { step, plan: *plan, typed: phrase.clone() }
            }
            WaitingFor::Decision { again: true, .. } if self.again.insert(step.clone()) => {
                // Whoever was silent is found in the end.
                if self.is_faulty(&step) == Some(Fault::Silence) {
                    self.done.insert(step.clone());
                }
                StepWish::Again { step }
            }
            WaitingFor::Settlement { back: false, .. } => {
                StepWish::Settle { step, happened: true, note: "rehearsed".to_owned() }
            }
            WaitingFor::Settlement { back: true, .. } | WaitingFor::Decision { back: true, .. } => {
                StepWish::RollBack { reason: "rehearsed".to_owned() }
            }
            WaitingFor::Decision { skip: true, .. } => {
                StepWish::Skip { step, reason: "rehearsed".to_owned() }
            }
            WaitingFor::Decision { .. } => StepWish::Abort,
            WaitingFor::Pause { .. } => StepWish::Resume,
            WaitingFor::Time => return false,
        };
        let (by, groups) = match &what {
            StepWish::Approve { group, .. } => {
                (format!("somebody of {group}"), BTreeSet::from([group.clone()]))
            }
            _ => (OPERATOR.to_owned(), all_groups(asked)),
        };
        match obey_step(&StepOrder { by, groups, what }, self.plan, &self.state) {
            Ok(event) => {
                self.record(&event);
                true
            }
            Err(error) => {
                self.problem.get_or_insert_with(|| format!("{}: {error}", asked.step));
                false
            }
        }
    }

    /// The answer when all is well: the example of the step, or any of what it has to be.
    fn as_expected(&self, step: &str, of: ParameterType) -> String {
        let planned = self.plan.place(step).map(|at| &self.plan.steps[at]);
        let example = planned.and_then(|planned| planned.step.example.as_ref()?.get("answer"));
        match (example, of) {
            (Some(Value::String(text)), _) => text.clone(),
            (Some(other), _) => other.to_string(),
            (None, ParameterType::Integer) => "1".to_owned(),
            (None, ParameterType::Version) => "1.0.0".to_owned(),
            (None, ParameterType::Digest) => "0".repeat(64),
            (None, ParameterType::Node) => self.world.node().unwrap_or_else(|| "node".to_owned()),
            (None, _) => "as expected".to_owned(),
        }
    }

    /// Whether somebody gave an answer that is not the first one, and that the step does not go on with.
    fn is_declined(&self) -> bool {
        let by_answer = |step: &String| {
            self.state
                .step(step)
                .is_some_and(|run| run.phase == StepPhase::Failed && run.by.is_some())
        };
        self.answers.keys().any(by_answer)
    }

    /// What is wrong with how it went.
    fn judged(&self, outcome: Option<Outcome>) -> Option<String> {
        if let Some((step, _)) = self.sent.iter().find(|(_, times)| **times > 1) {
            return Some(format!("{step} was sent twice"));
        }
        let frozen = self.state.frozen().next().map(|(step, _)| step.clone());
        match outcome {
            None => Some(self.stuck()),
            Some(Outcome::Succeeded | Outcome::RolledBack) if frozen.is_some() => {
                Some("it ended with the fleet frozen".to_owned())
            }
            Some(Outcome::Succeeded) => None,
            Some(_) if self.faults.is_empty() && !self.is_declined() => Some(self.stuck()),
            Some(Outcome::RolledBack) => None,
            Some(_) => frozen.map(|step| format!("{step} stays frozen, and nothing lifts it")),
        }
    }

    /// Where it did not go on.
    fn stuck(&self) -> String {
        let bad = |phase| matches!(phase, StepPhase::Failed | StepPhase::InDoubt);
        let at = self.plan.steps.iter().find(|step| bad(self.state.phase(&step.id)));
        at.map_or_else(
            || "it stands still, and nobody is asked anything".to_owned(),
            |step| {
                let detail = self.state.step(&step.id).map(|run| run.detail.clone());
                format!("{}: {}", step.id, detail.unwrap_or_default())
            },
        )
    }
}

/// Groups that may say what is asked.
fn all_groups(asked: &Waiting) -> BTreeSet<String> {
    match &asked.what {
        WaitingFor::Answer { who, .. } | WaitingFor::Attestation { who, .. } => {
            who.iter().cloned().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Whether doing it twice would be worse than once.
const fn once(effect: &StepEffect) -> bool {
    effect.mutates() && !effect.is_idempotent() && !matches!(effect, StepEffect::Act { .. })
}
