//! What an agent keeps in mind about packs: those that were taken back, those a pin holds back, and those it stores.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_agent::NoBundle;
use plumb_fleet::Digest;
use serde_json::{Value, json};

use super::{
    RULE,
    world::{PackWorld, rego, signed},
};
use crate::{fetch::registry::Registry, world::Node};

/// Two values for one rule: an error for some inputs, and none of the probes meets them.
const POISONED: &str = "allow := true if input.odd\nallow := false if input.both";

async fn version(node: &Node) -> Value {
    node.get("/v1/agent/status").await.json()["bundle"]["version"].clone()
}

/// Publishes a poisoned pack after a good one, and has it taken back.
async fn poisoned(world: &PackWorld) -> Node {
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    world.publish(&rego("2", POISONED));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "2");
    let both = json!({ "input": { "odd": true, "both": true } }).to_string();
    for _ in 0..200 {
        node.post("/v1/data/cos/abac/allow", &both).await;
    }
    node.until("/v1/agent/status", |status| status["bundle"]["version"] == "1").await;
    node
}

#[tokio::test]
async fn a_pack_that_was_taken_back_is_not_taken_again_after_a_restart() {
    let world = PackWorld::new().await;
    let node = poisoned(&world).await;
    node.agent.shutdown().await;
    let node = world.start().await;
    assert_eq!(version(&node).await, "1");
    super::faults::assert_fails_for(&node, "taken_back").await;
    let health = node.get("/healthz").await.json();
    let text = health["policy"]["pack"]["last_look"]["text"].as_str().expect("a text");
    assert!(text.contains("decisions since then ended with a server error"), "{text}");
    assert_eq!(version(&node).await, "1");
    world.publish(&rego("3", RULE));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "3");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_start_prefers_what_was_never_taken_back() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    world.publish(&rego("2", POISONED));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "2");
    node.agent.shutdown().await;
    world.close().await;
    let remember = |tar: &[u8]| {
        let path = world.bundles.path().join("packs/taken-back.json");
        let digest = Digest::of(tar).to_hex();
        let entry = json!({ "digest": digest, "reason": "failed", "at": "2026-11-01T00:00:00Z" });
        let text = json!({ "format": 1, "taken_back": [entry] }).to_string();
        std::fs::write(&path, text).expect("writable");
    };
    // As a disk leaves it that took the memory and not the way back.
    remember(&rego("2", POISONED));
    let node = world.start().await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(
        (&status["bundle"]["version"], &status["fallback_active"]),
        (&json!("1"), &json!(true))
    );
    node.agent.shutdown().await;
    // One that failed is better than none.
    std::fs::remove_dir_all(world.bundles.path().join("packs/lkg")).expect("a folder");
    remember(&rego("1", RULE));
    let node = world.start().await;
    assert_eq!(version(&node).await, "1");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_damaged_memory_is_set_aside_and_told() {
    let world = PackWorld::new().await;
    let node = poisoned(&world).await;
    node.agent.shutdown().await;
    let folder = world.bundles.path().join("packs");
    std::fs::write(folder.join("taken-back.json"), b"{").expect("writable");
    let node = world.start().await;
    let logs = node.get("/v1/agent/logs").await.text;
    assert!(logs.contains("Packs that were taken back may come again"), "{logs}");
    let kept = std::fs::read(folder.join("taken-back.damaged.json")).expect("set aside");
    assert_eq!(kept, b"{");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn what_a_pin_holds_back_is_downloaded_once() {
    let world = PackWorld::new().await;
    let registry = Registry::start(world.honest(&rego("1", RULE))).await;
    let node = world.start_at(registry.url()).await;
    let content = node.get("/v1/agent/status").await.json()["content"].clone();
    let pin = json!({ "version": "1", "content": content }).to_string();
    assert_eq!(node.post("/v1/agent/pin", &pin).await.status, 200);
    let offered = rego("2", "allow := true");
    registry.answer(world.honest(&offered));
    let tag = |tar: &[u8]| format!("W/\"sha-256:{}\"", Digest::of(tar));
    for look in 0..4 {
        let look_at = node.post("/v1/agent/sync", "{}").await;
        assert_eq!(look_at.status, 200, "{look}: {}", look_at.text);
        assert_eq!(version(&node).await, "1");
        let health = node.get("/healthz").await.json();
        let last = &health["policy"]["pack"]["last_look"];
        assert_eq!(last["result"], "held_back", "{last}");
        assert!(
            last["text"].as_str().is_some_and(|text| text.contains("is pinned to 1")),
            "{last}"
        );
    }
    let asked: Vec<String> = registry
        .asked()
        .iter()
        .skip(1)
        .map(|headers| headers["if-none-match"].to_str().expect("a text").to_owned())
        .collect();
    // The first look finds it; the others ask whether there is something else.
    assert_eq!(asked[0], tag(&rego("1", RULE)));
    assert!(asked[1..].iter().all(|asked| *asked == tag(&offered)), "{asked:?}");
    // Without the pin it comes at once.
    node.ask(reqwest::Method::DELETE, "/v1/agent/pin", None, &[]).await;
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "2");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn the_listing_tells_the_active_pack_and_the_former_ones() {
    let world = PackWorld::new().await;
    let bundle = world.sign("1.0.0", &["deny"]);
    world.publish(&signed(&bundle));
    let node = world.start().await;
    let first = node.get("/v1/agent/status").await.json();
    world.publish(&rego("2", RULE));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "2");
    let listed = node.get("/v1/agent/bundles").await.json();
    let packs = listed["bundles"].as_array().expect("bundles");
    assert_eq!(packs.len(), 2, "{listed}");
    let [active, former] = &packs[..] else { panic!("two") };
    let path = |pack: &Value| pack["path"].as_str().expect("a path").to_owned();
    assert!(path(active).ends_with("packs/active"), "{active}");
    assert!(path(former).contains("packs/lkg/"), "{former}");
    for pack in packs {
        assert_eq!(pack["verified"], true, "{pack}");
        assert!(pack["key"].as_str().is_some_and(|key| key.contains("certificate")), "{pack}");
    }
    // Whoever has the tar or its digest can judge it without this agent.
    assert_eq!(
        (&active["pack"]["role"], &former["pack"]["role"]),
        (&json!("active"), &json!("lkg"))
    );
    for pack in packs {
        let attestation = pack["pack"]["attestation"].as_str().expect("base64");
        let attestation = STANDARD.decode(attestation).expect("base64");
        let statement: Value = serde_json::from_slice(&attestation).expect("a Sigstore bundle");
        assert!(statement["verificationMaterial"].is_object(), "{statement}");
        let signed = statement["messageSignature"]["messageDigest"]["digest"].as_str();
        let signed = STANDARD.decode(signed.expect("a digest")).expect("base64");
        assert_eq!(pack["pack"]["digest"], json!(hex::encode(signed)));
    }
    assert_eq!((&active["version"], &former["version"]), (&json!("2"), &json!("1.0.0")));
    assert_eq!(former["content"], first["content"]);
    assert_eq!(former["digest"], first["bundle"]["digest"]);
    // A kept file that is damaged is told as that.
    std::fs::write(path(former), b"half").expect("writable");
    let listed = node.get("/v1/agent/bundles").await.json();
    assert!(listed["bundles"][1].get("pack").is_none(), "{listed}");
    let reason = listed["bundles"][1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("is not whole: it is cut short"), "{reason}");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn without_a_pack_documents_are_what_was_chosen_and_say_so() {
    for no_bundle in [NoBundle::Deny, NoBundle::Allow] {
        let world = PackWorld::new().await;
        let (mut config, settings) = world.config();
        config.no_bundle = no_bundle;
        config.packs = Some(world.fetching(&world.url(), settings));
        let node = Node::start(config).await;
        let decision = node.post("/v1/data/cos/abac/allow", "{}").await;
        let other = node.post("/v1/data/cos/limits", "{}").await;
        assert_eq!(other.status, 503, "nobody chose what other documents say");
        if no_bundle == NoBundle::Deny {
            assert_eq!(decision.status, 503);
            assert_eq!(
                decision.json()["type"],
                plumb_wire::v1::problem::NO_BUNDLE,
                "{}",
                decision.text
            );
        } else {
            assert_eq!(decision.status, 200, "{}", decision.text);
            let told = decision.json();
            assert_eq!(
                (&told["result"], &told["warning"]["code"]),
                (&json!(true), &json!("no_bundle"))
            );
        }
        node.agent.shutdown().await;
    }
}
