//! From the start of the window's program to the painted fleet of 10,000 nodes, and its memory.
//!
//! The program measures its start itself (`--measure-start`), and the page how fast a claimed alert and the first flips are
//! painted and how long the frames of a scrubbed raster take; the nodes are closed ports, so all it shows is what it knew.

pub(crate) mod cached;
mod flips;
mod inbox;
mod raster;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tempfile::tempdir;
use tokio::{process::Command, runtime::Runtime, time::timeout};

use crate::{
    decisions::{QUESTIONS, RULES, impact::FIRST_MS_MAX},
    fleets::NODES,
    report::{RUNS, Report, best},
    runtime,
    window::cached::Cached,
};

/// Names the program; `cargo xtask bench` sets it.
const PROGRAM: &str = "PLUMBLINE_BIN";
/// From the start to the painted fleet in milliseconds, and proportional memory in megabytes.
const START_MS: f64 = 800.0;
const TOTAL_MB: f64 = 340.0;
const OWN_MB: f64 = 120.0;
/// From the key that claims an alert to its painted row, in milliseconds, by the clock of the page.
const CLAIM_MS: f64 = 100.0;
/// Work of the page on one frame of a raster that is scrubbed, in milliseconds.
const FRAME_MS: f64 = 16.0;
/// A start that takes longer has hung.
const START_TIME_MAX: Duration = Duration::from_mins(1);

/// The line that the program prints; proportional memory in KiB.
#[derive(Debug, Deserialize)]
struct Figures {
    start_ms: f64,
    pss_total_kib: u64,
    pss_own_kib: u64,
    processes: usize,
}

/// Starts the window once to warm the file cache, and then as often as is judged.
pub fn run(report: &mut Report) -> Result<()> {
    let program = PathBuf::from(env::var_os(PROGRAM).with_context(|| {
        format!("{PROGRAM} names the built window: run `cargo xtask bench window`, which sets it")
    })?);
    ensure!(program.is_file(), "{PROGRAM} is {}, where no program is", program.display());
    ensure!(
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some()),
        "the window needs a display: run `cargo xtask bench window`, or this within `xvfb-run -a`"
    );
    let folder = tempdir().context("a folder for the console")?;
    let runtime = runtime()?;
    let ready = folder.path().join("ready");
    let cached = runtime.block_on(cached::prepare(folder.path(), &ready))?;
    ensure!(cached.states.len() >= 5, "the fleet shows mixed states, not only {:?}", cached.states);
    let mut figures = Vec::new();
    for run in 0..=RUNS {
        // The sweep behind a painted window finds the ports closed: every run begins with the same files.
        let used = folder.path().join(format!("run-{run}"));
        copied(&ready, &used)?;
        let one = started(&runtime, &program, &used).with_context(|| format!("start {run}"))?;
        if run > 0 {
            figures.push(one);
        }
        fs::remove_dir_all(&used).context("the files of a run")?;
    }
    told(&cached, &figures, report);
    let claim = inbox::measured(&runtime, &ready, &folder.path().join("inbox"))?;
    let name = format!("window, {} alerts: claim to painted row", inbox::ALERTS);
    report.timed(&name, claim, "ms", CLAIM_MS);
    let scrubbed = raster::measured(&runtime, folder.path())?;
    let name = format!("window, raster of {} nodes over {} days", raster::NODES, raster::DAYS);
    report.timed(&format!("{name}: frame while scrubbed"), scrubbed.work, "ms", FRAME_MS);
    report.shown(
        &format!("{name}: the slowest of {} frames", raster::MOVES),
        scrubbed.slowest,
        "ms",
    );
    report.shown(&format!("{name}: of that the picture"), scrubbed.drawing, "ms");
    // The display of this machine has a say in it: a virtual one paints on the processor.
    report.shown(&format!("{name}: from frame to frame"), scrubbed.between, "ms");
    let first = flips::measured(&runtime, &folder.path().join("flips"))?;
    let name = format!("window, flips of {QUESTIONS} requests, {RULES} rules: the first painted");
    report.timed(&name, first, "ms", FIRST_MS_MAX);
    Ok(())
}

fn told(cached: &Cached, figures: &[Figures], report: &mut Report) {
    let of = |figure: fn(&Figures) -> f64| best(&figures.iter().map(figure).collect::<Vec<_>>());
    let name = format!("window, {NODES} cached nodes");
    report.timed(&format!("{name}: start to painted"), of(|one| one.start_ms), "ms", START_MS);
    // Once, before the window warmed anything: where to look when the start is late.
    report.shown(&format!("{name}: opening the console's files alone"), cached.open_ms, "ms");
    report.shown(&format!("{name}: reading and judging the fleet alone"), cached.view_ms, "ms");
    let total = of(|one| megabytes(one.pss_total_kib));
    report.counted(&format!("{name}: memory of all processes"), total, "MB", TOTAL_MB);
    let own = of(|one| megabytes(one.pss_own_kib));
    report.counted(&format!("{name}: memory of its own process"), own, "MB", OWN_MB);
    report.shown(&format!("{name}: processes"), of(|one| one.processes as f64), "");
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1_024.0 / 1e6
}

/// One start of the program; what it complains about is shown when it fails.
fn started(runtime: &Runtime, program: &Path, folder: &Path) -> Result<Figures> {
    let mut command = Command::new(program);
    command.arg("--measure-start").arg("--data-dir").arg(folder).kill_on_drop(true);
    // A file and no pipe: what a program said that hangs is then read all the same.
    let complaints = folder.join("stderr.txt");
    command.stderr(fs::File::create(&complaints).context("a file for complaints")?);
    command.stdout(std::process::Stdio::piped());
    let said = || fs::read_to_string(&complaints).unwrap_or_default();
    let ended = runtime.block_on(async {
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        timeout(START_TIME_MAX, child.wait_with_output())
            .await
            .with_context(|| format!("nothing was painted within {START_TIME_MAX:?}:\n{}", said()))?
            .context("waiting for the window")
    })?;
    ensure!(ended.status.success(), "the window ended with {}:\n{}", ended.status, said());
    let lines = String::from_utf8_lossy(&ended.stdout);
    let line = lines.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("the window printed {lines:?}:\n{}", said()))
}

fn copied(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).context("a folder for a run")?;
    for entry in fs::read_dir(from).context("the prepared files")? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).context("copying a file")?;
        }
    }
    Ok(())
}
