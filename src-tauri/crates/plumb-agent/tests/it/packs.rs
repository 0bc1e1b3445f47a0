//! An agent that runs packs of both kinds: what it answers, tells, keeps and takes back.

pub(crate) mod faults;
mod remembered;
mod world;

use serde_json::{Value, json};

use self::world::{PackWorld, rego, signed};

const RULE: &str = "default allow := false\nallow if input.context.user == \"ada\"";

/// R167: decisions and health, by the engine in process.
#[tokio::test]
async fn a_pack_of_rego_answers_decisions_and_says_what_it_is() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    let status = node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    assert_eq!(status["ordering"], "unordered");
    assert_eq!(status["bundle"]["signature"]["scheme"], "sigstore");
    let checks = status["bundle"]["signature"]["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["name"] == "identity.san"), "{checks:?}");
    assert_eq!(status["bundle"]["path"], json!(world.url()));

    let ask = |user: &str| json!({ "capability_id": "pay", "context": { "user": user } });
    let allowed = node.post("/evaluate", &ask("ada").to_string()).await.json();
    assert_eq!(allowed["decision"]["allowed"], true, "{allowed}");
    assert_eq!(allowed["policy_version"], "1");
    let denied = node.post("/evaluate", &ask("eve").to_string()).await.json();
    assert_eq!(denied["decision"]["allowed"], false);
    let input = json!({ "input": { "context": { "user": "ada" } } }).to_string();
    let document = node.post("/v1/data/cos/abac/allow", &input).await;
    assert_eq!(document.json(), json!({ "result": true }));
    assert_eq!(node.post("/v1/data/cos/abac/nothing", &input).await.json(), json!({}));
    let limits = node.post("/v1/data/cos/limits", "{}").await.json();
    assert_eq!(limits, json!({ "result": { "gold": 3 } }), "data stands where OPA has it");
    let cases = json!({ "requests": [ask("ada"), ask("eve")] }).to_string();
    let evaluated = node.post("/v1/agent/evaluate", &cases).await.json();
    assert_eq!(evaluated["results"][0]["decision"]["allowed"], true, "{evaluated}");
    assert_eq!(evaluated["results"][1]["decision"]["allowed"], false);

    let rules = node.get("/rules").await.json();
    assert_eq!((&rules["count"], &rules["policy_version"]), (&json!(1), &json!("1")));
    assert_eq!(rules["rules"][0]["id"], "opa/cos.abac.rego");
    assert_eq!(node.get("/rules/summary").await.json(), json!({ "count": 1, "path": world.url() }));
    assert_eq!(node.get("/readyz").await.json()["ready"], true);
    let metrics = node.get("/metrics").await.text;
    assert!(metrics.contains("unison_policy_bundle_version{version=\"1\"} 1"), "{metrics}");
    assert!(metrics.contains("plumb_agent_decisions_total{outcome=\"allow\"} 2"), "{metrics}");
    assert!(metrics.contains("plumb_agent_verification_status{check=\"signature\"} 1"));
    let responses = "plumb_agent_http_responses_total{purpose=\"decision\",status=\"2xx\"} 5";
    assert!(metrics.contains(responses), "{metrics}");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_pack_of_a_signed_bundle_is_the_bundle() {
    let world = PackWorld::new().await;
    let bundle = world.sign("2.0.0", &["deny", "allow"]);
    world.publish(&signed(&bundle));
    let node = world.start().await;
    let from_pack = node.until("/v1/agent/status", |s| s["bundle"]["version"] == "2.0.0").await;
    let file = world.bundles.place("policies.signed.json", &bundle);
    let mut by_file = world.bundles.config();
    by_file.state_dir = None;
    let reload = crate::world::Node::start(by_file).await;
    let from_file = reload.get("/v1/agent/status").await.json();
    for field in ["content", "policies", "ordering"] {
        assert_eq!(from_pack[field], from_file[field], "{field} of {}", file.display());
    }
    assert_eq!(from_pack["bundle"]["digest"], from_file["bundle"]["digest"]);
    assert_eq!(node.get("/rules").await.json(), reload.get("/rules").await.json());
    let ask = r#"{"capability_id":"ledger.export","context":{}}"#;
    assert_eq!(
        node.post("/evaluate", ask).await.json(),
        reload.post("/evaluate", ask).await.json()
    );
    // The signature inside counts as well as the attestation beside.
    let checks = from_pack["bundle"]["signature"]["checks"].to_string();
    let inside = from_file["bundle"]["signature"]["checks"][0]["name"].as_str().expect("a name");
    assert!(checks.contains("identity.san") && checks.contains(inside), "{checks}");
    let refused = node.post("/v1/data/cos/abac/allow", "{}").await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("first-match"), "{}", refused.text);
    reload.agent.shutdown().await;
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_forced_sync_loads_the_same_pack_again() {
    for is_rego in [true, false] {
        let world = PackWorld::new().await;
        let (version, pack) = if is_rego {
            ("1", rego("1", RULE))
        } else {
            ("2.0.0", signed(&world.sign("2.0.0", &["deny"])))
        };
        world.publish(&pack);
        let node = world.start().await;
        let first = node.until("/v1/agent/status", |s| s["bundle"]["version"] == version).await;
        let sync = async |body: &str| {
            let answer = node.post("/v1/agent/sync", body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let status = node.get("/v1/agent/status").await.json();
            assert_eq!(status["content"], first["content"]);
            (answer.json()["changed"].clone(), status["bundle"]["loaded_at"].clone())
        };
        let before = first["bundle"]["loaded_at"].clone();
        assert_eq!(sync("{}").await, (json!(false), before.clone()));
        let (changed, loaded_at) = sync(r#"{"force":true}"#).await;
        assert_eq!(changed, true);
        assert_ne!(loaded_at, before, "{version}");
        let newest = node.get("/v1/agent/history?limit=1").await.json()["entries"][0].clone();
        assert_eq!((&newest["trigger"], &newest["success"]), (&json!("sync"), &json!(true)));
        // Held back at the registry's newest, what is pinned is loaded again all the same.
        let pin = json!({ "version": version, "content": first["content"] });
        node.post("/v1/agent/pin", &pin.to_string()).await;
        world.publish(&rego("newer", RULE));
        let (changed, again) = sync(r#"{"force":true}"#).await;
        assert_eq!(changed, true);
        assert_ne!(again, loaded_at, "{version}");
        node.agent.shutdown().await;
    }
}

#[tokio::test]
async fn a_signed_bundle_by_a_stranger_is_refused_inside_a_trusted_pack() {
    let world = PackWorld::new().await;
    world.publish(&signed(&world.sign("1", &["allow"])));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    let path = world.bundles.sign_by_stranger("stranger.signed.json", "2");
    world.publish(&signed(&std::fs::read(path).expect("written")));
    let refused = node.post("/v1/agent/sync", "{}").await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("activation_refused"), "{}", refused.text);
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(
        (&status["bundle"]["version"], &status["fallback_active"]),
        (&json!("1"), &json!(true))
    );
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_failed_pack_leaves_the_old_one_answering_and_its_cause_everywhere() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    let check = async |cause: &str| {
        let refused = node.post("/reload", "{}").await;
        assert_eq!(refused.status, 500, "{}", refused.text);
        let told = refused.json();
        assert_eq!((&told["success"], &told["version"]), (&json!(false), &json!("1")));
        assert!(told["error"].as_str().is_some_and(|error| error.contains(cause)), "{told}");
        let health = node.get("/healthz").await.json();
        assert_eq!(health["policy"]["pack"]["last_look"]["cause"], cause, "{health}");
        assert_eq!(health["policy"]["fallback_active"], true);
        let history = node.get("/v1/agent/history").await.json();
        let newest = history["entries"][0]["error"].as_str().unwrap_or_default();
        assert!(newest.contains(cause), "{history}");
        let metrics = node.get("/metrics").await.text;
        let series = format!("plumb_agent_pack_failures_total{{cause=\"{cause}\"}} 1");
        assert!(metrics.contains(&series), "{series} in {metrics}");
        let logs = node.get("/v1/agent/logs").await.text;
        assert!(logs.contains(cause), "{logs}");
        let decision = node.post("/v1/data/cos/abac/allow", "{}").await.json();
        assert_eq!(decision, json!({ "result": false }), "the old pack answers");
    };
    world.publish(&rego("2", "allow if {"));
    check("activation_refused").await;
    world.publish(&rego("3", &format!("allow := {}{}", "[".repeat(60), "]".repeat(60))));
    node.post("/reload", "{}").await;
    world.publish_by_another(&rego("4", RULE));
    check("wrong_identity").await;
    world.publish_for_other(&rego("5", RULE));
    check("bad_signature").await;
    // And a sound one ends it.
    world.publish(&rego("6", RULE));
    let reloaded = node.post("/reload", "{}").await;
    assert_eq!((reloaded.status.as_u16(), &reloaded.json()["version"]), (200, &json!("6")));
    let health = node.get("/healthz").await.json();
    assert_eq!(health["policy"]["fallback_active"], false, "{health}");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_registry_that_is_away_is_one_line_of_history() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    world.close().await;
    for _ in 0..3 {
        let answer = node.post("/v1/agent/sync", "{}").await;
        assert_eq!(answer.status, 502, "{}", answer.text);
    }
    let history = node.get("/v1/agent/history").await.json();
    let entries = history["entries"].as_array().expect("entries");
    assert_eq!(entries[0]["trigger"], "fetch");
    assert!(entries[0]["error"].as_str().is_some_and(|text| text.contains("registry_down")));
    let totals = node.get("/v1/agent/status").await.json()["reloads"].clone();
    assert_eq!(totals["failed"], 0, "nothing was reloaded, so no reload failed: {totals}");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn pins_are_honoured_from_the_store_or_refused_with_a_reason() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    let first = node.get("/v1/agent/status").await.json()["content"].clone();
    world.publish(&rego("2", "allow := true"));
    let synced = node.post("/v1/agent/sync", "{}").await.json();
    assert_eq!((&synced["version"], &synced["changed"]), (&json!("2"), &json!(true)));

    let back = node.post("/v1/agent/rollback", "{}").await.json();
    assert_eq!(back["version"], "1", "{back}");
    assert_eq!(back["pinned"]["version"], "1");
    let synced = node.post("/v1/agent/sync", "{}").await.json();
    assert_eq!((&synced["version"], &synced["changed"]), (&json!("1"), &json!(false)), "{synced}");
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!((&status["content"], &status["fallback_active"]), (&first, &json!(false)));

    let pin = |version: &str| json!({ "version": version }).to_string();
    assert_eq!(node.post("/v1/agent/pin", &pin("2")).await.status, 200);
    let synced = node.post("/v1/agent/sync", "{}").await.json();
    assert_eq!(synced["version"], "2", "from the store: {synced}");
    assert_eq!(node.post("/v1/agent/pin", &pin("9")).await.status, 200);
    let refused = node.post("/v1/agent/sync", "{}").await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    assert!(refused.text.contains("neither the stored packs nor the registry"), "{}", refused.text);
    assert_eq!(node.get("/v1/agent/status").await.json()["bundle"]["version"], "2");
    // A pin holds back what the registry offers, until it is lifted.
    assert_eq!(node.post("/v1/agent/pin", &pin("2")).await.status, 200);
    world.publish(&rego("3", RULE));
    let held = node.post("/v1/agent/sync", "{}").await.json();
    assert_eq!((&held["version"], &held["changed"]), (&json!("2"), &json!(false)));
    node.ask(reqwest::Method::DELETE, "/v1/agent/pin", None, &[]).await;
    let synced = node.post("/v1/agent/sync", "{}").await.json();
    assert_eq!(synced["version"], "3");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_file_is_not_reloaded_past_the_registry() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    let path = world.bundles.sign("other.signed.json", "7", &["allow"]);
    let refused = node.post("/reload", &json!({ "bundle_path": path }).to_string()).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains(&world.url()), "{}", refused.text);
    let own = json!({ "bundle_path": world.url() }).to_string();
    assert_eq!(node.post("/reload", &own).await.status, 200);
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_restart_answers_by_the_stored_pack_without_a_registry() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    let restarted = node.post("/v1/agent/restart", "{}").await.json();
    assert_eq!(restarted["version"], "1", "{restarted}");
    node.agent.shutdown().await;
    world.close().await;
    let node = world.start().await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["bundle"]["version"], "1");
    let entries = node.get("/v1/agent/history").await.json()["entries"].clone();
    assert!(entries.as_array().is_some_and(|all| all.iter().any(|e| e["trigger"] == "start")));
    node.agent.shutdown().await;
}

/// R212, R218: what a dry run has to show, and what a canary watches.
#[tokio::test]
async fn a_pack_that_fails_decisions_is_taken_back() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start().await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    // Two values for one rule: an error for some inputs, and none of the probes meets them.
    world.publish(&rego("2", "allow := true if input.odd\nallow := false if input.both"));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "2");
    let odd = json!({ "input": { "odd": true } }).to_string();
    let both = json!({ "input": { "odd": true, "both": true } }).to_string();
    for _ in 0..220 {
        node.post("/v1/data/cos/abac/allow", &odd).await;
    }
    assert_eq!(node.get("/v1/agent/status").await.json()["bundle"]["version"], "2");
    for _ in 0..3 {
        assert_eq!(node.post("/v1/data/cos/abac/allow", &both).await.status, 500);
    }
    let status = node.until("/v1/agent/status", |s| s["fallback_active"] == true).await;
    assert_eq!(status["bundle"]["version"], "1", "{status}");
    let reason = status["fallback"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("taken_back") && reason.contains("of 22"), "{reason}");
    assert_eq!(status["last_known_good"], Value::Null, "nobody returns to it by a rollback");
    // It is not taken again, and another one is.
    let again = node.post("/v1/agent/sync", "{}").await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("taken_back"), "{}", again.text);
    world.publish(&rego("3", RULE));
    assert_eq!(node.post("/v1/agent/sync", "{}").await.json()["version"], "3");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn probes_refuse_a_pack_that_answers_otherwise() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let node = world.start_probing(json!({}), Value::Bool(false)).await;
    node.until("/v1/agent/status", |s| s["bundle"]["version"] == "1").await;
    world.publish(&rego("2", "allow := true"));
    let refused = node.post("/v1/agent/sync", "{}").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("probe 1"), "{}", refused.text);
    assert_eq!(node.get("/v1/agent/status").await.json()["bundle"]["version"], "1");
    node.agent.shutdown().await;
}
