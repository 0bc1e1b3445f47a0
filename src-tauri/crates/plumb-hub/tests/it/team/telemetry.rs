//! What OPA pushes, as recorded from a real one.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::client::{BOOTSTRAP, Team};

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("in memory");
    packed.finish().expect("in memory")
}

fn event(input: &Value, node: &str) -> Value {
    json!({
        "labels": { "id": node, "version": "1.9.0" },
        "decision_id": "3774cca7-2b5c-47fe-8254-adc493c450cd",
        "path": "x/y",
        "input": input,
        "erased": ["/input/password"],
        "masked": ["/input/user"],
        "timestamp": "2026-11-21T05:29:55.450971905Z",
    })
}

#[tokio::test]
async fn the_newest_status_of_each_node_is_kept() {
    let team = Team::start().await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    let status = |revision: &str, code: &str| {
        json!({
            "labels": { "id": "793ce60b", "fleet": "prod", "node": "gw-1", "version": "1.9.0" },
            "bundles": { "authz": { "name": "authz", "active_revision": revision, "code": code,
                "message": "", "last_successful_activation": "0001-01-01T00:00:00Z" } },
            "plugins": { "bundle": { "state": "OK" } },
        })
    };
    for (revision, code) in [("1.0.0", ""), ("2.0.0", "bundle_error")] {
        let pushed = gzip(&status(revision, code).to_string());
        let reply =
            team.ask_with("POST", "/status", &node, &[("content-encoding", "gzip")], pushed);
        assert_eq!(reply.await.status, 200);
    }
    let nodes = team.get("/v1/hub/nodes", BOOTSTRAP).await.fine();
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(nodes["nodes"][0]["node"], "prod/gw-1");
    let bundle = &nodes["nodes"][0]["bundles"]["authz"];
    assert_eq!(
        (bundle["active_revision"].as_str(), bundle["code"].as_str()),
        (Some("2.0.0"), Some("bundle_error"))
    );
    assert_eq!(
        bundle["last_successful_activation"],
        Value::Null,
        "no date from before there were any"
    );
    team.post("/status", &node, &json!({ "labels": {} })).await.problem(422);
    team.ask("POST", "/status", &node, "not JSON").await.problem(400);
    let viewer = team.token(BOOTSTRAP, "viewer").await;
    team.post("/status", &viewer, &status("1", "")).await.problem(403);
}

#[tokio::test]
async fn a_bound_identity_tells_of_its_own_nodes_alone() {
    let team = Team::start().await;
    let one = team.bound_token("prod/gw-1").await;
    let fleet = team.bound_token("prod/*").await;
    let labels =
        |fleet: &str, node: &str| json!({ "labels": { "id": "1f", "fleet": fleet, "node": node } });
    let taken = async |token: &str, told: &Value| {
        assert_eq!(team.post("/status", token, told).await.status, 200, "{told}");
    };
    taken(&one, &labels("prod", "gw-1")).await;
    // Its labels do not say who it is: its identity does.
    taken(&one, &json!({ "labels": { "id": "1f" } })).await;
    taken(&fleet, &labels("prod", "gw-2")).await;
    for (token, told) in [
        (&one, labels("prod", "gw-2")),
        (&one, labels("dev", "gw-1")),
        (&fleet, labels("dev", "gw-2")),
    ] {
        let detail = team.post("/status", token, &told).await.problem(403);
        assert!(detail.contains("speaks for prod/"), "{detail}");
    }
    team.post("/status", &fleet, &json!({ "labels": { "id": "prod/gw-1" } })).await.problem(422);
    let nodes = team.get("/v1/hub/nodes", BOOTSTRAP).await.fine();
    let told: Vec<_> = nodes["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (&one["node"], &one["told_by"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("prod/gw-1"), &json!("agent of prod/gw-1")),
            (&json!("prod/gw-2"), &json!("agent of prod/*"))
        ]
    );

    // A batch with one decision of somebody else is refused whole, and that is written down.
    let decision =
        |node: &str| json!({ "decision_id": node, "labels": { "fleet": "prod", "node": node } });
    team.post("/logs", &one, &json!([decision("gw-1"), decision("gw-2")])).await.problem(403);
    assert_eq!(team.post("/logs", &one, &json!([decision("gw-1")])).await.fine()["taken"], 1);
    let kept = team.get("/v1/hub/decisions", BOOTSTRAP).await.fine();
    assert_eq!(kept["decisions"].as_array().map(Vec::len), Some(1));
    let audit = team.get("/v1/hub/audit", BOOTSTRAP).await.fine().to_string();
    assert!(audit.contains("speaks for prod/gw-1, not for prod/gw-2"), "{audit}");

    // It fetches what its own node should run: there is nothing yet, which another is not even told.
    team.get("/bundles/prod/gw-1", &one).await.problem(404);
    team.get("/bundles/prod/gw-2", &one).await.problem(403);
    team.get("/bundles/prod/gw-2.tar.gz", &fleet).await.problem(404);
    for role in ["admin", "operator"] {
        let wanted =
            json!({ "name": "x", "role": role, "expires_after_s": 60, "node": "prod/gw-1" });
        let detail = team.post("/v1/hub/tokens", BOOTSTRAP, &wanted).await.problem(422);
        assert!(detail.contains("only tells and fetches"), "{detail}");
    }
    assert_eq!(team.get("/v1/hub/whoami", &one).await.fine()["node"], "prod/gw-1");
    for node in ["prod", "prod/", "/gw-1", "a/b/c", "*/gw-1"] {
        let wanted =
            json!({ "name": "x", "role": "agent_node", "expires_after_s": 60, "node": node });
        let detail = team.post("/v1/hub/tokens", BOOTSTRAP, &wanted).await.problem(422);
        assert!(detail.contains("FLEET/NODE"), "{node}: {detail}");
    }
}

#[tokio::test]
async fn decisions_are_kept_as_masked_as_they_were_sent() {
    let team = Team::start().await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    // The second sender says that it erased a password, and left it in.
    let batch = json!([
        event(&json!({ "a": 1, "user": "***" }), "one"),
        event(&json!({ "a": 2, "user": "***", "password": "hunter2" }), "two"),
        "no decision",
        event(&json!({ "long": "x".repeat(100_000) }), "three"),
    ]);
    let packed = gzip(&batch.to_string());
    let reply =
        team.ask_with("POST", "/logs", &node, &[("content-encoding", "gzip")], packed).await;
    assert_eq!(reply.fine(), json!({ "taken": 2, "dropped": 2 }));
    let kept = team.get("/v1/hub/decisions", BOOTSTRAP).await;
    assert!(!kept.text().contains("hunter2"));
    let kept = kept.fine();
    assert_eq!(kept["decisions"][0]["node"], "two");
    assert_eq!(kept["decisions"][0]["event"]["input"], json!({ "a": 2, "user": "***" }));
    assert_eq!(kept["decisions"][1]["event"]["masked"], json!(["/input/user"]));
}

#[tokio::test]
async fn a_batch_that_unpacks_to_too_much_is_refused() {
    let team = Team::start().await;
    let bomb = gzip(&" ".repeat(40 << 20));
    assert!(bomb.len() < 1 << 20);
    let encoding = [("content-encoding", "gzip")];
    let told = team.ask_with("POST", "/logs", BOOTSTRAP, &encoding, bomb).await.problem(413);
    assert!(told.contains("unpacks to more than"), "{told}");
    team.ask_with("POST", "/logs", BOOTSTRAP, &encoding, "no gzip").await.problem(400);
    team.ask("POST", "/logs/edge", BOOTSTRAP, "[]").await.fine();
}
