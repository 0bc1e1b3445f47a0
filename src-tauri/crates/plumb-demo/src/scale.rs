//! Many light agents in one process: one copy of each bundle, one client of the registry, and nothing
//! on disk.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use plumb_agent::{Agent, AgentConfig, BundleShare, RunningAgent, fetch::Ended};
use plumb_fleet::{DriftState, NodeApi};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{DemoNode, memory::MemoryDisk, nodes::Fleet, packs::look, policies::Release};

/// Agents that start at once; more only queue for the processor.
const STARTING: usize = 32;
/// One light node in so many has drifted.
const DRIFTED_ONE_IN: u32 = 20;

/// Light agents: which release each runs, and those that run already.
#[derive(Debug)]
pub(crate) struct Light {
    planned: Vec<(Release, DriftState)>,
    share: BundleShare,
    started: Vec<(usize, DriftState, RunningAgent)>,
}

impl Light {
    pub(crate) fn plan(count: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let planned = (0..count).map(|_| match random.random_range(0..DRIFTED_ONE_IN * 2) {
            0 => (Release::Old, DriftState::Behind),
            1 => (Release::Hotfix, DriftState::Diverged),
            _ => (Release::Desired, DriftState::InSync),
        });
        Self { planned: planned.collect(), share: BundleShare::default(), started: Vec::new() }
    }

    /// Publishes a release and starts the agents that run it.
    pub(crate) async fn start(&mut self, fleet: &Fleet<'_>, release: Release) -> Result<()> {
        let planned = self.planned.iter().enumerate();
        let planned: Vec<_> = planned
            .filter(|(_, (wanted, _))| *wanted == release)
            .map(|(index, (_, state))| (index, *state))
            .collect();
        if planned.is_empty() {
            return Ok(());
        }
        fleet.offer(release).await?;
        let config = fleet.light(&self.share)?;
        let started: Vec<_> = stream::iter(planned)
            .map(|(index, state)| {
                let config = config.clone();
                async move {
                    let agent = start_one(config).await.with_context(|| {
                        format!(
                            "light node {index} (each needs a file descriptor: see `ulimit -n`)"
                        )
                    })?;
                    anyhow::Ok((index, state, agent))
                }
            })
            .buffer_unordered(STARTING)
            .try_collect()
            .await?;
        self.started.extend(started);
        Ok(())
    }

    /// Adds the agents to the fleet, behind whatever is in it.
    pub(crate) fn join(mut self, fleet: &mut Fleet<'_>) {
        self.started.sort_by_key(|(index, ..)| *index);
        for (index, state, agent) in self.started {
            let region = if index % 2 == 0 { "eu" } else { "us" };
            fleet.nodes.push(DemoNode {
                id: format!("{region}-edge-{:04}", index + 1),
                api: NodeApi::Agent,
                url: agent.url(),
                state,
                region,
                role: "edge",
                group: "agents",
            });
            fleet.agents.push(agent);
        }
    }
}

/// Starts an agent that keeps its packs in memory, and lets it fetch what is published.
async fn start_one(mut config: AgentConfig) -> Result<RunningAgent> {
    let packs = config.packs.as_mut().context("a light agent runs packs")?;
    packs.disk = Arc::new(MemoryDisk::default());
    let agent = Agent::start(config).await?;
    look(&agent, Ended::Activated).await?;
    Ok(agent)
}
