//! Reloads of an agent from request to answer, the swap alone, requests during two hundred reloads, and packs.

mod bundles;
mod load;
pub(crate) mod opa;
mod packs;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plumb_agent::{Agent, AgentConfig, RunningAgent};
use plumb_trust::verify_signed_json_bytes;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::{
    agent::{
        bundles::{SIZES, Signer, Size},
        load::{EVALUATE, Load, under_load},
    },
    decisions,
    http::Connection,
    report::{RUNS, Report, best},
    runtime, verification,
};

/// A swap may take so many microseconds.
const SWAP_US: f64 = 10.0;
/// The largest bundle from disk to live, in milliseconds.
const LARGEST_MS: f64 = 60.0;
/// Reloads that no request may suffer from, one in four of them of a bundle that is refused.
const RELOADS_UNDER_LOAD: usize = 200;
const BAD_ONE_IN: usize = 4;
/// The 99th percentile while bundles are reloaded against that while none is.
const P99_TIMES: f64 = 2.0;
const CONNECTIONS: usize = 16;
/// Longer than the reloads take on a busy machine.
const LOAD_TIME: Duration = Duration::from_secs(20);
const QUIET_TIME: Duration = Duration::from_secs(5);
/// Reloads are judged one after the other, as the field's figures were made. After a rest the cores sleep, and
/// waking them took 0.4 ms of a reload of 10 KB on a virtual machine: that is shown, and judged by nobody.
const REST: Duration = Duration::from_millis(20);
/// Reloads under load are spread over some seconds, as if somebody rolled out in a hurry.
const BETWEEN_RELOADS: Duration = Duration::from_millis(40);

/// Measures every size of bundle that a figure is promised for.
pub fn run(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder for bundles")?;
    let signer = Signer::new(folder.path())?;
    let runtime = runtime()?;
    let mut swap_us = Vec::new();
    for size in SIZES {
        let node = Node::start(&runtime, folder.path(), &signer, size)?;
        let measured = node.measured(&signer, size)?;
        swap_us.push(measured.swap_us);
        measured.told(report, size);
        node.stop(&runtime);
    }
    let slowest = swap_us.into_iter().fold(0.0, f64::max);
    report.timed("agent: swap, the slowest of a run", slowest, "us", SWAP_US);
    let node = Node::start(&runtime, folder.path(), &signer, SIZES[1])?;
    let address = node.agent.address();
    let quiet = under_load(address, &EVALUATE, CONNECTIONS, QUIET_TIME, || Ok(()))?;
    let bad = signer.altered(SIZES[1], "2026.11.3")?;
    let load = under_load(address, &EVALUATE, CONNECTIONS, LOAD_TIME, || node.rolled_out(&bad))?;
    node.stop(&runtime);
    told(&load, &quiet, report);
    packs::run(&runtime, folder.path(), &signer, report)?;
    // What an agent does with a pack before it counts.
    verification::run(report)?;
    decisions::pack_alone(report)
}

/// An agent and two bundles between which it goes back and forth, so that every reload changes something.
#[derive(Debug)]
struct Node {
    agent: RunningAgent,
    bundles: [PathBuf; 2],
}

/// Best of five runs.
#[derive(Debug)]
struct Measured {
    reload_ms: f64,
    /// The same when nothing happened for a while.
    rested_ms: f64,
    /// Reading the file and checking its signature, and nothing else.
    bare_ms: f64,
    /// The slowest swap of a run.
    swap_us: f64,
}

impl Node {
    /// An agent that keeps its history on disk, as a real one does.
    fn start(runtime: &Runtime, folder: &Path, signer: &Signer, size: Size) -> Result<Self> {
        let folder = tempfile::tempdir_in(folder)?.keep();
        let versions = ["2026.11.1", "2026.11.2"];
        let bundles =
            versions.map(|version| folder.join(format!("payments-{version}.signed.json")));
        for (path, version) in bundles.iter().zip(versions) {
            fs::write(path, signer.sign(size, version)?)?;
        }
        let mut config = AgentConfig::new(&bundles[0], vec![signer.trust()]);
        config.state_dir = Some(folder.join("state"));
        config.polling = None;
        config.watch = false;
        let agent = runtime.block_on(Agent::start(config))?;
        ensure!(agent.loaded_at().is_some(), "the agent takes the bundle it starts with");
        Ok(Self { agent, bundles })
    }

    fn stop(self, runtime: &Runtime) {
        runtime.block_on(self.agent.shutdown());
    }

    fn measured(&self, signer: &Signer, size: Size) -> Result<Measured> {
        let mut connection = Connection::open(self.agent.address())?;
        let (mut reloads, mut rested) = (Vec::new(), Vec::new());
        let (mut bare, mut swaps) = (Vec::new(), Vec::new());
        self.reload(&mut connection, 1, size.policies)?;
        for _ in 0..RUNS {
            let (took, swap) = self.reloads(&mut connection, size, Duration::ZERO)?;
            rested.push(self.reloads(&mut connection, size, REST)?.0);
            reloads.push(took);
            swaps.push(swap.as_secs_f64() * 1e6);
            bare.push(self.bare(signer, size)?);
        }
        Ok(Measured {
            reload_ms: best(&reloads),
            rested_ms: best(&rested),
            bare_ms: best(&bare),
            swap_us: best(&swaps),
        })
    }

    /// The median time of the reloads of one run, and its slowest swap.
    fn reloads(
        &self,
        connection: &mut Connection,
        size: Size,
        rest: Duration,
    ) -> Result<(f64, Duration)> {
        let (mut took, mut slowest) = (Vec::new(), Duration::ZERO);
        for round in 0..size.reloads {
            if !rest.is_zero() {
                thread::sleep(rest);
            }
            took.push(self.reload(connection, round, size.policies)?);
            slowest = slowest.max(self.agent.last_swap());
        }
        Ok((median_ms(took), slowest))
    }

    /// From the first byte of the request to the last of the answer.
    fn reload(
        &self,
        connection: &mut Connection,
        round: usize,
        policies: usize,
    ) -> Result<Duration> {
        let path = &self.bundles[round % 2];
        let body = json!({ "bundle_path": path }).to_string();
        let began = Instant::now();
        let answer = connection.post("/reload", &body)?;
        let took = began.elapsed();
        let said: Value = serde_json::from_slice(&answer.body).context("the answer to a reload")?;
        ensure!(
            answer.status == 200 && said["success"] == true && said["policies_loaded"] == policies,
            "a reload was answered with {}: {said}",
            answer.status
        );
        Ok(took)
    }

    /// What no reload can do without, on one thread.
    fn bare(&self, signer: &Signer, size: Size) -> Result<f64> {
        let mut took = Vec::new();
        for round in 0..size.reloads {
            let began = Instant::now();
            let bytes = fs::read(&self.bundles[round % 2])?;
            let verdict = verify_signed_json_bytes(&bytes, signer.keys())?;
            took.push(began.elapsed());
            ensure!(verdict.is_trusted(), "the bundle is signed by a trusted key");
        }
        Ok(median_ms(took))
    }

    fn rolled_out(&self, bad: &[u8]) -> Result<()> {
        let refused = self.bundles[0].with_file_name("payments-altered.signed.json");
        fs::write(&refused, bad)?;
        let body = json!({ "bundle_path": refused }).to_string();
        let mut connection = Connection::open(self.agent.address())?;
        for round in 0..RELOADS_UNDER_LOAD {
            if round % BAD_ONE_IN == 0 {
                let answer = connection.post("/reload", &body)?;
                ensure!(
                    answer.status >= 400,
                    "an altered bundle is answered with {}",
                    answer.status
                );
            } else {
                self.reload(&mut connection, round, SIZES[1].policies)?;
            }
            thread::sleep(BETWEEN_RELOADS);
        }
        Ok(())
    }
}

impl Measured {
    /// The field's figure was measured on the machine of the limits, so it is scaled as a limit is.
    fn told(&self, report: &mut Report, size: Size) {
        let name = format!("agent: reload of {}, {} policies", size.name, size.policies);
        let peers = [
            ("the field's, scaled,", size.field_ms * report.scale()),
            ("read and verify alone", self.bare_ms),
        ];
        match size.times_faster {
            Some(times) => report.beside(&name, self.reload_ms, "ms", &peers, times),
            None => report.compared(&name, self.reload_ms, "ms", &peers),
        }
        if size.policies == SIZES[SIZES.len() - 1].policies {
            report.timed(&format!("{name}: disk to live"), self.reload_ms, "ms", LARGEST_MS);
        }
        report.shown(&format!("{name}: after a rest"), self.rested_ms, "ms");
    }
}

fn median_ms(mut took: Vec<Duration>) -> f64 {
    took.sort();
    took[took.len() / 2].as_secs_f64() * 1e3
}

fn told(load: &Load, quiet: &Load, report: &mut Report) {
    let bad = RELOADS_UNDER_LOAD / BAD_ONE_IN;
    let name = format!("agent: {RELOADS_UNDER_LOAD} reloads, {bad} bad, under {}", load.by);
    report.shown(&format!("{name}: requests"), load.requests as f64, "");
    report.shown(&format!("{name}: requests a second"), load.requests as f64 / load.seconds, "");
    report.counted(&format!("{name}: failed"), load.failed as f64, "", 0.0);
    let without = [("without reloads", quiet.p99_ms)];
    report.compared(&format!("{name}: 99th percentile"), load.p99_ms, "ms", &without);
    let times = load.p99_ms / quiet.p99_ms;
    report.counted(&format!("{name}: times that without"), times, "times", P99_TIMES);
}
