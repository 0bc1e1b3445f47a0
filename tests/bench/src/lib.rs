//! The promised figures, measured beside their peers.
//!
//! A benchmark is a module with `run(&mut Report) -> anyhow::Result<()>` and a line in [`BENCHES`].

pub mod drift;
pub mod fleets;
pub mod reference;
pub mod report;

use anyhow::Result;

use crate::report::Report;

/// One benchmark: what it is called on the command line, and what measures it.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    pub name: &'static str,
    pub run: fn(&mut Report) -> Result<()>,
}

/// Every benchmark, in the order in which all of them run.
pub const BENCHES: &[Bench] = &[Bench { name: "drift", run: drift::run }];
