//! A whole agent with an OPA beside it: what OPA does wrong is seen where a person looks at the agent.

use std::{sync::Arc, time::Duration};

use plumb_agent::{
    PackEngine, PackFetching, ProbeEntry,
    fetch::Activate,
    sidecar::{OpaMode, Sidecar, SidecarConfig},
};
use serde_json::json;

use super::{
    replay::{Fault, Opa},
    setting::{broken, decision, pack, until_decision},
};
use crate::{
    fetch::{
        registry::{Registry, Script},
        world::{ID, KeyVerifier, World},
    },
    packs::faults::assert_fails_for,
    world::Node,
};

/// An agent that runs the first pack by way of an OPA.
struct Beside {
    opa: Opa,
    registry: Registry,
    node: Node,
    _folders: (crate::world::World, World),
}

impl Beside {
    async fn start(mode: OpaMode) -> Self {
        let (bundles, world) = (crate::world::World::new(), World::new());
        let registry = Registry::start(Script::honest(&pack("1", "true", 365))).await;
        let mut opa = Opa::new();
        let mut config = SidecarConfig::new(&opa.url(), ID, world.folder.path()).expect("URL");
        config.mode = mode;
        config.bundle_listen = "127.0.0.1:0".parse().expect("an address");
        config.deadline = Duration::from_secs(10);
        let path = "cos/abac/allow".to_owned();
        config.probes = vec![ProbeEntry { path, input: json!({}), expect: Some(json!(true)) }];
        let sidecar = Sidecar::start(config, Arc::new(|_, _| ())).await.expect("a sidecar");
        if let Some(address) = sidecar.bundle_address() {
            opa.downloads(address, ID);
        }
        opa.start();
        let engine = PackEngine::Beside(Arc::new(sidecar) as Arc<dyn Activate>);
        let fetch = world.config(registry.url());
        let mut config = bundles.config();
        config.packs = Some(PackFetching::new(fetch, KeyVerifier::new(), engine));
        let node = Node::start(config).await;
        node.agent.packs().expect("a fetcher").look().await;
        let beside = Self { opa, registry, node, _folders: (bundles, world) };
        beside.decides_by("1", 365).await;
        beside
    }

    /// OPA decides by the pack with these days, and the agent says so.
    async fn decides_by(&self, version: &str, days: u32) {
        until_decision(&self.opa.url(), "cos/retention/gold", &json!(days)).await;
        assert_eq!(decision(&self.opa.url(), "cos/abac/allow").await, json!(true));
        let status = self.node.get("/v1/agent/status").await.json();
        assert_eq!(status["bundle"]["version"], version, "{status}");
    }

    async fn takes(&self, version: &str, days: u32) {
        self.registry.answer(Script::honest(&pack(version, "true", days)));
        let answer = self.node.post("/reload", "{}").await;
        assert_eq!(answer.json()["version"], version, "{}", answer.text);
        self.decides_by(version, days).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_refuses_keeps_the_former_pack_in_either_way() {
    for mode in OpaMode::ALL {
        let beside = Beside::start(mode).await;
        beside.registry.answer(Script::honest(&broken("2")));
        assert_fails_for(&beside.node, "activation_refused").await;
        beside.decides_by("1", 365).await;
        // Answered otherwise than the probe demands.
        beside.registry.answer(Script::honest(&pack("3", "false", 30)));
        assert_fails_for(&beside.node, "activation_refused").await;
        beside.decides_by("1", 365).await;
        let restarted = beside.node.post("/v1/agent/restart", "{}").await.json();
        assert_eq!(restarted["version"], "1", "{mode}: {restarted}");
        beside.takes("4", 90).await;
        beside.node.agent.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_dies_between_policy_and_data_comes_back_to_the_former_pack() {
    let beside = Beside::start(OpaMode::Put).await;
    beside.opa.fault(Fault::DiesBeforeData);
    beside.registry.answer(Script::honest(&pack("2", "true", 30)));
    assert_fails_for(&beside.node, "activation_refused").await;
    beside.registry.answer(Script::status(500, &[]));
    let status = beside.node.get("/v1/agent/status").await.json();
    assert_eq!(status["bundle"]["version"], "1", "{status}");
    let fallback = &status["fallback"]["reason"];
    assert!(
        fallback.as_str().is_some_and(|why| why.contains("not yet seen to be back")),
        "{fallback}"
    );
    beside.opa.fault(Fault::None);
    beside.opa.start();
    beside.decides_by("1", 365).await;
    beside.takes("3", 31).await;
    beside.node.agent.shutdown().await;
}
