//! `demo`: builds the program, starts the demo fleet and opens the window on it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, ExitCode, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    apps,
    cmd::{Cmd, TARGET},
    setup::{self, Purpose},
};

/// Twelve nodes with fresh RSA keys are up in one to three seconds; a loaded machine gets ten times that.
const FLEET_READY_WITHIN: Duration = Duration::from_secs(30);
/// A fleet asked to stop closes its listeners at once.
const FLEET_STOPS_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

const NO_DISPLAY: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do the whole job without a window: sweep, drift, plan, sync, proof of arrival
    #[arg(long)]
    headless: bool,
    /// With `--headless`: exactly one JSON document on standard output
    #[arg(long, requires = "headless")]
    json: bool,
    /// With `--headless`: seal what was done as evidence in this file
    #[arg(long, value_name = "FILE", requires = "headless")]
    evidence: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !args.headless && !has_display() {
        eprintln!(
            "no display: neither DISPLAY nor WAYLAND_DISPLAY is set, so no window can open.\n\
             `cargo xtask demo --headless` does the whole job without one."
        );
        return Ok(ExitCode::from(NO_DISPLAY));
    }
    setup::ensure(Purpose::Demo)?;
    apps::build()?;
    if args.headless { headless(args) } else { windowed() }
}

fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn headless(args: &Args) -> Result<ExitCode> {
    let plumb = Cmd::new(apps::plumb()).args(["demo", "--headless"]);
    let plumb = if args.json { plumb.args(["--json"]) } else { plumb };
    let plumb = match &args.evidence {
        Some(file) => plumb.args(["--evidence"]).args([std::path::absolute(file)?]),
        None => plumb,
    };
    Ok(same(plumb.status()?))
}

fn windowed() -> Result<ExitCode> {
    let state = TARGET.join("demo");
    if state.exists() {
        fs::remove_dir_all(&state).context("the last demo's folder cannot be removed")?;
    }
    let fleet_file = state.join("fleet.toml");
    let demo = Cmd::new(apps::plumb()).args(["demo", "--state-dir"]).args([&state]);
    let mut fleet = demo.stdout_to_stderr().spawn()?;
    // The last thing that is made; the window is that of whoever asks for approvals in the demo.
    let ready = state.join("approvals").join("TRY.txt");
    let profile = state.join("approvals").join("avery");
    let outcome = wait_for(&ready, &mut fleet).and_then(|()| {
        let window = Cmd::new(apps::plumbline()).args(["--fleet-file"]).args([&fleet_file]);
        let window = window.args(["--data-dir"]).args([&profile]);
        window.stdout_to_stderr().status()
    });
    stop(&mut fleet)?;
    outcome.map(same)
}

/// Waits for the file that is written when the demo can be used.
fn wait_for(ready: &Path, fleet: &mut Child) -> Result<()> {
    let start = Instant::now();
    while !ready.exists() {
        if let Some(status) = fleet.try_wait()? {
            bail!("the demo fleet ended with {status} before it was ready");
        }
        if start.elapsed() > FLEET_READY_WITHIN {
            bail!("the demo fleet was not ready within {} s", FLEET_READY_WITHIN.as_secs());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Asks first, so that the fleet closes what it opened.
fn stop(fleet: &mut Child) -> Result<()> {
    Cmd::new("kill").args(["-TERM", &fleet.id().to_string()]).succeeds();
    let start = Instant::now();
    while start.elapsed() < FLEET_STOPS_WITHIN {
        if fleet.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(POLL);
    }
    fleet.kill()?;
    fleet.wait()?;
    Ok(())
}

/// Ends as the program ended.
fn same(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
