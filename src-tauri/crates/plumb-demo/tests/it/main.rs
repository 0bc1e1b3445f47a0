//! The demo fleet as a console meets it.

use std::{collections::BTreeMap, path::Path};

use plumb_demo::{DemoFleet, DemoNode, DemoOptions, RunningDemo};
use plumb_fleet::{CredentialRef, DriftState, Fleet, NodeApi};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

async fn start(folder: &TempDir) -> RunningDemo {
    DemoFleet::start(DemoOptions::new(folder.path().join("demo"))).await.expect("the demo starts")
}

fn read_fleet(demo: &RunningDemo) -> Fleet {
    let text = std::fs::read_to_string(&demo.fleet_file).expect("the fleet file is written");
    Fleet::parse(&text).expect("the fleet file is valid")
}

fn token(demo: &RunningDemo) -> String {
    let CredentialRef::Command(command) = read_fleet(demo)
        .nodes
        .values()
        .find_map(|node| node.credential.clone())
        .expect("agents have a credential")
    else {
        panic!("the credential is a command");
    };
    assert_eq!(command[0], "cat");
    std::fs::read_to_string(&command[1]).expect("the token can be read")
}

#[track_caller]
fn of<'a>(demo: &'a RunningDemo, id: &str) -> &'a DemoNode {
    demo.nodes.iter().find(|node| node.id == id).expect("the demo has this node")
}

async fn get(url: &str, path: &str) -> Value {
    let response = Client::new().get(format!("{url}{path}")).send().await.expect("answers");
    response.json().await.expect("JSON")
}

async fn post(url: &str, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let request = Client::new().post(format!("{url}{path}")).bearer_auth(token);
    let response = request.body(body.to_string()).send().await.expect("answers");
    (response.status(), response.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_drift_state_that_needs_no_rollout_is_there() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let mut counts = BTreeMap::new();
    // A real Open Policy Agent is one more where the program is on `PATH`.
    for node in demo.nodes.iter().take(plumb_demo::NODES) {
        *counts.entry(node.state.name()).or_insert(0) += 1;
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(state, count)| format!("{state} {count}")).collect();
    assert_eq!(
        counts.join(", "),
        "ahead 1, behind 2, diverged 1, in_sync 3, stale 1, tampered 1, unknown 1, unreachable 2"
    );
    let fleet = read_fleet(&demo);
    assert_eq!(fleet.nodes.len(), demo.nodes.len());
    assert_eq!(fleet.desired.and_then(|desired| desired.content), Some(demo.desired));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_tell_the_drift_they_were_given() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let desired = demo.desired.to_string();
    for node in demo.nodes.iter().filter(|node| node.api == NodeApi::Agent) {
        if node.state == DriftState::Unreachable {
            continue;
        }
        let status = get(&node.url, "/v1/agent/status").await;
        let version = status["bundle"]["version"].as_str().expect("a version");
        let same = status["content"] == json!(desired);
        let expected = match node.state {
            DriftState::Behind => ("1.9.0", false),
            DriftState::Ahead => ("2.1.0-rc1", false),
            DriftState::Diverged => ("2.0.0", false),
            _ => ("2.0.0", true),
        };
        assert_eq!((version, same), expected, "{}", node.id);
    }
    let refused = get(&of(&demo, "us-gw-001").url, "/reload/history").await;
    let error = refused["history"][0]["error"].as_str().expect("an error");
    assert!(error.starts_with("Bundle verification failed: wrong_identity"), "{error}");
    // All of them run attested packs.
    let status = get(&of(&demo, "eu-gw-001").url, "/v1/agent/status").await;
    let checks = status["bundle"]["signature"]["checks"].as_array().expect("checks");
    let made = |name: &str| checks.iter().any(|c| c["name"] == name && c["passed"] == true);
    assert!(made("identity.san") && made("log.inclusion_proof"), "{checks:?}");
    let stale = get(&of(&demo, "us-gw-003").url, "/v1/agent/status").await;
    let moment = |value: &Value| -> jiff::Timestamp {
        value.as_str().expect("a moment").parse().expect("a moment")
    };
    let age = moment(&stale["clock"]) - moment(&stale["bundle"]["confirmed_at"]);
    assert!(age.total(jiff::Unit::Minute).expect("minutes") > 15.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tampered_node_says_the_same_version_over_other_rules() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let (sound, tampered) = (of(&demo, "eu-ledger-001"), of(&demo, "eu-ledger-002"));
    let sound_rules = get(&sound.url, "/rules").await;
    let tampered_rules = get(&tampered.url, "/rules").await;
    assert_eq!(sound_rules["policy_version"], tampered_rules["policy_version"]);
    assert_eq!(sound_rules["count"], tampered_rules["count"]);
    assert_ne!(sound_rules["rules"], tampered_rules["rules"]);
    assert_eq!(
        get(&sound.url, "/bundle/policies").await,
        get(&tampered.url, "/bundle/policies").await
    );
    let absent = Client::new().get(format!("{}/v1/agent/status", sound.url)).send().await;
    assert_eq!(absent.expect("answers").status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reachable_drifted_node_can_be_brought_back() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let token = token(&demo);
    let fleet = read_fleet(&demo);
    for node in demo.nodes.iter().filter(|node| node.state.is_drifted()) {
        let known = &fleet.nodes[&node.id.parse().expect("a name")];
        let bundles = known.bundle_folder.as_deref().expect("a bundle folder");
        let path = Path::new(bundles).join("payments-2.0.0.signed.json");
        let (verified, answer) =
            post(&node.url, "/bundle/verify", &token, &json!({ "bundle_path": path })).await;
        assert_eq!((verified, &answer["valid"]), (StatusCode::OK, &json!(true)), "{answer}");
        if node.api == NodeApi::Reload {
            let body = json!({ "bundle_path": path });
            assert_eq!(post(&node.url, "/reload", &token, &body).await.0, StatusCode::OK);
            let rules = get(&node.url, "/rules").await;
            let sound = get(&of(&demo, "eu-ledger-001").url, "/rules").await;
            assert_eq!(rules, sound, "{}", node.id);
            continue;
        }
        let pin = json!({ "version": "2.0.0", "content": demo.desired });
        assert_eq!(post(&node.url, "/v1/agent/pin", &token, &pin).await.0, StatusCode::OK);
        let (synced, answer) = post(&node.url, "/v1/agent/sync", &token, &json!({})).await;
        assert_eq!(synced, StatusCode::OK, "{}: {answer}", node.id);
        let status = get(&node.url, "/v1/agent/status").await;
        assert_eq!(status["content"], json!(demo.desired), "{}", node.id);
        // Confirmed now: the stale node as well.
        let confirmed: jiff::Timestamp =
            status["bundle"]["confirmed_at"].as_str().expect("set").parse().expect("a moment");
        let age = jiff::Timestamp::now().as_second() - confirmed.as_second();
        assert!(age < 60, "{}: confirmed {age} s ago", node.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opa_is_replayed_with_fresh_times() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let status = get(&of(&demo, "eu-authz-001").url, "/v1/status").await;
    let bundle = &status["result"]["bundles"]["authz"];
    assert_eq!(bundle["active_revision"], "rev-1");
    let asked: jiff::Timestamp =
        bundle["last_successful_request"].as_str().expect("set").parse().expect("a moment");
    assert!(jiff::Timestamp::now().as_second() - asked.as_second() < 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_opa_loads_the_signed_bundle_of_the_demo() {
    let on_path = std::env::var_os("PATH").is_some_and(|folders| {
        std::env::split_paths(&folders).any(|folder| folder.join("opa").is_file())
    });
    if !on_path {
        eprintln!(
            "SKIPPED a_real_opa_loads_the_signed_bundle_of_the_demo: there is no `opa` on PATH"
        );
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let opa = of(&demo, "us-authz-001");
    let fleet = read_fleet(&demo);
    let node = fleet.nodes.values().find(|node| node.id.as_str() == opa.id).expect("in the file");
    assert_eq!(node.api, NodeApi::Opa);
    let loaded = async {
        loop {
            let policies = get(&opa.url, "/v1/policies").await;
            let modules = policies["result"].as_array().map_or(0, Vec::len);
            if modules > 0 {
                return policies;
            }
            tokio::task::yield_now().await;
        }
    };
    let policies =
        tokio::time::timeout(std::time::Duration::from_secs(20), loaded).await.expect("in time");
    let raw = policies["result"][0]["raw"].as_str().expect("a module");
    assert!(raw.starts_with("package authz"), "{raw}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_refuse_and_garbage_is_no_json() {
    let folder = TempDir::new().expect("a folder");
    let demo = start(&folder).await;
    let dead = Client::new().get(&of(&demo, "us-export-001").url).send().await;
    assert!(dead.expect_err("nobody listens").is_connect());
    let garbage = Client::new().get(format!("{}/readyz", of(&demo, "eu-export-001").url));
    let garbage = garbage.send().await.expect("answers").bytes().await.expect("a body");
    assert!(serde_json::from_slice::<Value>(&garbage).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_the_drift_back_and_keeps_the_keys() {
    let folder = TempDir::new().expect("a folder");
    let options = DemoOptions::new(folder.path().join("demo"));
    let demo = DemoFleet::start(options.clone()).await.expect("the demo starts");
    let twice = DemoFleet::start(options.clone()).await.expect_err("the folder is in use");
    assert!(format!("{twice:#}").contains("another demo runs"), "{twice:#}");
    let key = std::fs::read(options.state_dir.join("keys/signer.pem")).expect("a key");
    let pin = json!({ "version": "2.0.0", "content": demo.desired });
    let url = of(&demo, "us-gw-002").url.clone();
    post(&url, "/v1/agent/pin", &token(&demo), &pin).await;
    post(&url, "/v1/agent/sync", &token(&demo), &json!({})).await;
    demo.shutdown().await;

    let demo = DemoFleet::start(options.clone()).await.expect("the demo starts again");
    let status = get(&of(&demo, "us-gw-002").url, "/v1/agent/status").await;
    assert_eq!(status["bundle"]["version"], "2.1.0-rc1");
    assert_eq!(status["pinned"], Value::Null);
    let again = std::fs::read(options.state_dir.join("keys/signer.pem")).expect("a key");
    assert_eq!(key, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn light_nodes_are_agents_too() {
    let folder = TempDir::new().expect("a folder");
    let mut options = DemoOptions::new(folder.path().join("demo"));
    (options.nodes, options.scale) = (1, 64);
    let demo = DemoFleet::start(options).await.expect("the demo starts");
    assert_eq!(demo.nodes.len(), 65);
    let drifted = demo.nodes.iter().filter(|node| node.state != DriftState::InSync).count();
    assert!(drifted > 0, "the seed gives some drift");
    for node in &demo.nodes {
        let status = get(&node.url, "/v1/agent/status").await;
        let same = status["content"] == json!(demo.desired);
        assert_eq!(same, node.state == DriftState::InSync, "{}", node.id);
        // It runs an attested pack, and comes back by the registry.
        let checks = status["bundle"]["signature"]["checks"].as_array().expect("checks");
        let made = |name: &str| checks.iter().any(|c| c["name"] == name && c["passed"] == true);
        assert!(made("identity.san") && made("log.inclusion_proof"), "{}: {checks:?}", node.id);
    }
    let token = token(&demo);
    for node in demo.nodes.iter().filter(|node| node.state.is_drifted()) {
        let (synced, answer) = post(&node.url, "/v1/agent/sync", &token, &json!({})).await;
        assert_eq!(synced, StatusCode::OK, "{}: {answer}", node.id);
        let status = get(&node.url, "/v1/agent/status").await;
        assert_eq!(status["content"], json!(demo.desired), "{}", node.id);
    }
    // What it ran before is still its own, though only in memory.
    let drifted = demo.nodes.iter().find(|node| node.state.is_drifted()).expect("one drifted");
    let (back, answer) = post(&drifted.url, "/v1/agent/rollback", &token, &json!({})).await;
    assert_eq!(back, StatusCode::OK, "{answer}");
    let status = get(&drifted.url, "/v1/agent/status").await;
    assert_ne!(status["content"], json!(demo.desired));
}
