//! A small real fleet on loopback, signed with throw-away keys, with drift on demand.

mod broken;
mod bundles;
mod fleet_file;
mod keys;
mod memory;
mod nodes;
mod opa;
mod packs;
mod policies;
mod real_opa;
mod scale;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use plumb_agent::RunningAgent;
use plumb_fleet::{ContentDigest, DriftState, NodeApi};

/// How a demo fleet is made.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Keys are kept here between runs; everything else is made anew, so a restart brings back the
    /// drift. The folder is locked while the demo runs.
    pub state_dir: PathBuf,
    /// Decides which of the light nodes have drifted.
    pub seed: u64,
    /// How many of the mixed nodes, from the front of the list.
    pub nodes: usize,
    /// This many light agents more, for load. Each has a listener, so the process needs as many
    /// file descriptors.
    pub scale: usize,
}

/// Nodes of the demo fleet without light ones; a real Open Policy Agent on `PATH` is one more.
pub const NODES: usize = 12;

/// Name of the fleet whose changes a roster can rule, beside `demo`, whose changes nobody approves.
pub const APPROVED: &str = "demo-approved";

impl DemoOptions {
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self { state_dir: state_dir.into(), seed: 1, nodes: NODES, scale: 0 }
    }
}

/// One node as it was set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoNode {
    pub id: String,
    pub api: NodeApi,
    pub url: String,
    /// How a first sweep finds it.
    pub state: DriftState,
    region: &'static str,
    role: &'static str,
    pub(crate) group: &'static str,
}

/// A fleet that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct RunningDemo {
    /// Ready for the console.
    pub fleet_file: PathBuf,
    /// The same nodes as a fleet of another name, [`APPROVED`], for changes that others must approve.
    pub approved_file: PathBuf,
    pub nodes: Vec<DemoNode>,
    /// Content of the bundle every agent and reload node should run.
    pub desired: ContentDigest,
    agents: Vec<RunningAgent>,
    others: Vec<broken::Listening>,
    opa: Option<real_opa::RealOpa>,
    registry: packs::Registry,
    _lock: fs::File,
}

/// Starts the fleet and writes its fleet file, the latter only when every node listens.
#[derive(Debug)]
pub struct DemoFleet;

impl DemoFleet {
    pub async fn start(options: DemoOptions) -> Result<RunningDemo> {
        let lock = prepare(&options.state_dir)?;
        let folder = fs::canonicalize(&options.state_dir).context("the state folder")?;
        let files = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || bundles::make(&folder)).await??
        };
        let registry = packs::Registry::start(&files).await?;
        let mut fleet = nodes::Fleet::new(&files, &registry);
        let mut light = scale::Light::plan(options.scale, options.seed);
        fleet.start_agents(options.nodes, &mut light).await?;
        let opa = match real_opa::program() {
            Some(program) if options.nodes >= NODES => Some(fleet.start_opa(&program).await?),
            _ => None,
        };
        light.join(&mut fleet);
        let nodes::Fleet { nodes, agents, others, .. } = fleet;
        let approved_file = folder.join("approved.toml");
        let text = fleet_file::text(APPROVED, &files, &nodes)?;
        write_whole(&approved_file, &text).context("the fleet file")?;
        let fleet_file = folder.join("fleet.toml");
        let text = fleet_file::text("demo", &files, &nodes)?;
        write_whole(&fleet_file, &text).context("the fleet file")?;
        let desired = files.desired;
        Ok(RunningDemo {
            fleet_file,
            approved_file,
            nodes,
            desired,
            agents,
            others,
            opa,
            registry,
            _lock: lock,
        })
    }
}

impl RunningDemo {
    /// Agents that drifted and know a way back, so many at most.
    pub fn reversible(&self, max: usize) -> Vec<String> {
        let drifted = [DriftState::Behind, DriftState::Ahead, DriftState::Diverged];
        let able = self.nodes.iter().filter(|node| node.api == NodeApi::Agent);
        let able = able.filter(|node| drifted.contains(&node.state)).take(max);
        able.map(|node| node.id.clone()).collect()
    }

    /// Stops every node; requests in flight finish.
    pub async fn shutdown(self) {
        drop((self.others, self.opa));
        futures::future::join_all(self.agents.into_iter().map(RunningAgent::shutdown)).await;
        self.registry.shutdown().await;
    }
}

/// Locks the folder and removes what the last run left, except its keys.
fn prepare(state_dir: &Path) -> Result<fs::File> {
    fs::create_dir_all(state_dir).context("the state folder cannot be made")?;
    let lock = fs::File::create(state_dir.join("demo.lock")).context("the state folder")?;
    lock.try_lock().context("another demo runs with this state folder")?;
    for left in ["nodes", "bundles", "packs"] {
        remove(&state_dir.join(left))?;
    }
    match fs::remove_file(state_dir.join("fleet.toml")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context("the last fleet file cannot be removed")
        }
        _ => Ok(lock),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file so that whoever waits for it never sees half of it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)
}
