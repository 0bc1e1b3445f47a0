//! The endpoints as they are documented.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::world::{Node, World, steady};

async fn two_policies(world: &World) -> Node {
    world.sign("policies.signed.json", "2.0.0", &["deny", "require_confirmation"]);
    Node::start(world.config()).await
}

#[tokio::test]
async fn a_reload_answers_the_documented_fields() {
    let world = World::new();
    let node = two_policies(&world).await;
    for (path, body) in [
        ("/reload", ""),
        ("/reload", "{}"),
        ("/reload", "null"),
        ("/bundle/reload", "{\"bundle_path\":null}"),
    ] {
        let reply = node.post(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}");
        assert_snapshot!("reload_success", steady(&reply.text));
    }
}

/// R226, R228, R295.
#[tokio::test]
async fn a_refused_bundle_answers_500_and_changes_nothing() {
    let world = World::new();
    let node = two_policies(&world).await;
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    let reply = node.post("/reload", &json!({ "bundle_path": strange }).to_string()).await;
    assert_eq!(reply.status, 500);
    assert_snapshot!("reload_failure", steady(&reply.text));
    assert_eq!(node.get("/readyz").await.json()["bundle_version"], "2.0.0");
}

#[tokio::test]
async fn a_missing_file_answers_404_and_is_an_attempt() {
    let world = World::new();
    let node = two_policies(&world).await;
    let missing = world.bundle_path("none.signed.json");
    let reply = node.post("/reload", &json!({ "bundle_path": missing }).to_string()).await;
    assert_eq!(reply.status, 404);
    assert_snapshot!("reload_missing", world.redact(&steady(&reply.text)));
    let history = node.get("/reload/history").await.json();
    assert_eq!(history["history"][0]["success"], false);
}

#[tokio::test]
async fn structure_errors_read_as_documented() {
    let world = World::new();
    let node = two_policies(&world).await;
    for (text, error) in [
        ("[]", "Bundle must be a dictionary"),
        (r#"{"policies":[]}"#, "Bundle missing metadata"),
        (
            r#"{"metadata":{"bundle_id":"a","version":"1","issued_at":"2026-01-01T00:00:00Z"},"policies":[]}"#,
            "Bundle contains no policies",
        ),
        (
            r#"{"metadata":{"bundle_id":"a","version":"1","issued_at":"x"},"policies":[{"id":"p","effect":"allow"}]}"#,
            "Bundle missing signature",
        ),
    ] {
        let path = world.place("bad.signed.json", text.as_bytes());
        let reply = node.post("/reload", &json!({ "bundle_path": path }).to_string()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (500, &json!(error)));
    }
}

/// R229.
#[tokio::test]
async fn the_history_keeps_ten_and_the_counters_keep_all() {
    let world = World::new();
    let node = two_policies(&world).await;
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    node.post("/reload", &json!({ "bundle_path": strange }).to_string()).await;
    for _ in 0..12 {
        node.post("/reload", "").await;
    }
    let history = node.get("/reload/history").await.json();
    let entries = history["history"].as_array().expect("a list");
    assert_eq!(entries.len(), 10);
    assert!(entries.iter().all(|entry| entry["success"] == true));
    assert_snapshot!("history_entry", steady(&entries[0].to_string()));
    assert_snapshot!("stats", steady(&node.get("/reload/stats").await.text));
    let full = node.get("/v1/agent/history").await.json();
    // Twelve reloads, one refusal, and the start.
    assert_eq!(full["entries"].as_array().expect("a list").len(), 14);
}

/// R228, R267.
#[tokio::test]
async fn verify_tells_without_loading() {
    let world = World::new();
    let node = two_policies(&world).await;
    let newer = world.sign("newer.signed.json", "3.0.0", &["allow"]);
    let strange = world.sign_by_stranger("strange.signed.json", "3.0.0");
    let ask = async |path: &std::path::Path| {
        node.post("/bundle/verify", &json!({ "bundle_path": path }).to_string()).await
    };
    assert_snapshot!("verify_valid", steady(&ask(&newer).await.text));
    assert_snapshot!("verify_invalid", steady(&ask(&strange).await.text));
    let missing = ask(&world.bundle_path("none")).await;
    assert_eq!(
        (missing.status.as_u16(), missing.media.as_str()),
        (404, "application/problem+json")
    );
    assert_eq!(node.get("/bundle").await.json()["version"], "2.0.0");
}

#[tokio::test]
async fn readiness_and_bundle_are_as_documented() {
    let world = World::new();
    let node = two_policies(&world).await;
    for path in ["/readyz", "/ready"] {
        let reply = node.get(path).await;
        assert_eq!(reply.status, 200);
        assert_snapshot!("readyz", steady(&reply.text));
    }
    assert_snapshot!("bundle", steady(&node.get("/bundle").await.text));
    assert_snapshot!("bundle_policies", steady(&node.get("/bundle/policies").await.text));
    let mut health = node.get("/healthz").await.json();
    health["uptime_s"] = Value::Null;
    // Its own test is in `metrics.rs`.
    health["policy"] = Value::Null;
    assert_snapshot!("healthz", serde_json::to_string_pretty(&health).expect("JSON"));
}

#[tokio::test]
async fn a_bundle_loaded_more_than_a_day_ago_is_stale() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["allow"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    assert_eq!(node.get("/readyz").await.json()["bundle_stale"], false);
    set("2026-11-22T05:30:00Z");
    let ready = node.get("/readyz").await.json();
    assert_eq!((&ready["bundle_stale"], &ready["bundle_age_hours"]), (&json!(true), &json!(24.5)));
}

/// R230.
#[tokio::test]
async fn metrics_have_the_seven_documented_series() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["allow"]);
    let (clock, _) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    node.post("/reload", "").await;
    let reply = node.get("/metrics").await;
    assert_eq!(reply.media, "text/plain; version=0.0.4; charset=utf-8");
    let (documented, _) = reply.text.split_once("# HELP policy_").expect("other families follow");
    let text = documented.trim_end().lines().map(|line| match line.split_once(' ') {
        Some(("unison_policy_reload_duration_seconds", _)) => {
            "unison_policy_reload_duration_seconds [s]"
        }
        _ => line,
    });
    assert!(reply.text.ends_with('\n'));
    assert_snapshot!("metrics", text.collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn decisions_are_by_first_match() {
    let world = World::new();
    let node = two_policies(&world).await;
    let ask = async |capability: &str| {
        let body = json!({ "capability_id": capability, "context": {} }).to_string();
        node.post("/evaluate", &body).await.text
    };
    assert_snapshot!("evaluate_deny", steady(&ask("payments.transfer.domestic").await));
    assert_snapshot!("evaluate_confirm", steady(&ask("ledger.export").await));
    assert_snapshot!("evaluate_default", steady(&ask("weather.read").await));
    assert_eq!(node.post("/evaluate", "{}").await.status, 400);
}

/// R280.
#[tokio::test]
async fn every_attempt_is_logged_in_the_fields_words() {
    let world = World::new();
    let node = two_policies(&world).await;
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    node.post("/reload", "").await;
    node.post("/reload", &json!({ "bundle_path": strange }).to_string()).await;
    let lines = node.get("/v1/agent/logs?filter=hot-reload").await.json();
    let lines: Vec<String> = lines["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            let text = line["message"].as_str().expect("a text");
            let digits =
                text.find('(').and_then(|at| text[at..].find("ms").map(|end| (at, at + end)));
            let text = digits.map_or(text.to_owned(), |(at, end)| {
                let number: f64 = text[at + 1..end].parse().expect("two decimals");
                assert_eq!(format!("{number:.2}"), text[at + 1..end]);
                format!("{}(N.NN{}", &text[..at], &text[end..])
            });
            format!("{}: {text}", line["level"].as_str().expect("a level").to_uppercase())
        })
        .collect();
    assert_snapshot!("log_lines", lines.join("\n"));
}
