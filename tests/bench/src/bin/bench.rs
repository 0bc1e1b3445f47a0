//! `bench [NAME]`: runs one benchmark or all, prints the figures, and fails when one is missed.

use std::{env, io, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use bench_tests::{BENCHES, Bench, reference, report::Report};

fn main() -> Result<ExitCode> {
    // This program is its own evaluation process.
    if let Some(ended) = plumb_worker::child::run_if_asked() {
        return Ok(ended);
    }
    // And the hub that it weighs.
    if let Some(ended) = bench_tests::hub::serve_if_asked() {
        return Ok(ended);
    }
    let name = env::args().nth(1);
    let is_chosen = |bench: &&Bench| name.as_deref().is_none_or(|name| name == bench.name);
    let chosen: Vec<&Bench> = BENCHES.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        bail!(
            "there is no benchmark {:?}; there are {}",
            name.unwrap_or_default(),
            names.join(", ")
        );
    }
    let mut report = Report::new(reference::measured());
    for bench in chosen {
        (bench.run)(&mut report).with_context(|| format!("benchmark {}", bench.name))?;
    }
    report.print(&mut io::stdout().lock())?;
    Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
