//! Plays many seeds, says how they came out, and how to see the failing ones again.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Parser;
use simulation_tests::{Fault, simulate};

#[derive(Debug, Parser)]
#[command(about = "Runs over a simulated fleet, with faults on every boundary")]
struct Args {
    /// How many seeds are played
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn main() -> ExitCode {
    let args = Args::parse();
    let next = AtomicU64::new(args.first);
    let end = args.first.saturating_add(args.seeds);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut happened: BTreeMap<Fault, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let play = || {
            let mut played = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return played;
                }
                played.push(simulate(seed, None));
            }
        };
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play)).collect();
        for told in players.into_iter().flat_map(|player| player.join().unwrap_or_default()) {
            match told {
                Ok(told) => {
                    for outcome in told.outcomes {
                        let name = outcome.map_or("not begun", plumb_journal::Outcome::name);
                        *outcomes.entry(name.to_owned()).or_default() += 1;
                    }
                    for (fault, count) in told.happened {
                        *happened.entry(fault).or_default() += u64::from(count);
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
    });
    for (name, count) in &outcomes {
        println!("{count:>8}  {name}");
    }
    for fault in Fault::ALL {
        println!("{:>8}  {fault:?}", happened.get(&fault).copied().unwrap_or_default());
    }
    failures.sort_by_key(|failure| failure.seed);
    for failure in &failures {
        println!("{failure}");
    }
    if let ([failure], 1) = (failures.as_slice(), args.seeds) {
        println!("{}\n{}", failure.violations.join("\n"), failure.journal.join("\n"));
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
