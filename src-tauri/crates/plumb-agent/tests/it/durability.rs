//! What survives a stop, a kill and a damaged disk.

use std::fs;

use plumb_agent::{Agent, AgentError, NoBundle};
use serde_json::{Value, json};

use crate::world::{Node, World};

#[tokio::test]
async fn a_restart_keeps_pin_history_and_counters() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    world.sign("older.signed.json", "1.9.0", &["allow"]);
    let node = Node::start(world.config()).await;
    node.post("/v1/agent/pin", r#"{"version":"1.9.0"}"#).await;
    node.post("/v1/agent/sync", "").await;
    node.post("/reload", "").await;
    let stats = node.get("/reload/stats").await.json();
    let history = node.get("/reload/history").await.text;
    node.agent.shutdown().await;

    let node = Node::start(world.config()).await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(
        (&status["pinned"]["version"], &status["bundle"]["version"]),
        (&json!("1.9.0"), &json!("1.9.0"))
    );
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], stats["total_reloads"]);
    assert_eq!(node.get("/reload/history").await.text, history);
    let full = node.get("/v1/agent/history").await.json();
    let first = &full["entries"].as_array().expect("a list").last().expect("not empty").clone();
    assert_eq!(first["trigger"], "start");
    assert!(first["path"].as_str().is_some_and(|path| path.ends_with("policies.signed.json")));
    assert!(first["digest"].is_string());
}

/// What a machine that loses power right after the answer has on its disk.
#[tokio::test]
async fn a_pin_is_on_disk_before_it_is_answered() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    world.sign("older.signed.json", "1.9.0", &["allow"]);
    let node = Node::start(world.config()).await;
    node.post("/v1/agent/pin", r#"{"version":"1.9.0"}"#).await;
    let copy = world.path().join("after-the-crash");
    fs::create_dir(&copy).expect("a folder");
    let state = "agent-state.json";
    fs::copy(world.state_dir().join(state), copy.join(state)).expect("written");
    let mut config = world.config();
    config.state_dir = Some(copy);
    let node = Node::start(config).await;
    assert_eq!(node.get("/readyz").await.json()["bundle_version"], "1.9.0");
}

#[tokio::test]
async fn a_torn_history_line_costs_only_itself() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(world.config()).await;
    node.post("/reload", "").await;
    node.agent.shutdown().await;
    let path = world.state_dir().join("history.jsonl");
    let mut text = fs::read_to_string(&path).expect("written");
    text.push_str("{\"record\":{\"timest");
    fs::write(&path, text).expect("writable");

    let node = Node::start(world.config()).await;
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], 1);
    node.post("/reload", "").await;
    assert!(node.get("/v1/agent/logs?level=warn").await.text.contains("1 lines of the history"));
    node.agent.shutdown().await;
    let node = Node::start(world.config()).await;
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], 2);
}

#[tokio::test]
async fn a_damaged_state_file_is_set_aside_and_named() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    fs::create_dir_all(world.state_dir()).expect("writable");
    for poison in
        ["{\"format\":1,\"pinned\":7}", "", "\u{0}\u{0}", "{\"format\":99,\"settings\":{}}"]
    {
        fs::write(world.state_dir().join("agent-state.json"), poison).expect("writable");
        let node = Node::start(world.config()).await;
        let logs = node.get("/v1/agent/logs?level=error").await.text;
        assert!(logs.contains("The state file was damaged"), "{poison:?}: {logs}");
        assert!(logs.contains("agent-state.json.damaged-"), "{logs}");
        assert_eq!(node.get("/readyz").await.status, 200);
        node.agent.shutdown().await;
    }
    let kept = fs::read_dir(world.state_dir()).expect("a folder").filter(|entry| {
        entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().contains("damaged"))
    });
    assert!(kept.count() > 0);
}

#[tokio::test]
async fn a_state_folder_has_one_agent() {
    let world = World::new();
    let _node = Node::start(world.config()).await;
    let error = Agent::start(world.config()).await.expect_err("must be refused");
    assert!(matches!(error, AgentError::StateInUse { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_default_falls_back_to_what_ran_before() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(world.config()).await;
    node.agent.shutdown().await;
    world.sign_by_stranger("policies.signed.json", "3.0.0");
    let node = Node::start(world.config()).await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["bundle"]["version"], "2.0.0");
    assert_eq!(status["fallback_active"], true);
    assert_eq!(status["fallback"]["reason"], "Bundle verification failed");
    world.sign("policies.signed.json", "3.0.1", &["deny"]);
    node.post("/v1/agent/sync", "").await;
    assert_eq!(node.get("/v1/agent/status").await.json()["fallback_active"], false);
}

#[tokio::test]
async fn without_a_bundle_requests_are_denied_or_allowed_by_choice() {
    let world = World::new();
    let node = Node::start(world.config()).await;
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (503, &json!(false)));
    assert_eq!(ready.json()["no_bundle"], "deny");
    let ask = r#"{"capability_id":"payments"}"#;
    let denied = node.post("/evaluate", ask).await;
    assert_eq!(
        (denied.status.as_u16(), &denied.json()["type"]),
        (503, &json!("urn:plumbline:agent:no-bundle"))
    );
    assert_eq!(node.get("/v1/agent/status").await.json()["bundle"], Value::Null);
    node.agent.shutdown().await;

    let mut config = world.config();
    config.no_bundle = NoBundle::Allow;
    let node = Node::start(config).await;
    assert_eq!(node.get("/readyz").await.status, 200);
    assert_eq!(node.get("/healthz").await.json()["no_bundle"], "allow");
    assert_eq!(node.post("/evaluate", ask).await.json()["decision"]["allowed"], true);
}
