//! Folders that change by themselves.

use std::path::Path;

use serde_json::{Value, json};

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

/// What an agent answers when it is told to load a path.
async fn told(node: &Node, path: &Path) -> (u16, Value) {
    let reply = node.post("/reload", &json!({ "bundle_path": path }).to_string()).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn an_expired_bundle_is_refused_by_name_and_the_one_in_force_stays() {
    let world = World::new();
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let next = world.sign_until("next.signed.json", "2.0.0", "2026-11-21T06:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    let body = json!({ "bundle_path": next }).to_string();
    assert_eq!(node.post("/bundle/verify", &body).await.json()["valid"], json!(true));
    set("2026-11-21T06:00:00Z");
    let expired = "Bundle expired at 2026-11-21T06:00:00Z, it is 2026-11-21T06:00:00Z";
    let (status, answer) = told(&node, &next).await;
    assert_eq!(
        (status, &answer["error"], &answer["version"]),
        (500, &json!(expired), &json!("1.0.0"))
    );
    let verdict = node.post("/bundle/verify", &body).await.json();
    assert_eq!(verdict, json!({ "valid": false, "error": expired }));
    let history = node.get("/reload/history").await.json();
    assert_eq!(history["history"][0]["error"], json!(expired));
    assert_eq!(node.get("/bundle").await.json()["version"], json!("1.0.0"));
    // It can still be found and named, and says why it is refused.
    let pin = node.post("/v1/agent/pin", r#"{"version":"2.0.0"}"#).await;
    assert_eq!(pin.status, 200, "{}", pin.text);
    let sync = node.post("/v1/agent/sync", "{}").await;
    assert!(sync.status.is_client_error() && sync.text.contains(expired), "{}", sync.text);
    assert_eq!(node.get("/bundle").await.json()["version"], json!("1.0.0"));
}

#[tokio::test]
async fn a_bundle_that_expires_in_force_stays_until_the_next_start() {
    let world = World::new();
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    world.sign_until("policies.signed.json", "2.0.0", "2026-11-21T06:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    set("2026-11-21T07:00:00Z");
    assert_eq!(node.post("/v1/agent/sync", "{}").await.status, 200, "it is the one in force");
    assert_eq!(node.get("/bundle").await.json()["version"], json!("2.0.0"));
    node.post("/v1/agent/restart", "{}").await;
    assert_eq!(node.get("/bundle").await.json()["bundle_loaded"], json!(false));
}

#[tokio::test]
async fn the_fields_service_takes_an_expired_bundle() {
    let world = World::new();
    let path = world.sign_until("policies.signed.json", "2.0.0", "2020-01-01T00:00:00Z");
    let node = Node::start(world.field_config()).await.with_token(None);
    assert_eq!(node.reload(&path).await["version"], json!("2.0.0"));
}
