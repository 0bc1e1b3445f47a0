//! Field-compatible mode: the quirks of the running service, one by one.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::world::{Node, World, steady};

async fn field(world: &World) -> Node {
    world.sign("policies.signed.json", "2.0.0", &["deny", "allow"]);
    Node::start(world.field_config()).await
}

#[tokio::test]
async fn failures_are_details_and_look_alike() {
    let world = World::new();
    let node = field(&world).await;
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    let broken = world.place("broken.signed.json", b"{");
    for path in [strange, broken] {
        let reply = node.post("/reload", &json!({ "bundle_path": path }).to_string()).await;
        assert_eq!(reply.status, 500);
        assert_eq!(reply.text, r#"{"detail":"Failed to load bundle from file"}"#);
    }
    let reply = node.post("/reload", r#"{"bundle_path":"/nope"}"#).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.text, r#"{"detail":"Bundle file not found: /nope"}"#);
}

#[tokio::test]
async fn a_missing_file_is_in_neither_history_nor_counters() {
    let world = World::new();
    let node = field(&world).await;
    assert_eq!(node.get("/reload/history").await.text, r#"{"history":[]}"#);
    node.post("/reload", r#"{"bundle_path":"/nope"}"#).await;
    assert_eq!(node.get("/reload/history").await.text, r#"{"history":[]}"#);
    assert_snapshot!("field_stats_empty", node.get("/reload/stats").await.text);
}

#[tokio::test]
async fn totals_stop_at_ten_and_go_down() {
    let world = World::new();
    let node = field(&world).await;
    for _ in 0..11 {
        node.post("/reload", "{}").await;
    }
    let before = node.get("/reload/stats").await.json();
    assert_eq!((&before["total_reloads"], &before["successful_reloads"]), (&json!(10), &json!(10)));
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    node.post("/reload", &json!({ "bundle_path": strange }).to_string()).await;
    let after = node.get("/reload/stats").await.json();
    assert_eq!((&after["total_reloads"], &after["successful_reloads"]), (&json!(10), &json!(9)));
    assert_snapshot!("field_history_entry", steady(&after["last_reload"].to_string()));
}

#[tokio::test]
async fn a_restart_forgets_the_history() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let mut config = world.field_config();
    config.state_dir = Some(world.state_dir());
    let node = Node::start(config.clone()).await;
    node.post("/reload", "").await;
    node.agent.shutdown().await;
    let node = Node::start(config).await;
    assert_eq!(node.get("/reload/history").await.text, r#"{"history":[]}"#);
}

#[tokio::test]
async fn documents_have_the_fields_shapes() {
    let world = World::new();
    let node = field(&world).await;
    for path in ["/healthz", "/health"] {
        let health = node.get(path).await.json();
        assert_eq!(health, json!({ "status": "ok", "service": "unison-policy" }));
    }
    assert_snapshot!("field_readyz", steady(&node.get("/readyz").await.text));
    assert_snapshot!("field_bundle", steady(&node.get("/bundle").await.text));
    assert_snapshot!("field_rules", steady(&node.get("/rules").await.text));
    let summary = world.redact(&steady(&node.get("/rules/summary").await.text));
    assert_snapshot!("field_rules_summary", summary);
}

#[tokio::test]
async fn metrics_have_three_more_series_and_no_last_line_break() {
    let world = World::new();
    let (clock, _) = world.clock("2026-11-21T05:00:00Z");
    world.sign("policies.signed.json", "2.0.0", &["deny", "allow"]);
    let mut config = world.field_config();
    config.clock = clock;
    let node = Node::start(config).await;
    node.get("/health").await;
    node.get("/rules").await;
    let text = node.get("/metrics").await.text;
    assert!(!text.ends_with('\n'));
    assert_snapshot!("field_metrics", text);
}

#[tokio::test]
async fn rules_are_replaced_under_the_same_version() {
    let world = World::new();
    let node = field(&world).await;
    let before = node.get("/bundle/policies").await.text;
    let decide = async || {
        let body = r#"{"capability_id":"payments.transfer","context":{}}"#;
        node.post("/evaluate", body).await.json()["decision"]["allowed"].clone()
    };
    assert_eq!(decide().await, json!(false));
    let mut rules = node.get("/rules").await.json()["rules"].clone();
    rules[0]["decision"]["action"] = json!("allow");
    let reply = node.post("/rules", &json!({ "rules": rules }).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, r#"{"ok":true,"rules":2}"#));
    assert_eq!(decide().await, json!(true));
    let after = node.get("/rules").await.json();
    assert_eq!((&after["rules"], &after["policy_version"]), (&rules, &json!("2.0.0")));
    assert_eq!(node.get("/bundle/policies").await.text, before);
    assert_eq!(node.get("/bundle").await.json()["signature_verified"], true);
    // A reload of the same file is the cure.
    node.post("/reload", "").await;
    assert_eq!(decide().await, json!(false));
}

#[tokio::test]
async fn bad_rules_are_refused_in_its_words() {
    let world = World::new();
    let node = field(&world).await;
    for (body, detail) in [
        ("{}", "Invalid or missing 'rules' list"),
        (r#"{"rules":[1]}"#, "Rule 0 is not an object"),
        (r#"{"rules":[{"match":{}}]}"#, "Rule 0 missing 'match' or 'decision'"),
    ] {
        let reply = node.post("/rules", body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["detail"]), (400, &json!(detail)));
    }
}

#[tokio::test]
async fn without_a_bundle_everything_is_allowed_as_version_0_0_0() {
    let world = World::new();
    let node = Node::start(world.field_config()).await;
    let ready = node.get("/readyz").await.json();
    assert_eq!(
        ready,
        json!({ "ready": true, "bundle_version": "0.0.0", "bundle_loaded_at": Value::Null,
                "bundle_age_hours": Value::Null, "bundle_stale": false })
    );
    let bundle = node.get("/bundle").await.json();
    assert_eq!(bundle, json!({ "bundle_loaded": false, "rules_count": 0, "source": "yaml_file" }));
    let decision = node.post("/evaluate", r#"{"capability_id":"x"}"#).await.json();
    assert_eq!(decision["decision"]["reason"], "default-allow");
}

#[tokio::test]
async fn our_own_api_is_absent() {
    let world = World::new();
    let node = field(&world).await;
    for path in ["status", "policies", "config", "logs", "history", "bundles"] {
        assert_eq!(node.get(&format!("/v1/agent/{path}")).await.status, 404, "{path}");
    }
    assert_eq!(node.post("/v1/agent/sync", "").await.status, 404);
}
