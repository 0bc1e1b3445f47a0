//! What steps meet in these tests: a world, a journal in memory, people who answer, and runbooks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use plumb_exec::{
    Answer, Came, Errand, Journal, JournalError, Left, StepDesk, StepHandler, StepOrder,
    StepOrderError, StepSetting, StepWish, Task, WaitingFor, fold_steps, perform_steps, step_desk,
    waiting,
};
use plumb_fleet::{FleetId, RunId};
use plumb_journal::{Entry, Event, Outcome, StepOutcome};
use plumb_runbook::document::{
    Compiled, RunbookPlan, StepEffect, Trusted, Values, steps::query::QueryStep,
};
use plumb_testkit::{clock, ids::SeededIds};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// What steps do in this world.
#[derive(Debug, Default, Clone)]
pub(super) struct World {
    pub(super) fails: BTreeSet<String>,
    pub(super) doubts: BTreeSet<String>,
    /// Steps that fail before they ask anything of the world.
    pub(super) not_begun: BTreeSet<String>,
    pub(super) results: BTreeMap<String, serde_json::Value>,
    /// Steps that go on until they are stopped.
    pub(super) endless: BTreeSet<String>,
    pub(super) figure: Option<f64>,
    pub(super) performed: Arc<Mutex<Vec<String>>>,
    /// How often a figure was asked for.
    pub(super) looks: Arc<AtomicUsize>,
    /// The commands with their words, as they arrived.
    pub(super) said: Arc<Mutex<Vec<(String, Values)>>>,
}

impl World {
    pub(super) fn performed(&self) -> Vec<String> {
        self.performed.lock().expect("nobody panicked").clone()
    }
}

impl StepHandler for World {
    async fn perform(&self, errand: &Errand, stop: &CancellationToken) -> Came {
        self.performed.lock().expect("nobody panicked").push(errand.step.clone());
        self.said
            .lock()
            .expect("nobody panicked")
            .push((errand.step.clone(), errand.of_run.clone()));
        if self.endless.contains(&errand.step) {
            stop.cancelled().await;
            let (outcome, result) = (StepOutcome::Failed, json!({}));
            return Came::Answer(Answer { outcome, detail: "killed".to_owned(), result });
        }
        let outcome = if self.fails.contains(&errand.step) {
            StepOutcome::Failed
        } else if self.not_begun.contains(&errand.step) {
            StepOutcome::NotBegun
        } else if self.doubts.contains(&errand.step) {
            StepOutcome::InDoubt
        } else {
            StepOutcome::Succeeded
        };
        let result = self.results.get(&errand.step).cloned();
        let result = result.unwrap_or_else(|| json!({ "exit": 0, "value": 0, "ok": true }));
        let answer = Answer { outcome, detail: String::new(), result };
        match &errand.task {
            Task::Plan { .. } => Came::Planned {
                plan: plumb_fleet::PlanHash(plumb_fleet::Digest::of(errand.step.as_bytes())),
                summary: "2 nodes".to_owned(),
                phrase: Some("prod 2".to_owned()),
            },
            Task::Do(StepEffect::Freeze { lease_s, .. }) if outcome == StepOutcome::Succeeded => {
                let until = clock::after(i64::from(*lease_s));
                Came::Frozen { until, answer }
            }
            Task::Do(StepEffect::Unfreeze { .. }) if outcome == StepOutcome::Succeeded => {
                Came::Unfrozen { answer }
            }
            _ => Came::Answer(answer),
        }
    }

    async fn figure(&self, _query: &QueryStep) -> Result<f64, String> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.figure.ok_or_else(|| "nobody answers".to_owned())
    }
}

/// A journal in memory.
#[derive(Debug)]
pub(super) struct Paper {
    run: RunId,
    entries: Mutex<Vec<Entry>>,
    base: Timestamp,
    began: tokio::time::Instant,
}

impl Paper {
    pub(super) fn new(run: RunId, entries: &[Entry]) -> Self {
        let base = entries.last().map_or_else(clock::start, |entry| entry.body.at);
        let began = tokio::time::Instant::now();
        Self { run, entries: Mutex::new(entries.to_vec()), base, began }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("nobody panicked").clone()
    }
}

impl Journal for Paper {
    async fn append(&self, events: Vec<Event>) -> Result<(), JournalError> {
        let mut entries = self.entries.lock().expect("nobody panicked");
        let mut head = plumb_journal::head(self.run, &entries);
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("a short test");
        for event in events {
            entries.push(head.append(self.base + passed, event));
        }
        Ok(())
    }
}

pub(super) fn plan_of(text: &str, parameters: &[(&str, &str)]) -> (RunbookPlan, Compiled) {
    let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let plan = RunbookPlan {
        format: RunbookPlan::FORMAT,
        fleet: FleetId::new("prod-eu").expect("a name"),
        environment: "production".to_owned(),
        runbook: "it.md".to_owned(),
        documents: BTreeMap::from([("it.md".to_owned(), text.to_owned())]),
        parameters: given.collect(),
        hosts: BTreeSet::new(),
        trusted: Trusted::Shipped,
        made_at: clock::start(),
    };
    let compiled = plan.compile().unwrap_or_else(|error| panic!("{error}\n{text}"));
    (plan, compiled)
}

/// Somebody who says what they are asked.
pub(super) fn word(
    waiting: &WaitingFor,
    step: &str,
    answers: &BTreeMap<&str, &str>,
) -> Option<StepOrder> {
    let step = step.to_owned();
    let order = |by: &str, groups: &[&str], what| StepOrder {
        by: by.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        what,
    };
    Some(match waiting {
        WaitingFor::Answer { choices, .. } => {
            let said = answers.get(step.as_str()).map(|said| (*said).to_owned());
            let answer = said.or_else(|| choices.first().cloned()).unwrap_or("well".to_owned());
            order("ana", &[], StepWish::Answer { step, answer, envelope: None })
        }
        WaitingFor::Attestation { .. } | WaitingFor::Announcement { .. } => {
            let note = "seen".to_owned();
            order("ana", &[], StepWish::Attest { step, note, envelope: None })
        }
        WaitingFor::Approval { groups, .. } => {
            let group = groups.first()?.clone();
            order(
                &format!("of {group}"),
                &[&group.clone()],
                StepWish::Approve { step, group, envelope: None },
            )
        }
        WaitingFor::Confirmation { plan, phrase, .. } => {
            let (plan, typed) = (*plan, phrase.clone());
            order("ana", &[], StepWish::Confirm { step, plan, typed })
        }
        _ => return None,
    })
}

/// Runs to its end, or until it waits for something that nobody here decides.
pub(super) async fn run_on(
    plan: &(RunbookPlan, Compiled),
    world: &World,
    before: &[Entry],
    answers: &BTreeMap<&str, &str>,
) -> (Left, Vec<Entry>) {
    let run = SeededIds::new("steps").run();
    let paper = Paper::new(run, before);
    let (desk, orders) = step_desk();
    let cancel = CancellationToken::new();
    let (tell, mut told) = tokio::sync::watch::channel(fold_steps(before));
    let clock = clock::FixedClock::at(clock::start());
    let people = async {
        let desk: StepDesk = desk;
        let mut given = BTreeSet::new();
        while told.changed().await.is_ok() {
            let state = told.borrow_and_update().clone();
            let asked = waiting(&plan.1, &state);
            if asked.iter().any(|asked| {
                matches!(asked.what, WaitingFor::Decision { .. } | WaitingFor::Settlement { .. })
            }) {
                break;
            }
            for asked in asked {
                let Some(order) = word(&asked.what, &asked.step, answers) else { continue };
                if given.insert(format!("{order:?}")) {
                    let said: Result<(), StepOrderError> = desk.give(order).await;
                    said.expect("what was asked for is taken");
                }
            }
        }
    };
    let setting = StepSetting {
        handler: world,
        journal: &paper,
        clock: &clock,
        cancel: &cancel,
        orders,
        entries: before,
        operator: "runner",
        signed: None,
        told: &tell,
    };
    let performing = perform_steps(run, (&plan.0, &plan.1), setting);
    let left = tokio::select! {
        biased;
        left = performing => left,
        () = async { people.await; std::future::pending().await } => unreachable!("people wait"),
    };
    let entries = paper.entries.into_inner().expect("nobody panicked");
    (left.expect("the journal takes everything"), entries)
}

const FRONT: &str = "---
title: It
component: Policy Engine
severity: low
on_call_scope: Platform team
owners: {run: Platform team, approvals: [Storage, Security]}
last_updated: 2026-01-17
kind: KIND
parameters:
  - {name: expected, type: integer, ask: How many?, default: '3'}
---
";

pub(super) fn document(kind: &str, steps: &[&str]) -> String {
    let mut text = FRONT.replace("KIND", kind);
    for step in steps {
        text.push_str("\n```step\n");
        text.push_str(step);
        text.push_str("\n```\n");
    }
    text
}

/// The backfill of seed 001, with one step for each thing that matters to the engine.
pub(super) fn backfill() -> String {
    document(
        "rollout",
        &[
            "{id: index, title: Index, phase: preconditions, do: {attest: {what: duplicates are rejected}}}",
            "{id: consent, title: Both guilds, phase: preconditions, do: {approval: {what: the backfill}}}",
            "{id: freeze, title: Freeze, phase: freeze, do: {freeze: {reason: backfill, announced_h: 24, lease_s: 14400}}}",
            "{id: count, title: Count, phase: dry_run, do: {command: {argv: [job, --batch-size=500, --dry-run]}}, success: result.new == params.expected}",
            "{id: job, title: For real, phase: execute, do: {command: {argv: [job, --batch-size=500], repeats: {step: count, without: --dry-run}}}, success: result.errors == 0, rollback: remove, monitors: [{title: lag, source: prometheus, query: lag, max: 60, every_s: 5}]}",
            "{id: check, title: Counts, phase: validate, do: {command: {argv: [job, --check], reads_only: true}}}",
            "{id: absent, title: No events, phase: validate, do: {query: {source: prometheus, query: 'sum(increase(x[${run.frozen_s}s]))', max: 0}}}",
            "{id: unfreeze, title: Unfreeze, phase: unfreeze, do: {unfreeze: {step: freeze}}}",
            "{id: replay, title: Replay, phase: unfreeze, do: {attest: {what: one event arrived}}}",
            "{id: remove, title: Remove the window, phase: rollback, do: {command: {argv: [undo, '${run.window_start}']}}, rollback: restore}",
            "{id: restore, title: Restore the snapshot, phase: rollback, do: {attest: {what: it was restored}}}",
        ],
    )
}

pub(super) fn good() -> World {
    let results = BTreeMap::from([
        ("count".to_owned(), json!({ "exit": 0, "new": 3 })),
        ("job".to_owned(), json!({ "exit": 0, "errors": 0 })),
    ]);
    World { results, figure: Some(1.0), ..World::default() }
}

pub(super) fn phases(plan: &Compiled, entries: &[Entry]) -> String {
    let state = fold_steps(entries);
    let line = |step: &plumb_runbook::document::PlannedStep| {
        let detail = state.step(&step.id).map(|run| run.detail.clone()).unwrap_or_default();
        format!("{} {} {detail}\n", step.id, state.phase(&step.id).name())
    };
    plan.steps.iter().map(line).collect()
}

pub(super) fn rehearsed(entries: &[Entry]) -> Option<Outcome> {
    fold_steps(entries).outcome
}
