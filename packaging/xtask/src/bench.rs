//! `bench`: the promised figures beside their peers; the exit code says whether one was missed.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    apps,
    cmd::cargo,
    session::Session,
    setup::{self, Purpose},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One benchmark (`sweep`, `drift`, `agent`, `decisions`, `verification`, `approvals`, `alerts`, `hub`, `journal`,
    /// `execution`, `runbooks`, `evidence`, `window`); all of them without a name
    name: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(Purpose::Test)?;
    // The window is measured as people get it, and the sweep against a fleet of `plumb` nodes.
    apps::build()?;
    let bench = cargo().args(["run", "--release", "-p", "bench-tests", "--bin", "bench", "--"]);
    let bench = apps::driven(bench.args(&args.name), &apps::folder());
    let session = Session::new()?;
    let status = session.within(bench).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
