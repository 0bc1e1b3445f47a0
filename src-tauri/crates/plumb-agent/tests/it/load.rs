//! Reloads under load: no request fails, none sees a mixture.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::world::{Node, World};

const RELOADS: usize = 100;
const ASKING: usize = 8;

/// Every policy of a version has one effect, so that a mixture would show.
/// R223, R224, R227, R286, R292.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_reloads_drop_no_request_and_mix_nothing() {
    let world = World::new();
    let denying = world.sign("policies.signed.json", "1.0.0", &["deny"; 4]);
    let allowing = world.sign("allowing.signed.json", "2.0.0", &["allow"; 4]);
    let node = Node::start(world.config()).await;
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let url = format!("{}/v1/agent/evaluate", node.agent.url());
    let body = json!({ "requests": [
        { "capability_id": "payments.transfer" }, { "capability_id": "ledger.export" },
        { "capability_id": "payments" }, { "capability_id": "reports.read" },
    ]})
    .to_string();
    let asking: Vec<_> = (0..ASKING)
        .map(|_| {
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            let (url, body) = (url.clone(), body.clone());
            tokio::spawn(async move {
                let client = Client::new();
                while !done.load(Ordering::Acquire) {
                    let reply = client.post(&url).body(body.clone()).send().await;
                    let reply = reply.expect("no connection is dropped");
                    assert_eq!(reply.status(), 200);
                    check(&reply.json().await.expect("JSON"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..RELOADS {
        let path = if round % 2 == 0 { &allowing } else { &denying };
        assert_eq!(node.reload(path).await["success"], true);
    }
    done.store(true, Ordering::Release);
    for task in asking {
        task.await.expect("no request failed");
    }
    assert!(answered.load(Ordering::Relaxed) >= ASKING);
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], RELOADS);
}

/// R225, R285: by the fastest of several, which a busy machine does not slow down.
#[tokio::test]
async fn a_reload_is_as_short_as_documented_and_its_swap_holds_nobody_up() {
    let world = World::new();
    let first = world.sign("policies.signed.json", "1.0.0", &["deny"; 4]);
    let second = world.sign("second.signed.json", "2.0.0", &["allow"; 4]);
    let node = Node::start(world.config()).await;
    let (mut reload_ms, mut swap) = (f64::MAX, Duration::MAX);
    for round in 0..20 {
        let path = if round % 2 == 0 { &second } else { &first };
        let took_ms = node.reload(path).await["duration_ms"].as_f64().expect("a duration");
        reload_ms = reload_ms.min(took_ms);
        swap = swap.min(node.agent.last_swap());
    }
    assert!(reload_ms < 100.0, "{reload_ms} ms");
    assert!(swap < Duration::from_millis(1), "{swap:?}");
    node.agent.shutdown().await;
}

#[track_caller]
fn check(answer: &Value) {
    let allowed = answer["policy_version"] == "2.0.0";
    let results = answer["results"].as_array().expect("a list");
    assert_eq!(results.len(), 4);
    for result in results {
        assert_eq!(result["decision"]["allowed"], allowed, "{answer}");
    }
}

/// R217, R227.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_queue_and_locking_refuses_instead() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["deny"]);
    let node = Arc::new(Node::start(world.config()).await);
    let reloads = |count: usize| {
        let tasks = (0..count).map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { node.post("/reload", "").await.status.as_u16() })
        });
        tasks.collect::<Vec<_>>()
    };
    for task in reloads(20) {
        assert_eq!(task.await.expect("answers"), 200);
    }
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], 20);
    let lock = r#"{"key":"deployment.locking","value":true}"#;
    node.ask(Method::PUT, "/v1/agent/config", Some(lock), &[]).await;
    let mut done = 0;
    for task in reloads(20) {
        match task.await.expect("answers") {
            200 => done += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert!(done >= 1);
    assert_eq!(node.get("/reload/stats").await.json()["total_reloads"], 20 + done);
}
