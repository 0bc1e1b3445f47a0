//! Two archives compared by what they mean: versions, digests, steps, decisions and timings.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufReader,
};

use plumb_fleet::fleet::NODES_MAX;
use plumb_journal::{Entry, Event, RunState, StepEvent};
use serde::Deserialize;

use crate::{
    archive::{Archive, Source},
    journal::{JournalReader, NoJournal, next_line},
    limits::{COMPARED_BYTES_MAX, RUNS_MAX},
    manifest::{Evidence, MANIFEST, RunPart, run_folder},
};

/// Most differences that are told; the rest is counted.
pub const DIFFERENCES_MAX: usize = 10_000;
/// Most decisions of one run: people decide some dozens of times.
const DECISIONS_MAX: usize = 100_000;

/// Most steps of one run: those of a runbook and of what it leads to.
const STEPS_MAX: usize = 10_000;

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    About,
    Versions,
    Digests,
    Steps,
    Decisions,
    Timings,
}

impl Kind {
    /// As documents name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Versions => "versions",
            Self::Digests => "digests",
            Self::Steps => "steps",
            Self::Decisions => "decisions",
            Self::Timings => "timings",
        }
    }
}

/// Something that both archives tell in another way, or only one of them tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    pub what: String,
    pub left: Option<String>,
    pub right: Option<String>,
}

/// Facts of an archive by what they are about.
pub type Facts = BTreeMap<(Kind, String), String>;

/// Why an archive tells nothing.
#[derive(Debug, thiserror::Error)]
#[error("{entry} cannot be read: {problem}")]
pub struct NoFacts {
    pub entry: String,
    pub problem: String,
}

/// Compares facts.
pub fn diff(left: &Facts, right: &Facts) -> Vec<Difference> {
    let all: BTreeSet<&(Kind, String)> = left.keys().chain(right.keys()).collect();
    all.into_iter()
        .filter(|what| left.get(*what) != right.get(*what))
        .map(|what| Difference {
            kind: what.0,
            what: what.1.clone(),
            left: left.get(what).cloned(),
            right: right.get(what).cloned(),
        })
        .collect()
}

/// What an archive tells. Whether it may be believed is a matter of verification.
pub fn facts<S: Source>(archive: &Archive<S>) -> Result<Facts, NoFacts> {
    let evidence = evidence(archive)?;
    let mut facts = Facts::new();
    let mut told = |kind: Kind, what: &str, value: String| {
        facts.insert((kind, what.to_owned()), value);
    };
    told(Kind::About, "fleet", evidence.about.fleet.to_string());
    told(Kind::About, "environment", evidence.about.environment.clone());
    told(Kind::About, "captured by", evidence.about.by.clone());
    told(Kind::About, "nodes", evidence.about.selection.clone());
    for (tool, version) in &evidence.about.tools {
        told(Kind::Versions, tool, version.clone());
    }
    for missing in &evidence.missing {
        told(Kind::About, &format!("missing: {}", missing.what), missing.why.clone());
    }
    nodes(archive, &mut facts)?;
    let mut room = COMPARED_BYTES_MAX;
    for (at, run) in evidence.runs.iter().take(RUNS_MAX).enumerate() {
        let name = format!("{}/journal.jsonl", run_folder(run.run));
        let bytes = archive.find(&name).map_or(0, |entry| entry.bytes);
        room = room.checked_sub(bytes).ok_or_else(|| NoFacts {
            entry: name,
            problem: format!(
                "with it, journals have more than the {} MB that are compared",
                COMPARED_BYTES_MAX >> 20
            ),
        })?;
        self::run(archive, at + 1, run, &mut facts)?;
    }
    Ok(facts)
}

/// The manifest's predicate, believing nothing of it.
pub fn evidence<S: Source>(archive: &Archive<S>) -> Result<Evidence, NoFacts> {
    #[derive(Deserialize)]
    struct Read {
        predicate: Evidence,
    }
    let wrong = |problem: String| NoFacts { entry: MANIFEST.to_owned(), problem };
    let entry = archive.find(MANIFEST).ok_or_else(|| wrong("it is missing".to_owned()))?;
    let bytes = archive.document(entry).map_err(|error| wrong(error.to_string()))?;
    let read: Read = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(read.predicate)
}

/// Where nodes of the fleet stand, one a line.
pub const NODES: &str = "fleet/nodes.jsonl";

fn nodes<S: Source>(archive: &Archive<S>, facts: &mut Facts) -> Result<(), NoFacts> {
    let Some(entry) = archive.find(NODES) else { return Ok(()) };
    let wrong = |problem: String| NoFacts { entry: NODES.to_owned(), problem };
    let mut file = BufReader::new(archive.read(entry));
    let (mut line, mut number) = (Vec::new(), 0);
    while next_line(&mut file, &mut line).map_err(|error| wrong(error.to_string()))? {
        number += 1;
        if number > NODES_MAX {
            return Err(wrong(format!("it has more than the {NODES_MAX} nodes of a fleet")));
        }
        let node: serde_json::Value = serde_json::from_slice(&line)
            .map_err(|error| wrong(format!("line {number}: {error}")))?;
        let word = |name: &str| node.get(name).and_then(|value| value.as_str());
        let Some(id) = word("node") else { continue };
        for (kind, name) in
            [(Kind::Versions, "version"), (Kind::Digests, "content"), (Kind::Steps, "state")]
        {
            if let Some(value) = word(name) {
                facts.insert((kind, format!("node {id}: {name}")), value.to_owned());
            }
        }
    }
    Ok(())
}

fn run<S: Source>(
    archive: &Archive<S>,
    number: usize,
    run: &RunPart,
    facts: &mut Facts,
) -> Result<(), NoFacts> {
    let mut told = |kind: Kind, what: String, value: String| {
        facts.insert((kind, format!("run {number}: {what}")), value);
    };
    told(Kind::Digests, "plan".to_owned(), run.plan.to_string());
    told(
        Kind::Steps,
        "outcome".to_owned(),
        run.outcome.clone().unwrap_or_else(|| "open".to_owned()),
    );
    let name = format!("{}/journal.jsonl", run_folder(run.run));
    let Some(entry) = archive.find(&name) else { return Ok(()) };
    let wrong = |problem: String| NoFacts { entry: name.clone(), problem };
    let unheard = |error: NoJournal| wrong(error.to_string());
    let file = BufReader::new(archive.read(entry));
    let mut journal = JournalReader::new(file).map_err(unheard)?;
    let (mut state, mut events, mut decisions) = (RunState::default(), 0_u64, 0_usize);
    while let Some(Entry { body, .. }) = journal.event().map_err(unheard)? {
        events += 1;
        state.apply(&body.event, body.at);
        if state.nodes.len() > NODES_MAX {
            return Err(wrong(format!("it has more than the {NODES_MAX} nodes of a fleet")));
        }
        if state.steps.len() > STEPS_MAX {
            return Err(wrong(format!("it has more than the {STEPS_MAX} steps of a runbook")));
        }
        if let Some(decision) = decision(&body.event) {
            decisions += 1;
            if decisions > DECISIONS_MAX {
                return Err(wrong(format!("it has more than {DECISIONS_MAX} decisions")));
            }
            told(Kind::Decisions, format!("decision {decisions}"), decision);
        }
    }
    told(Kind::Steps, "events".to_owned(), events.to_string());
    if let (Some(from), Some(to)) = (state.started_at, state.ended_at) {
        told(
            Kind::Timings,
            "seconds".to_owned(),
            format!("{:.1}", to.duration_since(from).as_secs_f64()),
        );
    }
    for (step, state) in &state.steps {
        told(Kind::Steps, format!("step {step}"), state.phase.words().to_owned());
        told(Kind::Steps, format!("step {step}: events"), state.events.to_string());
    }
    for (node, state) in &state.nodes {
        told(Kind::Steps, format!("node {node}"), format!("{:?}", state.phase).to_lowercase());
        if let Some(version) = &state.version {
            told(Kind::Versions, format!("node {node}"), version.to_string());
        }
        if let Some(content) = &state.content {
            told(Kind::Digests, format!("node {node}"), content.to_string());
        }
    }
    Ok(())
}

/// What somebody decided about a step of a runbook, or its condition for them.
fn decision_about(step: &str, happened: &StepEvent) -> Option<String> {
    let said = match happened {
        StepEvent::Skipped { reason, by: Some(by) } => format!("left out by {by}: {reason}"),
        StepEvent::Skipped { reason, by: None } => format!("left out: {reason}"),
        StepEvent::Taken { title, .. } => format!("led to {title}"),
        StepEvent::Confirmed { plan, by } => format!("plan {} confirmed by {by}", plan.short()),
        StepEvent::Approved { group, by, .. } => format!("approved by {by} for {group}"),
        StepEvent::Finished { outcome, detail, by: Some(by), .. } => {
            format!("answered by {by}: {}, {detail}", format!("{outcome:?}").to_lowercase())
        }
        StepEvent::Settled { happened, by, note } => {
            let word = if *happened { "happened" } else { "did not happen" };
            format!("{word}, as {by} found: {note}")
        }
        StepEvent::Lifted { by, reason } => format!("freeze lifted by {by}: {reason}"),
        StepEvent::Again { by } => format!("done once more, as {by} wants"),
        _ => return None,
    };
    Some(format!("step {step} {said}"))
}

/// What somebody decided, or the plan for them.
pub fn decision(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted { operator, .. } => format!("started by {operator}"),
        Event::GatePassed { wave } => format!("gate of wave {} passed", wave + 1),
        Event::GateFailed { wave, reason } => format!("gate of wave {} failed: {reason}", wave + 1),
        Event::Attested { wave, by, note } => format!("wave {} attested by {by}: {note}", wave + 1),
        Event::Paused { by } => format!("paused by {by}"),
        Event::Resumed { by } => format!("resumed by {by}"),
        Event::Halted { reason, .. } => format!("halted: {reason}"),
        Event::RollbackStarted { reason, by } => {
            format!("rolled back by {}: {reason}", by.as_deref().unwrap_or("its own rule"))
        }
        Event::Bypassed { what, by, reason } => format!("{what:?} passed over by {by}: {reason}"),
        Event::AbortRequested { by } => format!("aborted by {by}"),
        Event::Step { step, happened } => return decision_about(step, happened),
        _ => return None,
    })
}
