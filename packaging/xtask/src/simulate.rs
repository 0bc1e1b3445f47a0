//! `simulate`: more seeds than `test` plays; a failing one says how it is seen again.

use std::process::ExitCode;

use anyhow::Result;

use crate::cmd::cargo;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds are played
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (seeds, first) = (args.seeds.to_string(), args.first.to_string());
    let play = cargo()
        .args(["run", "--release", "-p", "simulation-tests", "--bin", "simulate", "--"])
        .args(["--seeds", &seeds, "--first", &first]);
    Ok(if play.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
