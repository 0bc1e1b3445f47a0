//! The library of runbooks, what a step costs beside its work, and a run of a thousand steps that goes on.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use camino::Utf8Path;
use plumb_app::{
    App,
    runbooks::{RunbookRequest, RunbookRun},
    views::runbook::{RunbookRunState, RunbookWord},
};
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::{
    console,
    report::{RUNS, Report, best, timed},
    runtime,
};

/// Promised: opening a library of so many, in milliseconds.
const LIBRARY: usize = 500;
const LIBRARY_MS: f64 = 200.0;
/// Promised: journal and evidence of one step, in milliseconds.
const STEP_MS: f64 = 10.0;
/// Promised: going on with a run of so many steps, in milliseconds.
const STEPS: usize = 1_000;
const RESUME_MS: f64 = 100.0;
const FLEET: &str = "bench";
/// Nobody listens there: no step of these runs asks a node.
const FLEET_FILE: &str = "name = \"bench\"\n\n[[node]]\nid = \"gw-1\"\napi = \"agent\"\n\
    url = \"http://127.0.0.1:9\"\n";

/// Measures the library first, so that it is read from a disk that did nothing else yet.
pub fn run(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder for the console")?;
    let fleet = folder.path().join("fleet.toml");
    fs::write(&fleet, FLEET_FILE)?;
    fill_library(&folder.path().join("runbooks"))?;
    let runtime = runtime()?;
    let app = runtime.block_on(console::open_with(folder.path(), &fleet))?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let (ms, count) = timed(|| {
            let shelf = runtime.block_on(app.runbooks()).map_err(console::told)?;
            Ok(shelf.listed().iter().filter(|one| one.problem.is_none()).count())
        })?;
        ensure!(count >= LIBRARY, "{count} of {LIBRARY} runbooks are sound");
        took.push(ms);
    }
    report.timed(&format!("library of {LIBRARY} runbooks opened"), best(&took), "ms", LIBRARY_MS);

    let long = folder.path().join("long.md");
    fs::write(&long, long_runbook())?;
    let (step_ms, id) = runtime.block_on(carried_out(&app, &long, folder.path()))?;
    report.timed("step of a runbook: journal and evidence", step_ms, "ms", STEP_MS);
    runtime.block_on(app.close());

    // Another program goes on with it, from its files alone.
    let app = runtime.block_on(console::open(folder.path()))?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        took.push(resumed(&runtime, &app, &id)?);
    }
    runtime.block_on(app.close());
    report.timed(&format!("run of {STEPS} steps goes on"), best(&took), "ms", RESUME_MS);
    Ok(())
}

/// A document with as much prose and as many steps as shipped ones have.
fn fill_library(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets/runbooks/policy-version-conflicts.md");
    let text = fs::read_to_string(shipped)?;
    for number in 0..LIBRARY {
        let title = format!("title: Runbook {number} - ");
        fs::write(folder.join(format!("own-{number:03}.md")), text.replacen("title: ", &title, 1))?;
    }
    Ok(())
}

/// A question, files of evidence, and an attestation at which it is left.
fn long_runbook() -> String {
    let mut text = String::from(
        "---\ntitle: Long\ncomponent: It\nseverity: low\non_call_scope: Us\nowners: {run: Us}\n\
         last_updated: 2026-03-02\n---\n# Long\n\n```step\nid: begin\ntitle: Begin\n\
         do: {question: {ask: 'What is it about?'}}\n```\n",
    );
    for number in 2..STEPS {
        let _ = write!(
            text,
            "\n```step\nid: s{number}\ntitle: Keep it\n\
             do: {{capture: {{from: {{result: begin}}, into: s{number}.json}}}}\n```\n"
        );
    }
    text.push_str("\n```step\nid: last\ntitle: Look\ndo: {attest: {what: all is there}}\n```\n");
    text
}

/// Waits until a run waits for people. Gives the step it waits at.
async fn waits(run: &mut RunbookRun) -> Result<String> {
    loop {
        let view = run.view().await.map_err(console::told)?;
        if view.state == RunbookRunState::Waiting {
            return Ok(view.waiting[0].step.clone());
        }
        ensure!(run.changed().await, "the run ended as {:?}: {:?}", view.state, view.reason);
    }
}

/// Runs it to its last step and leaves it there. Gives the milliseconds of one step, and its id.
async fn carried_out(app: &App, long: &Path, folder: &Path) -> Result<(f64, String)> {
    let path = Utf8Path::from_path(long).context("UTF-8")?;
    let (shelf, runbook) = app.runbooks_beside(path).await.map_err(console::told)?;
    let folder = Utf8Path::from_path(folder).context("UTF-8")?.to_owned();
    let request = RunbookRequest { runbook, folder, ..RunbookRequest::default() };
    let prepared = app.prepare_runbook(FLEET, &shelf, &request).await.map_err(console::told)?;
    let mut run = app.start_runbook(prepared).await.map_err(console::told)?;
    let id = run.id();
    ensure!(waits(&mut run).await? == "begin", "it asks first");
    let word = RunbookWord::Answer { step: "begin".to_owned(), answer: "how long".to_owned() };
    let began = Instant::now();
    run.say("ops", &[], word, None).await.map_err(console::told)?;
    while waits(&mut run).await? != "last" {
        run.changed().await;
    }
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    run.let_go();
    run.finished().await.map_err(console::told)?;
    Ok((took / (STEPS - 2) as f64, id))
}

/// Milliseconds until it waits where it was left; its return to the journal is durable by then.
fn resumed(runtime: &Runtime, app: &App, id: &str) -> Result<f64> {
    let (ms, run) = timed(|| {
        runtime.block_on(async {
            let mut run = app.resume_runbook(id, None).await.map_err(console::told)?;
            ensure!(waits(&mut run).await? == "last", "it goes on where it was left");
            Ok(run)
        })
    })?;
    run.let_go();
    runtime.block_on(run.finished()).map_err(console::told)?;
    Ok(ms)
}
