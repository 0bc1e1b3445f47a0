//! `/v1/agent/...`.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Node, World, steady};

async fn started(world: &World) -> Node {
    world.sign("policies.signed.json", "2.0.0", &["deny", "allow"]);
    Node::start(world.config()).await
}

#[tokio::test]
async fn status_tells_everything_a_sweep_needs() {
    let world = World::new();
    let node = started(&world).await;
    node.post("/reload", "").await;
    let mut status = node.get("/v1/agent/status").await.json();
    let _: plumb_wire::v1::Status = serde_json::from_value(status.clone()).expect("the contract");
    for check in status["bundle"]["signature"]["checks"].as_array_mut().expect("checks") {
        if check["name"] == "content hash" {
            check["detail"] = json!("[sha256]");
        }
    }
    status["bundle"]["bytes"] = Value::Null;
    status["uptime_s"] = Value::Null;
    assert_snapshot!("status", world.redact(&steady(&status.to_string())));
    let short = node.get("/v1/agent/status?policies=false").await.json();
    assert_eq!(short["policies"], json!([]));
    assert_eq!(node.get("/v1/agent/status?polices=false").await.status, 400);
}

#[tokio::test]
async fn policies_carry_the_text_their_digest_is_of() {
    let world = World::new();
    let node = started(&world).await;
    let answer = node.get("/v1/agent/policies").await.json();
    let answer: plumb_wire::v1::Policies = serde_json::from_value(answer).expect("the contract");
    assert_eq!(answer.policies.len(), 2);
    for policy in &answer.policies {
        let digest = plumb_fleet::Digest::of(policy.text.as_bytes());
        assert_eq!(policy.digest, digest.to_hex());
    }
}

#[tokio::test]
async fn settings_are_checked_kept_and_shown() {
    let world = World::new();
    let node = started(&world).await;
    let put = async |node: &Node, key: &str, value: Value| {
        let body = json!({ "key": key, "value": value }).to_string();
        node.ask(Method::PUT, "/v1/agent/config", Some(&body), &[]).await.status.as_u16()
    };
    assert_eq!(put(&node, "bundle.polling.min_delay_seconds", json!(10)).await, 200);
    assert_eq!(put(&node, "bundle.polling.max_delay_seconds", json!(30)).await, 200);
    assert_eq!(put(&node, "deployment.locking", json!(true)).await, 200);
    for (key, value) in [
        ("bundle.polling.min_delay_seconds", json!(31)),
        ("bundle.polling.min_delay_seconds", json!(0)),
        ("bundle.polling.max_delay_seconds", json!(1_000_000)),
        ("bundle.polling.max_delay_seconds", json!("soon")),
        ("deployment.locking", json!(1)),
        ("deployment.speed", json!(1)),
    ] {
        assert_eq!(put(&node, key, value.clone()).await, 400, "{key} {value}");
    }
    let before = node.get("/v1/agent/config").await.text;
    assert_snapshot!("config", steady(&before));
    node.agent.shutdown().await;
    let node = Node::start(world.config()).await;
    assert_eq!(node.get("/v1/agent/config").await.text, before);
}

#[tokio::test]
async fn pin_and_sync_bring_exactly_that_bundle() {
    let world = World::new();
    let node = started(&world).await;
    world.sign("other.signed.json", "2.0.0", &["allow"]);
    let wanted = node.get("/v1/agent/bundles").await.json();
    let wanted = wanted["bundles"].as_array().expect("a list").iter();
    let other = wanted
        .clone()
        .find(|b| b["path"].as_str().is_some_and(|p| p.ends_with("other.signed.json")));
    let content = other.expect("listed")["content"].clone();
    let sync = async || node.post("/v1/agent/sync", "").await;

    node.post("/v1/agent/pin", r#"{"version":"2.0.0"}"#).await;
    let ambiguous = sync().await;
    assert_eq!(ambiguous.status, 409, "{}", ambiguous.text);
    assert_eq!(ambiguous.json()["type"], "urn:plumbline:agent:ambiguous-bundle");

    let pin = json!({ "version": "2.0.0", "content": content }).to_string();
    let pinned = node.post("/v1/agent/pin", &pin).await.json();
    assert_eq!(pinned["previous"]["version"], "2.0.0");
    let synced = sync().await.json();
    assert_eq!((&synced["changed"], &synced["content"]), (&json!(true), &content));
    assert_eq!(sync().await.json()["changed"], false);
    assert_eq!(node.post("/v1/agent/sync", r#"{"force":true}"#).await.json()["changed"], true);
    // A reload out of habit keeps to the pin.
    node.post("/reload", "{}").await;
    assert_eq!(node.get("/v1/agent/status").await.json()["content"], content);

    node.post("/v1/agent/pin", r#"{"version":"7.7.7"}"#).await;
    let missing = sync().await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["type"], "urn:plumbline:agent:no-such-bundle");
    assert_eq!(
        node.ask(Method::DELETE, "/v1/agent/pin", None, &[]).await.json()["pinned"],
        Value::Null
    );
    sync().await;
    assert_ne!(node.get("/v1/agent/status").await.json()["content"], content);
    for bad in
        [r#"{"version":""}"#, r#"{"version":"1","digest":"xyz"}"#, r#"{"version":"1","to":2}"#]
    {
        assert_eq!(node.post("/v1/agent/pin", bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn sync_confirms_what_is_in_force() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    set("2026-11-21T05:40:00Z");
    let confirmed =
        async || node.get("/v1/agent/status").await.json()["bundle"]["confirmed_at"].clone();
    assert_eq!(confirmed().await, "2026-11-21T05:00:00Z");
    let synced = node.post("/v1/agent/sync", "").await.json();
    assert_eq!(synced["changed"], false);
    assert_eq!(confirmed().await, "2026-11-21T05:40:00Z");
    assert_eq!(synced["loaded_at"], "2026-11-21T05:00:00Z");
}

/// R293.
#[tokio::test]
async fn rollback_returns_to_what_ran_before_even_when_its_file_is_gone() {
    let world = World::new();
    let node = started(&world).await;
    let first = node.get("/v1/agent/status").await.json()["content"].clone();
    assert_eq!(node.post("/v1/agent/rollback", "").await.status, 404);
    // The store gets its copy behind the answer.
    let store = world.state_dir().join("bundles");
    node.until("/v1/agent/status", |_| {
        std::fs::read_dir(&store).is_ok_and(|mut entries| {
            entries
                .any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".signed.json")))
        })
    })
    .await;
    world.sign("policies.signed.json", "3.0.0", &["allow"]);
    node.post("/reload", "").await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["last_known_good"]["version"], "2.0.0");
    let back = node.post("/v1/agent/rollback", "").await;
    assert_eq!(back.status, 200, "{}", back.text);
    let back = back.json();
    assert_eq!((&back["content"], &back["pinned"]["version"]), (&first, &json!("2.0.0")));
    let forward = node.post("/v1/agent/rollback", r#"{"to":"3.0.0"}"#).await.json();
    assert_eq!(forward["version"], "3.0.0");
    assert_eq!(node.post("/v1/agent/rollback", r#"{"to":"0.1.0"}"#).await.status, 404);
}

#[tokio::test]
async fn test_requests_are_answered_by_one_set_of_policies() {
    let world = World::new();
    let node = started(&world).await;
    let body = json!({ "requests": [
        { "capability_id": "payments.transfer.eu", "context": { "person_id": "p-1" } },
        { "capability_id": "weather" },
    ]});
    let answer = node.post("/v1/agent/evaluate", &body.to_string()).await;
    assert_snapshot!("evaluate", steady(&answer.text));
    let many = json!({ "requests": vec![json!({ "capability_id": "x" }); 1_001] }).to_string();
    assert_eq!(node.post("/v1/agent/evaluate", &many).await.status, 400);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer() {
    let world = World::new();
    let node = started(&world).await;
    let send = async |key: &str, path: &str, body: &str| {
        node.ask(Method::POST, path, Some(body), &[("idempotency-key", key)]).await
    };
    let first = send("run-1:0", "/v1/agent/sync", r#"{"force":true}"#).await;
    let again = send("run-1:0", "/v1/agent/sync", r#"{"force":true}"#).await;
    assert_eq!(first.text, again.text);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let total = node.get("/reload/stats").await.json()["total_reloads"].clone();
    assert_eq!(total, 1);
    let other = send("run-1:0", "/v1/agent/sync", r#"{"force":false}"#).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["type"]),
        (422, &json!("urn:plumbline:agent:idempotency-key-reused"))
    );
    // Failures are answers too.
    let missing = send("run-1:1", "/v1/agent/rollback", r#"{"to":"0.1.0"}"#).await;
    let missing_again = send("run-1:1", "/v1/agent/rollback", r#"{"to":"0.1.0"}"#).await;
    assert_eq!((missing.status.as_u16(), missing_again.status.as_u16()), (404, 404));
    assert_eq!(missing_again.headers["idempotent-replayed"], "true");
    assert_eq!(send(&"k".repeat(129), "/v1/agent/sync", "").await.status, 400);
}

#[tokio::test]
async fn a_restart_starts_the_clock_again_and_loads_from_disk() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    set("2026-11-21T06:00:00Z");
    assert_eq!(node.get("/v1/agent/status").await.json()["uptime_s"], 3_600);
    world.sign("policies.signed.json", "2.1.0", &["allow"]);
    let restarted = node.post("/v1/agent/restart", "").await.json();
    assert_eq!(restarted["version"], "2.1.0");
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(
        (&status["uptime_s"], &status["started_at"]),
        (&json!(0), &json!("2026-11-21T06:00:00Z"))
    );
}

#[tokio::test]
async fn logs_are_filtered_by_text_level_and_age() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    set("2026-11-21T06:00:00Z");
    node.post("/reload", r#"{"bundle_path":"/nope\nERROR: forged"}"#).await;
    let messages = async |query: &str| {
        let logs = node.get(&format!("/v1/agent/logs{query}")).await.json();
        let lines = logs["lines"].as_array().expect("lines").iter();
        lines.map(|line| line["message"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert!(messages("").await.len() > 1);
    let errors = messages("?level=error").await;
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("/nope\\nERROR: forged"), "{errors:?}");
    assert_eq!(messages("?level=error&max_age_s=60").await, errors);
    assert_eq!(messages("?max_age_s=60").await.len(), 2);
    let newest = messages("?limit=1").await;
    assert!(newest[0].ends_with("the path is outside the bundle roots"), "{newest:?}");
    assert!(messages("?filter=LISTENING").await[0].starts_with("Listening on 127.0.0.1:"));
}
