//! The deployment lock: one run holds it, for as long as its lease lasts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    governed::problem,
    world::{Node, Reply, World},
};

const LOCK: &str = "/v1/agent/lock";
const SYNC: &str = "/v1/agent/sync";
const PLAN: &str = "3f0c9a1e7b5d2846f1a0c3e5b7d9f2041638cafe5d7b9e1f3a5c7d9e0b2f4a68";

async fn ask(node: &Node, run: &str, ttl_s: u32) -> Reply {
    let body = json!({"run": run, "owner": format!("{run}@desk"), "ttl_s": ttl_s}).to_string();
    node.ask(Method::POST, LOCK, Some(&body), &[]).await
}

#[track_caller]
fn granted(reply: &Reply) -> (bool, Value) {
    let answer = reply.json();
    let held = &answer["held"];
    (answer["granted"].as_bool().expect("a flag"), json!([held["run"], held["left_ms"]]))
}

async fn sync(node: &Node, headers: &[(&str, &str)]) -> Reply {
    node.ask(Method::POST, SYNC, Some(r#"{"force":true}"#), headers).await
}

#[tokio::test]
async fn one_run_holds_the_lock_until_it_gives_it_back_or_its_lease_ends() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let (clock, set) = world.clock("2026-03-01T12:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    assert_eq!(node.get(LOCK).await.json()["held"], Value::Null);
    assert_eq!(granted(&ask(&node, "run-1", 30).await), (true, json!(["run-1", 30_000])));
    set("2026-03-01T12:00:20Z");
    assert_eq!(granted(&ask(&node, "run-2", 30).await), (false, json!(["run-1", 10_000])));
    assert_eq!(granted(&ask(&node, "run-1", 30).await), (true, json!(["run-1", 30_000])));
    // Somebody else's does not end by being given back.
    assert_eq!(granted(&ask(&node, "run-2", 0).await), (false, json!(["run-1", 30_000])));
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["guards"]["lock"]["owner"], "run-1@desk");
    set("2026-03-01T12:00:50Z");
    assert_eq!(granted(&ask(&node, "run-2", 30).await), (true, json!(["run-2", 30_000])));
    assert_eq!(granted(&ask(&node, "run-2", 0).await), (false, json!([null, null])));
    assert_eq!(granted(&ask(&node, "run-1", 30).await), (true, json!(["run-1", 30_000])));
}

#[tokio::test]
async fn of_two_who_ask_at_once_one_gets_it() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    let (one, other) = tokio::join!(ask(&node, "run-1", 30), ask(&node, "run-2", 30));
    let both = [granted(&one).0, granted(&other).0];
    assert_eq!(both.iter().filter(|granted| **granted).count(), 1);
}

#[tokio::test]
async fn while_a_run_holds_it_nobody_else_changes_the_node() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    ask(&node, "run-1", 30).await;
    let held = "urn:plumbline:agent:lock-held".to_owned();
    let bare = sync(&node, &[]).await;
    assert_eq!(problem(&bare), (409, held.clone()));
    assert!(bare.text.contains("run-1@desk holds the deployment lock"), "{}", bare.text);
    let other = sync(&node, &[("plumb-plan", PLAN), ("plumb-run", "run-2")]).await;
    assert_eq!(problem(&other), (409, held));
    // What was held back was not let in.
    let own = sync(&node, &[("plumb-plan", PLAN), ("plumb-run", "run-1")]).await;
    assert_eq!(own.status, 200, "{}", own.text);
    ask(&node, "run-1", 0).await;
    assert_eq!(sync(&node, &[]).await.status, 200);
}

#[tokio::test]
async fn a_process_that_starts_again_knows_who_holds_it() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    ask(&node, "run-1", 300).await;
    node.agent.shutdown().await;
    let node = Node::start(world.config()).await;
    assert!(!granted(&ask(&node, "run-2", 30).await).0);
    assert!(granted(&ask(&node, "run-1", 30).await).0);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    for body in [
        json!({"run": "run-1", "owner": "avery", "ttl_s": 301}),
        json!({"run": "", "owner": "avery", "ttl_s": 30}),
        json!({"run": "run 1", "owner": "avery", "ttl_s": 30}),
        json!({"run": "run-1", "owner": "", "ttl_s": 30}),
        json!({"run": "run-1", "owner": "a\nb", "ttl_s": 30}),
        json!({"run": "run-1", "ttl_s": 30}),
    ] {
        let reply = node.ask(Method::POST, LOCK, Some(&body.to_string()), &[]).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let anybody = node.with_token(None);
    assert_eq!(ask(&anybody, "run-1", 30).await.status, 401);
}
