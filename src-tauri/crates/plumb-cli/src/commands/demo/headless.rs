//! The whole job on the demo fleet: sweep, drift, plan, sync, proof of arrival, summary.

use std::{collections::BTreeMap, time::Instant};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase,
    actions::capture::{CaptureRequest, Sealer},
    console_key::make_key_file,
    views::{
        drift::{Baseline, GroupView},
        evidence::SealedView,
        fleet::DriftStateView,
        plan::{ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView},
        run::{RunNodeState, RunView},
        versions::VersionsView,
    },
};
use plumb_demo::{DemoFleet, DemoOptions};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    commands::{act::follow, status::summary},
    exit::{Exit, Failure, Outcome},
    output::Output,
    text::{
        diff::{groups, policies},
        escape::shell_word,
        plan::{preview, result},
        style::state_word,
    },
};

/// What the job did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HeadlessDocument {
    pub(crate) nodes: u32,
    pub(crate) drift: BeforeAndAfter,
    /// Groups of nodes by what they ran before.
    pub(crate) groups: Vec<GroupView>,
    /// Nothing when no node had drifted.
    pub(crate) run: Option<RunSummary>,
    /// Every reachable node that had drifted arrived, and none has drifted now.
    pub(crate) converged: bool,
    /// The evidence of it, where it was wanted.
    pub(crate) evidence: Option<HeadlessEvidence>,
    pub(crate) elapsed_ms: u64,
}

/// Sealed evidence of the job.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HeadlessEvidence {
    pub(crate) sealed: SealedView,
    /// File of the public key that it verifies with.
    pub(crate) key: String,
}

/// Nodes by state, before and after.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BeforeAndAfter {
    pub(crate) before: BTreeMap<String, u32>,
    pub(crate) after: BTreeMap<String, u32>,
}

/// The run that brought them back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunSummary {
    pub(crate) id: String,
    pub(crate) plan_hash: String,
    /// `succeeded`, `incomplete`, `aborted` or `interrupted`.
    pub(crate) outcome: String,
    pub(crate) arrived: u32,
    pub(crate) total: u32,
}

/// Starts the fleet, does the job in a data folder of its own, and stops the fleet again.
pub(crate) async fn run(
    out: &Output,
    options: DemoOptions,
    evidence: Option<&Utf8Path>,
) -> Outcome {
    let started = Instant::now();
    let data_dir =
        Utf8PathBuf::from_path_buf(options.state_dir.join("console")).map_err(|path| {
            let message = format!("{} is not UTF-8", path.display());
            Failure::usage(message, "give another --state-dir")
        })?;
    let demo = DemoFleet::start(options).await?;
    out.say(format!("1. {} nodes listen on loopback", demo.nodes.len()));
    let mut options = AppOptions::command(data_dir).evaluating();
    let key = match evidence {
        Some(path) => Some(throw_away_key(&mut options, path)?),
        None => None,
    };
    let app = App::open(options).await?;
    let mut done = Box::pin(job(out, &app, &demo.fleet_file.display().to_string())).await;
    if let (Ok(document), Some(path), Some(key)) = (&mut done, evidence, key) {
        match Box::pin(prove(out, &app, document, path, key)).await {
            Ok(sealed) => document.evidence = Some(sealed),
            Err(failure) => done = Err(failure),
        }
    }
    app.close().await;
    demo.shutdown().await;
    let mut document = done?;
    document.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let verdict = out.style.verdict(
        document.converged,
        "every reachable node that had drifted runs the desired content",
        "not every reachable node that had drifted arrived",
    );
    out.say(format!("{verdict} ({:.1} s)", started.elapsed().as_secs_f64()));
    out.show(&document, |_| ());
    Ok(Exit::fine_if(document.converged))
}

async fn job(out: &Output, app: &App, fleet_file: &str) -> Result<HeadlessDocument, Failure> {
    let shell = app.add_fleet(fleet_file).await?;
    let fleet = shell.fleet.ok_or_else(|| Failure::internal("the demo has no fleet", ""))?;
    app.sweep(&fleet).await?;
    let before = app.versions(&fleet, None).await?;
    out.say("2. swept");
    summary(out, &before);
    out.say("3. drift from what is desired");
    let drift = app.version_diff(&fleet, &Baseline::Desired).await?;
    groups(out, &drift.groups);
    for diff in &drift.diffs {
        let group = drift.groups.iter().find(|group| group.key == diff.group);
        policies(out, &format!("group {}", group.map_or("?", |group| &group.letter)), diff);
    }
    let drifted: Vec<&str> = before
        .nodes
        .iter()
        .filter(|node| is_drifted(node.state))
        .map(|node| node.id.as_str())
        .collect();
    let run = if drifted.is_empty() { None } else { Some(bring_back(out, app, &fleet).await?) };
    app.sweep(&fleet).await?;
    let after = app.versions(&fleet, None).await?;
    out.say("6. swept again");
    summary(out, &after);
    let arrived = run.as_ref().is_none_or(|run| {
        drifted.iter().all(|id| {
            run.nodes.iter().any(|node| node.node == *id && node.state == RunNodeState::Arrived)
        })
    });
    Ok(HeadlessDocument {
        nodes: u32::try_from(before.nodes.len()).unwrap_or(u32::MAX),
        drift: BeforeAndAfter { before: counts(&before), after: counts(&after) },
        groups: drift.groups,
        run: run.map(|run| RunSummary {
            id: run.id,
            plan_hash: run.plan_hash,
            outcome: phase_word(run.phase).to_owned(),
            arrived: run.arrived,
            total: run.total,
        }),
        converged: arrived && after.nodes.iter().all(|node| !is_drifted(node.state)),
        evidence: None,
        elapsed_ms: 0,
    })
}

/// A key for this job alone, in the demo's own folder; its public half goes beside the evidence.
fn throw_away_key(options: &mut AppOptions, evidence: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let word = || SecretString::from("a key of the demo, thrown away with it");
    let path = options.data_dir.join("console-key.pem");
    let made = make_key_file(&path, &word())?;
    options.console_key = KeyPlace::File { path, passphrase: Passphrase::new(move || Ok(word())) };
    let public = Utf8PathBuf::from(format!("{evidence}.pem"));
    std::fs::write(&public, made.pem).map_err(|error| {
        Failure::usage(format!("{public} could not be written: {error}"), "give another --evidence")
    })?;
    Ok(public)
}

/// Seals what was done.
async fn prove(
    out: &Output,
    app: &App,
    document: &HeadlessDocument,
    path: &Utf8Path,
    key: Utf8PathBuf,
) -> Result<HeadlessEvidence, Failure> {
    let run = document.run.as_ref().map(|run| run.id.clone());
    let fleets = app.shell().await?.fleets;
    let fleet = fleets.first().map(|fleet| fleet.name.clone()).unwrap_or_default();
    let request = CaptureRequest {
        fleet,
        run,
        last_s: None,
        nodes: NodeSelection::All,
        ask: true,
        command: std::env::args().collect(),
        map: None,
        raw: None,
    };
    let folder = app.evidence_folder();
    app.capture_evidence(&request, &folder).await?;
    let sealed = app.seal_evidence(&folder, path, &Sealer::Console).await?;
    out.say(format!("7. sealed: {} entries in {path}", sealed.entries));
    let file = shell_word(path.as_str());
    out.say(format!("   plumb evidence verify {file} --key {}", shell_word(key.as_str())));
    Ok(HeadlessEvidence { sealed, key: key.to_string() })
}

async fn bring_back(out: &Output, app: &App, fleet: &str) -> Result<RunView, Failure> {
    let request = ActionRequest::new(ActionKind::Sync, NodeSelection::Drifted);
    let plan = app.prepare_plan(fleet, &request).await?;
    out.say("4. the plan");
    preview(out, &plan);
    if !plan.startable {
        return Err(Failure::new(
            Exit::Drift,
            "a finding forbids the plan",
            "see the findings above",
        ));
    }
    let typed = phrase(out, &plan);
    out.say("5. carried out");
    let run = app.start_run(&plan.fleet, &plan.hash, typed.as_deref()).await?;
    let run = follow(out, app, &run).await?;
    result(out, &run);
    Ok(run)
}

/// The phrase the ladder asks for, typed by the command itself: the fleet is its own, on loopback.
fn phrase(out: &Output, plan: &PlanView) -> Option<String> {
    match &plan.confirmation {
        ConfirmationView::Typed { phrase } => {
            out.say(format!("   confirmed by typing {phrase:?}, as a person would have to"));
            Some(phrase.clone())
        }
        ConfirmationView::Dialog | ConfirmationView::Undo => None,
    }
}

fn counts(view: &VersionsView) -> BTreeMap<String, u32> {
    view.counts
        .iter()
        .filter(|count| count.count > 0)
        .map(|count| (state_word(count.state).to_owned(), count.count))
        .collect()
}

/// States in which a node answers and runs something that is not desired.
const fn is_drifted(state: DriftStateView) -> bool {
    matches!(
        state,
        DriftStateView::Tampered
            | DriftStateView::Poisoned
            | DriftStateView::Diverged
            | DriftStateView::Behind
            | DriftStateView::Ahead
            | DriftStateView::Stale
    )
}

const fn phase_word(phase: plumb_app::views::run::RunPhase) -> &'static str {
    use plumb_app::views::run::RunPhase;
    match phase {
        RunPhase::Acting => "acting",
        RunPhase::Proving => "proving",
        RunPhase::Succeeded => "succeeded",
        RunPhase::Incomplete => "incomplete",
        RunPhase::Aborted => "aborted",
        RunPhase::Interrupted => "interrupted",
        RunPhase::AtGate => "at gate",
        RunPhase::Paused => "paused",
        RunPhase::Halted => "halted",
        RunPhase::RollingBack => "rolling back",
        RunPhase::RolledBack => "rolled back",
    }
}
