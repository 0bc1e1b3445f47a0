//! A plan runs once: the first run of it is let in, and no other, also after a restart.

use reqwest::Method;
use serde_json::Value;

use crate::world::{Node, Reply, World};

const PLAN: &str = "3f0c9a1e7b5d2846f1a0c3e5b7d9f2041638cafe5d7b9e1f3a5c7d9e0b2f4a68";

async fn sync(node: &Node, plan: &str, run: &str, key: &str) -> Reply {
    let headers = [("plumb-plan", plan), ("plumb-run", run), ("idempotency-key", key)];
    node.ask(Method::POST, "/v1/agent/sync", Some(r#"{"force":true}"#), &headers).await
}

async fn reloads(node: &Node) -> Value {
    node.get("/v1/agent/status").await.json()["reloads"]["total"].clone()
}

async fn started(world: &World) -> Node {
    let mut config = world.config();
    config.state_dir = Some(world.state_dir());
    Node::start(config).await
}

#[tokio::test]
async fn a_second_run_of_a_plan_is_refused_and_changes_nothing() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = started(&world).await;
    assert_eq!(sync(&node, PLAN, "run-1", "run-1/0").await.status, 200);
    assert_eq!(sync(&node, PLAN, "run-1", "run-1/1").await.status, 200, "another step of the run");
    let before = reloads(&node).await;
    assert_eq!(sync(&node, PLAN, "run-1", "run-1/1").await.status, 200, "told once more");
    assert_eq!(reloads(&node).await, before, "a repeated request has its former answer");
    let refused = sync(&node, PLAN, "run-2", "run-2/0").await;
    assert_eq!(refused.status, 409);
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:plumbline:agent:plan-already-ran");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("as run run-1") && detail.contains("nothing was changed"), "{detail}");
    assert_eq!(reloads(&node).await, before);
    let other = PLAN.replace('3', "4");
    assert_eq!(sync(&node, &other, "run-2", "run-2/1").await.status, 200, "another plan");
}

#[tokio::test]
async fn what_ran_is_known_after_a_restart() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = started(&world).await;
    assert_eq!(sync(&node, PLAN, "run-1", "run-1/0").await.status, 200);
    node.agent.shutdown().await;
    let node = started(&world).await;
    assert_eq!(sync(&node, PLAN, "run-2", "run-2/0").await.status, 409);
    assert_eq!(sync(&node, PLAN, "run-1", "run-1/1").await.status, 200, "the run goes on");
}

#[tokio::test]
async fn of_two_runs_that_begin_at_once_one_is_let_in() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = started(&world).await;
    let (one, other) =
        tokio::join!(sync(&node, PLAN, "run-1", "run-1/0"), sync(&node, PLAN, "run-2", "run-2/0"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn where_it_cannot_be_kept_nothing_is_changed() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = started(&world).await;
    let before = reloads(&node).await;
    // A folder stands where the file is to be written.
    std::fs::create_dir(world.state_dir().join("agent-plans.json.new")).expect("a folder");
    let refused = sync(&node, PLAN, "run-1", "run-1/0").await;
    assert_eq!(refused.status, 500);
    assert_eq!(refused.json()["type"], "urn:plumbline:agent:state-not-written");
    assert_eq!(reloads(&node).await, before);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_told() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    std::fs::create_dir_all(world.state_dir()).expect("a folder");
    std::fs::write(world.state_dir().join("agent-plans.json"), "{\"format\":1").expect("a file");
    let node = started(&world).await;
    let logs = node.get("/v1/agent/logs?filter=set%20aside").await.json();
    let line = logs["lines"][0]["message"].as_str().expect("a line").to_owned();
    assert!(line.contains("they could run here once more"), "{line}");
    let mut names = std::fs::read_dir(world.state_dir()).expect("a folder").flatten();
    assert!(names.any(|entry| entry.file_name().to_string_lossy().contains("damaged")));
}

#[tokio::test]
async fn half_a_step_is_refused() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = started(&world).await;
    for headers in [
        vec![("plumb-plan", PLAN)],
        vec![("plumb-run", "run-1")],
        vec![("plumb-plan", "abc"), ("plumb-run", "run-1")],
        vec![("plumb-plan", PLAN), ("plumb-run", "")],
    ] {
        let answer = node.ask(Method::POST, "/reload", Some("{}"), &headers).await;
        assert_eq!(answer.status, 400, "{headers:?}");
    }
}
