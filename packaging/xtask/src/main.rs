//! `cargo xtask`: the chores of this repository as code.

mod apps;
mod bench;
mod bindings;
mod check;
mod cmd;
mod demo;
mod package;
mod screenshots;
mod session;
mod setup;
mod simulate;
mod steps;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Set up, show, test, measure and package Plumbline",
    version
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing on this machine
    Setup(setup::Args),
    /// Build, start the demo fleet and open the window
    Demo(demo::Args),
    /// Everything CI runs
    Test(test::Args),
    /// The quick part of `test`: format, lints, tidy, types
    Check,
    /// Measure the figures the project promises, beside their peers
    Bench(bench::Args),
    /// Play runs over a simulated fleet, with faults on every boundary
    Simulate(simulate::Args),
    /// Write the TypeScript types of the views
    Bindings(bindings::Args),
    /// Make the .deb and .rpm that people install, with manual pages, completion and bills of materials
    Package,
    /// Take pictures of every screen, light and dark, at both sizes
    Screenshots,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Setup(args) => setup::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Check => Ok(check::run()),
        Task::Bench(args) => bench::run(&args),
        Task::Simulate(args) => simulate::run(&args),
        Task::Bindings(args) => bindings::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Package => package::run(),
        Task::Screenshots => screenshots::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
