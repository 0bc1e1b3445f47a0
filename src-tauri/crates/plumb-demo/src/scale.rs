//! Many light agents in one process: one copy of each bundle, nothing on disk, no watching.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use plumb_agent::{Agent, BundleShare};
use plumb_fleet::{DriftState, NodeApi};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{DemoNode, nodes::Fleet, policies::Release};

/// Agents that start at once; more only queue for the disk.
const STARTING: usize = 32;
/// One light node in so many has drifted.
const DRIFTED_ONE_IN: u32 = 20;

/// Starts the light nodes.
pub(crate) async fn start(fleet: &mut Fleet<'_>, count: usize, seed: u64) -> Result<()> {
    let share = BundleShare::default();
    let mut random = StdRng::seed_from_u64(seed);
    let plans: Vec<_> = (0..count)
        .map(|index| {
            let (release, state) = match random.random_range(0..DRIFTED_ONE_IN * 2) {
                0 => (Release::Old, DriftState::Behind),
                1 => (Release::Hotfix, DriftState::Diverged),
                _ => (Release::Desired, DriftState::InSync),
            };
            let mut config = fleet.light(release);
            config.share = Some(share.clone());
            (index, state, config)
        })
        .collect();
    let mut started: Vec<_> = stream::iter(plans)
        .map(|(index, state, config)| async move {
            let agent = Agent::start(config).await.with_context(|| {
                format!("light node {index} (each needs a file descriptor: see `ulimit -n`)")
            })?;
            anyhow::Ok((index, state, agent))
        })
        .buffer_unordered(STARTING)
        .try_collect()
        .await?;
    started.sort_by_key(|(index, ..)| *index);
    for (index, state, agent) in started {
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
    Ok(())
}
