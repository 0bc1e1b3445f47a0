//! A run over 1,000 loopback agents in one wave, with its journal on the disk and with it in memory.
//!
//! In memory means that the console's files stand in a file system without a disk, where a sync costs nothing:
//! the journal is written, chained and signed in the same way, and all that is missing is durability.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use plumb_app::{
    App,
    actions::capture::{CaptureRequest, Sealer},
    views::{
        plan::{ActionKind, ActionRequest, ConfirmationView, NodeSelection},
        run::{RunNodeState, RunPhase, RunView},
    },
};
use plumb_demo::{DemoFleet, DemoOptions};
use tempfile::{TempDir, tempdir, tempdir_in};
use tokio::runtime::Runtime;

use crate::{
    console,
    report::{RUNS, Report, best, timed},
    runtime,
    sweep::check_open_files,
};

const NODES: usize = 1_000;
const FLEET: &str = "demo";
/// Promised: the whole run in milliseconds, and what durability adds to it in percent.
const RUN_MS: f64 = 5_000.0;
const ADDS_PERCENT: f64 = 15.0;
/// Promised: what sealing the evidence of a run adds to it, in percent.
const SEALING_PERCENT: f64 = 5.0;
/// A file system without a disk.
const MEMORY: &str = "/dev/shm";

/// Measures runs with either console in turns, so that whatever else the machine does meets both.
pub fn run(report: &mut Report) -> Result<()> {
    check_open_files()?;
    ensure!(Path::new(MEMORY).is_dir(), "{MEMORY} is needed for a console without a disk");
    let folder = tempdir().context("a folder for the fleet")?;
    let (nodes, runtime) = (runtime()?, runtime()?);
    let options = DemoOptions { nodes: 0, scale: NODES, ..DemoOptions::new(folder.path()) };
    let fleet = nodes.block_on(DemoFleet::start(options))?;
    let consoles = [tempdir().context("a folder on the disk")?, tempdir_in(MEMORY)?];
    let open = |folder: &TempDir| {
        let app = runtime.block_on(console::open_with(folder.path(), &fleet.fleet_file))?;
        runtime.block_on(app.sweep(FLEET)).map_err(console::told)?;
        anyhow::Ok(app)
    };
    let [durable, memory] = [open(&consoles[0])?, open(&consoles[1])?];
    let (mut with, mut without, mut events) = (Vec::new(), Vec::new(), 0);
    let (mut captures, mut seals) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        without.push(carried_out(&runtime, &memory, NodeSelection::All)?.0);
        let (took, view) = carried_out(&runtime, &durable, every_agent())?;
        with.push(took);
        events = view.journal_events;
        let (captured, sealed) = runtime.block_on(evidence(&durable, &view.id))?;
        captures.push(captured);
        seals.push(sealed);
    }
    for app in [durable, memory] {
        runtime.block_on(app.close());
    }
    nodes.block_on(fleet.shutdown());
    let name = format!("execution, {NODES} agents in one wave");
    let (with, without) = (best(&with), best(&without));
    report.timed(&format!("{name}: durable journal"), with, "ms", RUN_MS);
    report.shown(&format!("{name}: journal in memory"), without, "ms");
    report.shown(&format!("{name}: events of the journal"), f64::from(events), "");
    let adds = (with / without - 1.0) * 100.0;
    report.counted(&format!("{name}: durability adds"), adds.max(0.0), "%", ADDS_PERCENT);
    report.shown(&format!("{name}: its evidence captured"), best(&captures), "ms");
    let adds = best(&seals) / with * 100.0;
    report.counted(&format!("{name}: sealing adds"), adds, "%", SEALING_PERCENT);
    Ok(())
}

/// How long capturing and sealing the evidence of a run take, in milliseconds.
async fn evidence(app: &App, run: &str) -> Result<(f64, f64)> {
    let folder = tempdir().context("a folder for evidence")?;
    let (draft, file) = (folder.path().join("draft"), folder.path().join("run.zip"));
    let request = CaptureRequest {
        fleet: FLEET.to_owned(),
        run: Some(run.to_owned()),
        last_s: None,
        nodes: NodeSelection::All,
        ask: false,
        command: vec!["bench".to_owned()],
        map: None,
        raw: None,
    };
    let began = Instant::now();
    let draft = console::utf8(&draft)?;
    app.capture_evidence(&request, draft).await.map_err(console::told)?;
    let captured = began.elapsed().as_secs_f64() * 1e3;
    let began = Instant::now();
    let sealed = app.seal_evidence(draft, console::utf8(&file)?, &Sealer::Console).await;
    ensure!(sealed.map_err(console::told)?.entries > 3, "evidence is sealed");
    Ok((captured, began.elapsed().as_secs_f64() * 1e3))
}

/// The same nodes as another plan: agents run a plan once, whichever console asks.
fn every_agent() -> NodeSelection {
    NodeSelection::Filter { filter: "api:agent".to_owned() }
}

/// From the start of a run, which every node proves by another load, to its end.
fn carried_out(runtime: &Runtime, app: &App, nodes: NodeSelection) -> Result<(f64, RunView)> {
    let request = ActionRequest { force: true, ..ActionRequest::new(ActionKind::Sync, nodes) };
    let plan = runtime.block_on(app.prepare_plan(FLEET, &request)).map_err(console::told)?;
    ensure!(plan.blast.nodes as usize == NODES, "every node is a target: {:?}", plan.blast);
    let phrase = match &plan.confirmation {
        ConfirmationView::Typed { phrase } => Some(phrase.clone()),
        ConfirmationView::Undo | ConfirmationView::Dialog => None,
    };
    let (took, view) = timed(|| {
        runtime.block_on(async {
            let why = "measured by the benchmark";
            let run = app.start_run_because(FLEET, &plan.hash, phrase.as_deref(), why).await;
            let run = run.map_err(console::told)?;
            app.finished(&run.id).await.map_err(console::told)
        })
    })?;
    let failed = view.nodes.iter().find(|node| node.state == RunNodeState::Failed);
    let why = failed.map(|node| &node.detail);
    ensure!(view.phase == RunPhase::Succeeded, "the run succeeds: {}, {why:?}", view.summary);
    ensure!(view.journal_signed_to == view.journal_events, "and is signed to its end");
    Ok((took, view))
}
