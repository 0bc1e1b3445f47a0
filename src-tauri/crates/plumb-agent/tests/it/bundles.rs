//! Folders that change by themselves.

use std::path::Path;

use serde_json::json;

use crate::world::{Node, World};

fn watching(world: &World) -> plumb_agent::AgentConfig {
    let mut config = world.config();
    config.watch = true;
    config
}

#[tokio::test]
async fn a_changed_default_bundle_is_loaded() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(watching(&world)).await;
    world.sign("policies.signed.json", "2.1.0", &["allow"]);
    let status =
        node.until("/v1/agent/status", |status| status["bundle"]["version"] == "2.1.0").await;
    assert_eq!(status["last_reload"]["trigger"], "watch");
}

#[tokio::test]
async fn a_stranger_in_the_folder_is_refused_once_and_what_runs_stays() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(watching(&world)).await;
    world.sign_by_stranger("policies.signed.json", "3.0.0");
    let status = node.until("/v1/agent/status", |status| status["reloads"]["failed"] == 1).await;
    assert_eq!(status["bundle"]["version"], "2.0.0");
    // Another file changes: the refused one is not refused again.
    world.sign("unrelated.signed.json", "9.0.0", &["allow"]);
    world.sign("policies.signed.json", "3.0.1", &["deny"]);
    let status =
        node.until("/v1/agent/status", |status| status["bundle"]["version"] == "3.0.1").await;
    assert_eq!(status["reloads"]["failed"], 1);
}

#[tokio::test]
async fn a_pinned_bundle_is_loaded_when_it_arrives() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(watching(&world)).await;
    node.post("/v1/agent/pin", r#"{"version":"2.5.0"}"#).await;
    assert_eq!(node.post("/v1/agent/sync", "").await.status, 404);
    std::fs::create_dir(world.bundle_path("incoming")).expect("a folder");
    world.sign("later.signed.json", "2.5.0", &["allow"]);
    node.until("/v1/agent/status", |status| status["bundle"]["version"] == "2.5.0").await;
}

#[tokio::test]
async fn polling_confirms_and_takes_what_is_new() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let mut config = world.config();
    config.polling = Some(plumb_agent::Polling { min_delay_s: 3_600, max_delay_s: 3_600 });
    let node = Node::start(config).await;
    world.sign("policies.signed.json", "2.1.0", &["allow"]);
    let body = |key: &str| json!({ "key": key, "value": 1 }).to_string();
    for key in ["bundle.polling.min_delay_seconds", "bundle.polling.max_delay_seconds"] {
        let put = reqwest::Method::PUT;
        assert_eq!(node.ask(put, "/v1/agent/config", Some(&body(key)), &[]).await.status, 200);
    }
    let status =
        node.until("/v1/agent/status", |status| status["bundle"]["version"] == "2.1.0").await;
    assert_eq!(status["last_reload"]["trigger"], "poll");
    let confirmed = status["bundle"]["confirmed_at"].clone();
    node.until("/v1/agent/status", |status| status["bundle"]["confirmed_at"] != confirmed).await;
}

#[tokio::test]
async fn bundles_below_the_roots_are_listed_with_their_verdict() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    world.sign_by_stranger("strange.signed.json", "3.0.0");
    world.place("notes.json", b"{}");
    let node = Node::start(world.config()).await;
    let found = node.get("/v1/agent/bundles").await.json();
    let bundles = found["bundles"].as_array().expect("a list");
    let lines: Vec<String> = bundles
        .iter()
        .map(|bundle| {
            let path = Path::new(bundle["path"].as_str().expect("a path"));
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            format!("{name} {} {}", bundle["verified"], bundle["version"])
        })
        .collect();
    assert_eq!(lines, ["policies.signed.json true \"2.0.0\"", "strange.signed.json false null"]);
    let reason = bundles[1]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("Bundle verification failed: trusted signature"), "{reason}");
}
