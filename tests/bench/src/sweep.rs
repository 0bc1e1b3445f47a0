//! Sweeps of 1,000 loopback nodes into SQLite, beside `curl --parallel` over the same URLs.
//!
//! The nodes answer inside this process, for the console and for curl alike, so both peers share the machine
//! with them in the same way.

mod curl;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use plumb_app::Current;
use plumb_demo::{DemoFleet, DemoOptions};
use tempfile::tempdir;

use crate::{
    console,
    report::{RUNS, Report, best, timed},
    runtime,
};

/// Nodes of the sweep that a figure is promised for.
const NODES: usize = 1_000;
/// What the console asks of one agent in a sweep.
const PATHS: [&str; 3] = ["/v1/agent/status", "/readyz", "/v1/agent/history?limit=20"];
/// The fleet's name in the file that the demo writes.
const FLEET: &str = "demo";
/// How many times faster than the faster setting of curl.
const TIMES_FASTER: f64 = 2.0;
/// Listeners, three kept connections of each node with both ends in this process, curl's, and files.
const OPEN_FILES_MIN: usize = 10_000;

/// Measures sweeps and curl in turns, so that whatever else the machine does meets both.
pub fn run(report: &mut Report) -> Result<()> {
    check_open_files()?;
    let folder = tempdir().context("a folder for fleet and console")?;
    // Nodes have a runtime of their own: in one with the console, their answers would wait behind its work.
    let (nodes, runtime) = (runtime()?, runtime()?);
    let options = DemoOptions { nodes: 0, scale: NODES, ..DemoOptions::new(folder.path()) };
    let fleet = nodes.block_on(DemoFleet::start(options))?;
    let app =
        runtime.block_on(console::open_with(&folder.path().join("console"), &fleet.fleet_file))?;
    let urls: Vec<String> = fleet
        .nodes
        .iter()
        .flat_map(|node| PATHS.map(|path| format!("{}{path}", node.url)))
        .collect();
    ensure!(urls.len() == NODES * PATHS.len(), "every node is asked three times");
    let swept = || timed(|| runtime.block_on(app.sweep(FLEET)).map_err(console::told));
    let (first, seen) = swept()?;
    check(&seen)?;
    let (mut warm, mut asking) = (Vec::new(), Vec::new());
    let mut peers = curl::SETTINGS.map(|setting| (setting, Vec::new()));
    for _ in 0..RUNS {
        let (took, seen) = swept()?;
        check(&seen)?;
        warm.push(took);
        asking.push(asked_ms(&seen)?);
        for (setting, times) in &mut peers {
            times.push(timed(|| curl::ask(&urls, *setting))?.0);
        }
    }
    let stored = stored(&folder.path().join("console"))?;
    runtime.block_on(app.close());
    nodes.block_on(fleet.shutdown());
    let name = format!("sweep, {NODES} nodes x {} requests into SQLite", PATHS.len());
    report.shown(&format!("{name}: first"), first, "ms");
    let mut peers = peers.map(|(setting, times)| (curl::name(setting), best(&times)));
    peers.sort_by(|a, b| a.1.total_cmp(&b.1));
    let peers = peers.each_ref().map(|(name, time)| (name.as_str(), *time));
    report.beside(&format!("{name}: warm"), best(&warm), "ms", &peers, TIMES_FASTER);
    report.shown(&format!("{name}: of it, until the last answer"), best(&asking), "ms");
    report.shown(&format!("{name}: cache after {} sweeps", RUNS + 1), stored, "MB");
    Ok(())
}

/// Every node answered all three requests.
fn check(seen: &Current) -> Result<()> {
    let complete = seen
        .snapshot
        .nodes
        .values()
        .filter(|node| node.failure.is_none())
        .filter_map(|node| node.report.as_deref())
        .filter(|report| report.gaps.is_empty() && report.content.is_some())
        .count();
    ensure!(complete == NODES, "only {complete} of {NODES} nodes answered everything");
    Ok(())
}

/// From the first request to the last answer; the rest is judging and storing.
fn asked_ms(seen: &Current) -> Result<f64> {
    let sweep = seen.sweep.context("a sweep tells when it was")?;
    Ok(sweep.finished_at.duration_since(sweep.started_at).as_secs_f64() * 1e3)
}

/// Megabytes of the cache and what was not yet folded into it.
fn stored(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder).context("the console's folder")? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("cache.sqlite") {
            bytes += file.metadata()?.len();
        }
    }
    ensure!(bytes > 0, "sweeps are stored");
    Ok(bytes as f64 / 1e6)
}

/// Refuses to start what would end in refused connections.
pub(crate) fn check_open_files() -> Result<()> {
    // Only Linux tells it without a call into C; elsewhere the fleet itself says what it lacks.
    let Ok(limits) = fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|columns| columns.split_whitespace().next())
        .and_then(|soft| soft.parse::<usize>().ok());
    if let Some(soft) = soft {
        ensure!(
            soft >= OPEN_FILES_MIN,
            "{NODES} nodes in one process need {OPEN_FILES_MIN} open files, and this shell allows {soft}: \
             run `ulimit -n {OPEN_FILES_MIN}` first"
        );
    }
    Ok(())
}
