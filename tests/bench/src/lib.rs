//! The promised figures, measured beside their peers.
//!
//! A benchmark is a module with `run(&mut Report) -> anyhow::Result<()>` and a line in [`BENCHES`].

pub mod agent;
pub mod alerts;
pub mod approvals;
pub mod decisions;
pub mod drift;
pub mod evidence;
pub mod execution;
pub mod fleets;
pub mod hub;
pub mod journal;
pub mod reference;
pub mod report;
pub mod runbooks;
pub mod sweep;
pub mod verification;
pub mod window;

mod console;
mod http;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::report::Report;

/// One benchmark: what it is called on the command line, and what measures it.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    pub name: &'static str,
    pub run: fn(&mut Report) -> Result<()>,
}

/// Every benchmark, in the order in which all of them run.
pub const BENCHES: &[Bench] = &[
    Bench { name: "sweep", run: sweep::run },
    Bench { name: "drift", run: drift::run },
    Bench { name: "agent", run: agent::run },
    Bench { name: "execution", run: execution::run },
    Bench { name: "journal", run: journal::run },
    Bench { name: "decisions", run: decisions::run },
    Bench { name: "verification", run: verification::run },
    Bench { name: "alerts", run: alerts::run },
    Bench { name: "hub", run: hub::run },
    Bench { name: "approvals", run: approvals::run },
    Bench { name: "runbooks", run: runbooks::run },
    Bench { name: "evidence", run: evidence::run },
    Bench { name: "window", run: window::run },
];

/// A runtime as the programs have it: one worker for each core.
fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().context("starting a runtime")
}
