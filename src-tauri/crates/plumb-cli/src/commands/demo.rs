//! `demo`: a small real fleet on this machine, and the whole job on it without a window.

mod approvals;
mod headless;

use std::path::PathBuf;

use camino::Utf8PathBuf;
use clap::Args;
use plumb_demo::{DemoFleet, DemoOptions, NODES, RunningDemo};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::shell_word,
        table::{Cell, Table},
    },
};

pub(crate) use approvals::ApprovalsOffer;
pub(crate) use headless::HeadlessDocument;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder for keys and bundles; below the data folder without it
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Do the whole job: sweep, drift, plan, sync, proof of arrival
    #[arg(long)]
    headless: bool,
    /// With `--headless`: seal what was done as evidence in this file, and put the public key beside it
    #[arg(long, value_name = "FILE", requires = "headless")]
    evidence: Option<Utf8PathBuf>,
    /// How many of the twelve mixed nodes
    #[arg(long, value_name = "COUNT", default_value_t = NODES)]
    nodes: usize,
    /// This many light agents more, for load
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    scale: usize,
    /// Decides which of the light agents drift
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// The one line `--json` prints when every node listens.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DemoStarted {
    pub(crate) fleet_file: String,
    pub(crate) nodes: usize,
    pub(crate) desired: String,
    pub(crate) urls: Vec<String>,
    pub(crate) approvals: ApprovalsOffer,
    pub(crate) hub: HubOffer,
}

/// The hub of the demo, and files with tokens for it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HubOffer {
    pub(crate) url: String,
    /// Of somebody who may work on alerts and incidents.
    pub(crate) oncall_token_file: String,
    /// Of a monitor, which may tell alerts.
    pub(crate) monitor_token_file: String,
}

impl Demo {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        // The signals are ours from the first moment, so that an early one stops cleanly, too.
        let stop = stop_signal()?;
        let folder = match (&self.state_dir, self.headless) {
            (Some(folder), _) => folder.clone(),
            (None, true) => return self.headless_in_scratch(session).await,
            (None, false) => session.data_dir()?.join("demo").into_std_path_buf(),
        };
        if self.headless {
            return headless::run(session.out, self.options(folder), self.evidence.as_deref())
                .await;
        }
        let demo = DemoFleet::start(self.options(folder)).await?;
        let offer = approvals::prepare(&demo).await?;
        announce(session.out, &demo, offer);
        stop.await;
        session.out.note("stopping the demo fleet");
        demo.shutdown().await;
        Ok(Exit::Fine)
    }

    /// A folder that goes when the job is done.
    async fn headless_in_scratch(&self, session: Session<'_>) -> Outcome {
        let folder = tempfile::Builder::new().prefix("plumb-demo-").tempdir().map_err(|error| {
            Failure::internal(
                format!("no folder for the demo: {error}"),
                "give one with --state-dir",
            )
        })?;
        headless::run(session.out, self.options(folder.path().to_owned()), self.evidence.as_deref())
            .await
    }

    fn options(&self, folder: PathBuf) -> DemoOptions {
        let mut options = DemoOptions::new(folder);
        options.nodes = self.nodes;
        options.scale = self.scale;
        options.seed = self.seed;
        options
    }
}

fn announce(out: &Output, demo: &RunningDemo, offer: ApprovalsOffer) {
    let fleet_file = demo.fleet_file.display().to_string();
    if out.json {
        out.document_line(&DemoStarted {
            fleet_file,
            nodes: demo.nodes.len(),
            desired: demo.desired.to_string(),
            urls: demo.nodes.iter().map(|node| node.url.clone()).collect(),
            approvals: offer,
            hub: HubOffer {
                url: demo.hub.url(),
                oncall_token_file: demo.hub.oncall_token().display().to_string(),
                monitor_token_file: demo.hub.monitor_token().display().to_string(),
            },
        });
        return;
    }
    out.say(format!("{} nodes listen on loopback", demo.nodes.len()));
    let mut table = Table::new(&["node", "api", "url", "made to be"]);
    for node in demo.nodes.iter().take(NODES) {
        table.row([
            Cell::from(&node.id),
            Cell::from(node.api.name()),
            Cell::from(&node.url),
            Cell::from(node.state.name()),
        ]);
    }
    table.print(out);
    out.say("");
    out.say("In another terminal:");
    let file = shell_word(&fleet_file);
    out.say(format!("  plumb --fleet-file {file} policy version diff --all-instances"));
    out.say(format!("  plumb --fleet-file {file} policy sync --drifted"));
    out.say("A rollout in waves, with a gate that asks you; it prints how to run it:");
    out.say(format!(
        "  plumb --fleet-file {file} plan sync --drifted --canary --shares 50 \
         --gate-attest 'the canary answers as it should'"
    ));
    out.say("");
    offer.lines().iter().for_each(|line| out.say(line));
    out.say("The hub of a team:");
    let token = shell_word(&demo.hub.oncall_token().display().to_string());
    let url = demo.hub.url();
    out.say(format!("  plumb alerts dashboard --hub {url} --hub-token-file {token}"));
    out.say("Ctrl-C stops it.");
}

/// Resolves at the first SIGINT or SIGTERM; both are heard from this call on.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::internal(format!("signals cannot be heard: {error}"), "try again")
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
