//! An agent that fetches packs beside everything else it does.

use std::sync::Arc;

use plumb_agent::{Agent, AgentConfig, AgentError, PackEngine, PackFetching, fetch::Activate};
use plumb_fleet::Digest;

use crate::{
    fetch::{
        registry::{Registry, Script},
        world::{KeyVerifier, World, tar, until},
    },
    world::Node,
};

fn with_packs(bundles: &crate::world::World, world: &World, registry: &Registry) -> AgentConfig {
    let mut config = bundles.config();
    let engine = PackEngine::Beside(Arc::clone(&world.engine) as Arc<dyn Activate>);
    config.packs =
        Some(PackFetching::new(world.config(registry.url()), KeyVerifier::new(), engine));
    config
}

#[tokio::test]
async fn an_agent_fetches_packs_and_says_so_in_its_log() {
    let (bundles, world) = (crate::world::World::new(), World::new());
    let registry = Registry::start(Script::honest(&tar("true"))).await;
    let config = with_packs(&bundles, &world, &registry);
    let mut node = Node::start(config.clone()).await;
    let packs = node.agent.packs().expect("a fetcher");
    let good = Digest::of(&tar("true"));
    until(packs, |s| s.active.as_ref().is_some_and(|active| active.digest == good)).await;
    assert_eq!(world.engine.answers_by(), Some(good));
    assert!(node.agent.pack_alerts().is_some() && node.agent.pack_alerts().is_none());
    let logs = node.get("/v1/agent/logs").await.text;
    assert!(logs.contains("Hot-reload successful: vtrue ("), "{logs}");
    // A second agent on the folder is refused, and holds nothing of its own afterwards.
    let others = crate::world::World::new();
    let mut second = config.clone();
    second.state_dir = Some(others.state_dir());
    let refused = Agent::start(second.clone()).await.expect_err("the folder is taken");
    assert!(matches!(refused, AgentError::Packs(_)), "{refused}");
    node.agent.shutdown().await;
    Agent::start(second).await.expect("everything is free again").shutdown().await;
    Agent::start(config).await.expect("and here").shutdown().await;
}

#[tokio::test]
async fn settings_that_expose_a_secret_are_refused_before_anything_starts() {
    let (bundles, world) = (crate::world::World::new(), World::new());
    let registry = Registry::start(Script::honest(&tar("true"))).await;
    let mut config = with_packs(&bundles, &world, &registry);
    let packs = config.packs.as_mut().expect("set");
    packs.config.ca = Some(bundles.path().join("missing.pem"));
    let refused = Agent::start(config).await.expect_err("a CA without TLS");
    assert!(refused.to_string().contains("needs https://"), "{refused}");
    assert!(!bundles.state_dir().exists());
}
