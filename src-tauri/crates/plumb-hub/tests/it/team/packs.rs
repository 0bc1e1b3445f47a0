//! The registry: versions that never change, the pack endpoint, and the bundle of every node.

use std::time::Duration;

use axum::body::Body;
use plumb_bundle::{OpaArchive, PolicyPack};
use plumb_fleet::Digest;
use plumb_trust::{
    dsse::Algorithm,
    refused::{RefusedDocument, RefusedEntry},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{BOOTSTRAP, Reply, Team};
use crate::world::tar;

const PACK: &str = "/v1/policy/packs/policy-pack-v0";
const REGISTRY: &str = "/v1/hub/packs/policy-pack-v0";
/// How long anything that has to happen may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

async fn publish(team: &Team, version: &str, allow: &str) -> (Reply, String) {
    let tar = tar(allow);
    let digest = Digest::of(&tar).to_string();
    let path = format!("{REGISTRY}?version={version}");
    (team.ask("POST", &path, BOOTSTRAP, tar).await, digest)
}

#[tokio::test]
async fn a_published_version_is_served_with_its_attestation() {
    let team = Team::start().await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    assert_eq!(team.get(PACK, &node).await.status, 404);
    let digest = Digest::of(&tar("true")).to_string();
    let attestation = format!("{REGISTRY}/attestations/{digest}");
    let put = team.ask("PUT", &attestation, BOOTSTRAP, r#"{"mediaType":"bundle"}"#).await;
    assert_eq!(put.status, 204);
    let (published, _) = publish(&team, "1.0.0", "true").await;
    let view = published.fine();
    assert_eq!(view["serving"], digest);
    assert_eq!(view["versions"][0]["attested"], true);
    assert_eq!(view["versions"][0]["published_by"], "bootstrap");
    for method in ["GET", "HEAD"] {
        let reply = team.ask(method, PACK, &node, "").await;
        assert_eq!(reply.header("etag"), format!("W/\"sha-256:{digest}\""));
        assert_eq!(reply.header("digest"), format!("sha-256={digest}"));
        assert_eq!(reply.header("content-type"), "application/vnd.intelgraph.policy+tar");
        assert_eq!(reply.header("x-cosign-bundle"), r#"{"mediaType":"bundle"}"#);
        assert_eq!(reply.bytes.len(), if method == "GET" { tar("true").len() } else { 0 });
    }
    let tag = format!("W/\"sha-256:{digest}\"");
    let held = team.ask_with("GET", PACK, &node, &[("if-none-match", &tag)], "").await;
    assert_eq!(held.status, 304);
    let attested = team.get(&format!("{PACK}/attestation"), &node).await;
    assert_eq!(attested.text(), r#"{"mediaType":"bundle"}"#);
    // The first one may have been a wrong one.
    let mended = r#"{"mediaType":"mended"}"#;
    assert_eq!(team.ask("PUT", &attestation, BOOTSTRAP, mended).await.status, 204);
    assert_eq!(team.get(&format!("{PACK}/attestation"), &node).await.text(), mended);
    assert_eq!(team.get(PACK, &node).await.header("x-cosign-bundle"), mended);
    // Nobody without the entitlement, and nobody unknown.
    let monitor = team.token(BOOTSTRAP, "agent_monitor").await;
    team.get(PACK, &monitor).await.problem(403);
    team.get(PACK, "").await.problem(401);
    team.ask("POST", &format!("{REGISTRY}?version=9"), &node, tar("true")).await.problem(403);
}

#[tokio::test]
async fn a_version_never_changes_and_an_earlier_one_can_be_served_again() {
    let team = Team::start().await;
    let (_, first) = publish(&team, "1.0.0", "true").await;
    assert_eq!(
        publish(&team, "1.0.0", "true").await.0.status,
        200,
        "the same again is nothing new"
    );
    let told = publish(&team, "1.0.0", "false").await.0.problem(409);
    assert!(told.contains("a version never changes"), "{told}");
    team.pass(10);
    let (view, second) = publish(&team, "2.0.0", "false").await;
    assert_eq!(view.fine()["serving"], second);
    let later = team.get(PACK, BOOTSTRAP).await.header("last-modified").to_owned();
    let path = format!("{REGISTRY}/serve");
    team.pass(10);
    let back = team.post(&path, BOOTSTRAP, &json!({ "version": "1.0.0" })).await.fine();
    assert_eq!(back["serving"], first);
    // Also for who asks by time, the way back is news.
    let asked = [("if-modified-since", later.as_str())];
    let reply = team.ask_with("GET", PACK, BOOTSTRAP, &asked, "").await;
    assert_eq!((reply.status.as_u16(), reply.bytes.as_ref()), (200, &tar("true")[..]));
    team.post(&path, BOOTSTRAP, &json!({ "version": "3.0.0" })).await.problem(404);
    team.post(&path, BOOTSTRAP, &json!({})).await.problem(422);
    let file = team.get(&format!("{REGISTRY}/files/{second}"), BOOTSTRAP).await;
    assert_eq!(file.bytes.as_ref(), &tar("false")[..]);
    // Everything is there after a restart.
    let team = Team::start_in(team.stop().await, |_| {}).await;
    assert_eq!(team.get(PACK, BOOTSTRAP).await.bytes.as_ref(), &tar("true")[..]);
    let listed = team.get("/v1/hub/packs", BOOTSTRAP).await.fine();
    assert_eq!(listed["packs"][0]["versions"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_is_no_pack_is_not_published() {
    let team = Team::start().await;
    let path = format!("{REGISTRY}?version=1");
    let check = async |path: &str, body: Vec<u8>, status: u16, text: &str| {
        let told = team.ask("POST", path, BOOTSTRAP, body).await.problem(status);
        assert!(told.contains(text), "{told}");
    };
    check(&path, b"not a tar".to_vec(), 422, "no policy pack").await;
    check(&path, tar("true")[..700].to_vec(), 422, "no policy pack").await;
    check(&path, vec![0x1f, 0x8b, 1, 2], 422, "no policy pack").await;
    check("/v1/hub/packs/..up?version=1", tar("true"), 422, "cannot name a pack").await;
    check(&format!("{REGISTRY}?version=%20"), tar("true"), 422, "visible ASCII").await;
    check(REGISTRY, tar("true"), 400, "version").await;
    assert_eq!(team.get("/v1/hub/packs", BOOTSTRAP).await.fine(), json!({ "packs": [] }));
    let zeros = "0".repeat(64);
    let path = format!("{REGISTRY}/attestations/{zeros}");
    team.ask("PUT", &path, BOOTSTRAP, "no bundle").await.problem(422);
    team.ask("PUT", &format!("{REGISTRY}/attestations/xyz"), BOOTSTRAP, "{}").await.problem(422);
}

#[tokio::test]
async fn each_node_gets_the_bundle_it_should_run() {
    let team = Team::start().await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    publish(&team, "1.0.0", "true").await;
    publish(&team, "2.0.0", "false").await;
    let desired = "/v1/hub/fleets/prod/desired";
    team.get("/bundles/prod/gw-1", &node).await.problem(404);
    let set = |body: Value| team.put(desired, body);
    set(json!({ "pack": "policy-pack-v0", "version": "1.0.0", "reason": "begin" })).await.fine();
    set(json!({ "pack": "policy-pack-v0", "version": "2.0.0", "nodes": ["gw-2"] })).await.fine();
    let revision = async |node_id: &str| {
        let reply = team.get(&format!("/bundles/prod/{node_id}"), &node).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), "application/vnd.openpolicyagent.bundles");
        let archive = OpaArchive::read(&reply.bytes).expect("a bundle of OPA");
        archive.manifest().revision.clone().expect("a revision")
    };
    let (one, two) = (revision("gw-1").await, revision("gw-2").await);
    assert!(one.contains("0.1.0") && one != two, "{one} {two}");
    assert_eq!(revision("gw-1.tar.gz").await, one);
    // The whole fleet lifts the pin of a node, and taking back leaves nothing.
    set(json!({ "pack": "policy-pack-v0", "version": "2.0.0", "reason": "go" })).await.fine();
    assert_eq!(revision("gw-1").await, two);
    let lifted = team.post(&format!("{desired}/lift"), BOOTSTRAP, &json!({})).await.fine();
    assert_eq!(lifted, json!({ "fleet": null, "nodes": {} }));
    team.get("/bundles/prod/gw-1", &node).await.problem(404);
    let history = team.get(&format!("{desired}/history"), BOOTSTRAP).await.fine();
    let changes = history["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 4);
    assert_eq!(changes[3]["reason"], "begin");
    assert_eq!(changes[2]["nodes"], json!(["gw-2"]));
    set(json!({ "pack": "none", "version": "2.0.0" })).await.problem(404);
    set(json!({ "pack": "policy-pack-v0", "version": "9" })).await.problem(404);
    set(json!({ "pack": "policy-pack-v0", "version": "2.0.0", "nodes": ["a/b"] }))
        .await
        .problem(422);
}

/// An unmodified OPA has no list of its own: the hub hands it nothing that its fleet refuses.
#[tokio::test]
async fn what_a_fleet_refuses_is_desired_of_nobody() {
    let team = Team::start().await;
    publish(&team, "1.0.0", "true").await;
    publish(&team, "2.0.0", "false").await;
    let bad = PolicyPack::read(&tar("false")).and_then(|pack| pack.to_bundle()).expect("a pack");
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    let entry = RefusedEntry { since: now, reason: "denied every refund".to_owned() };
    let document = RefusedDocument {
        fleet: "prod".parse().expect("a name"),
        version: 1,
        issued_at: now,
        refused: [(bad.content, entry)].into(),
        cleared: [].into(),
    };
    let key = plumb_testkit::company::key(Algorithm::Ed25519);
    let list = document.clone().sign(&key).expect("signed");
    let put = team.ask("PUT", "/v1/hub/fleets/prod/refused", BOOTSTRAP, list).await;
    assert_eq!(put.status, 204);
    let set = async |fleet: &str, version: &str| {
        let body = json!({ "pack": "policy-pack-v0", "version": version, "reason": "go" });
        team.put(&format!("/v1/hub/fleets/{fleet}/desired"), body).await
    };
    let told = set("prod", "2.0.0").await.problem(409);
    assert!(
        told.contains("denied every refund") && told.contains("version 1 of its list"),
        "{told}"
    );
    set("prod", "1.0.0").await.fine();
    set("stage", "2.0.0").await.fine();
    assert_eq!(team.get("/bundles/stage/gw-1", BOOTSTRAP).await.status, 200);
    // It is desired first, and found to be bad then: nobody is handed it any more.
    let list = RefusedDocument { fleet: "stage".parse().expect("a name"), ..document };
    let list = list.sign(&key).expect("signed");
    let put = team.ask("PUT", "/v1/hub/fleets/stage/refused", BOOTSTRAP, list).await;
    assert_eq!(put.status, 204);
    let told = team.get("/bundles/stage/gw-1", BOOTSTRAP).await.problem(409);
    assert!(told.contains("denied every refund"), "{told}");
}

#[tokio::test]
async fn a_bundle_that_opa_signed_is_passed_on_as_it_is() {
    let team = Team::start().await;
    publish(&team, "1.0.0", "true").await;
    let body = json!({ "pack": "policy-pack-v0", "version": "1.0.0" });
    team.put("/v1/hub/fleets/prod/desired", body).await.fine();
    let made = team.get("/bundles/prod/gw-1", BOOTSTRAP).await.bytes;
    let published = team.ask("POST", "/v1/hub/packs/opa?version=1", BOOTSTRAP, made.clone()).await;
    assert_eq!(published.fine()["versions"][0]["format"], "opa");
    let body = json!({ "pack": "opa", "digest": Digest::of(&made).to_string(), "nodes": ["gw-9"] });
    team.put("/v1/hub/fleets/prod/desired", body).await.fine();
    assert_eq!(team.get("/bundles/prod/gw-9", BOOTSTRAP).await.bytes, made);
    // It is no tar of the pack endpoint.
    assert_eq!(team.get("/v1/policy/packs/opa", BOOTSTRAP).await.status, 404);
}

#[tokio::test]
async fn who_waits_for_a_bundle_hears_of_it_at_once() {
    let team = Team::start().await;
    publish(&team, "1.0.0", "true").await;
    publish(&team, "2.0.0", "false").await;
    let desire = |version: &str| {
        let body = json!({ "pack": "policy-pack-v0", "version": version });
        team.put("/v1/hub/fleets/prod/desired", body)
    };
    desire("1.0.0").await.fine();
    let now = team.get("/bundles/prod/gw-1", BOOTSTRAP).await;
    let tag = now.header("etag").to_owned();
    let asked = [("if-none-match", tag.as_str()), ("prefer", "modes=snapshot,delta;wait=50")];
    let waiting = team.ask_with("GET", "/bundles/prod/gw-1", BOOTSTRAP, &asked, "");
    let change = async {
        // Of another node: nobody is woken for that.
        let body = json!({ "pack": "policy-pack-v0", "version": "2.0.0", "nodes": ["gw-2"] });
        team.put("/v1/hub/fleets/prod/desired", body).await.fine();
        desire("2.0.0").await.fine();
    };
    let (reply, ()) =
        timeout(DEADLINE, async { tokio::join!(waiting, change) }).await.expect("in time");
    assert_eq!((reply.status.as_u16(), reply.header("preference-applied")), (200, "wait=50"));
    assert_ne!(reply.header("etag"), tag);
    let short = [("if-none-match", reply.header("etag")), ("prefer", "wait=1")];
    let same = team.ask_with("GET", "/bundles/prod/gw-1", BOOTSTRAP, &short, "").await;
    assert_eq!((same.status.as_u16(), same.bytes.len()), (304, 0));
    assert_eq!(same.header("content-type"), "application/vnd.openpolicyagent.bundles");
}

#[tokio::test]
async fn an_event_stream_and_a_long_poll_tell_a_publication() {
    use futures::StreamExt as _;
    let team = Team::start().await;
    let (_, first) = publish(&team, "1.0.0", "true").await;
    let stream = team.open(&format!("{PACK}/events"), BOOTSTRAP).await;
    let mut events = Body::new(stream.into_body()).into_data_stream();
    let mut next = async || {
        let chunk = timeout(DEADLINE, events.next()).await.expect("in time").expect("an event");
        String::from_utf8(chunk.expect("a chunk").to_vec()).expect("text")
    };
    assert!(next().await.contains(&first));
    let tag = format!("W/\"sha-256:{first}\"");
    let asked = [("if-none-match", tag.as_str()), ("prefer", "wait=50")];
    let waiting = team.ask_with("GET", PACK, BOOTSTRAP, &asked, "");
    let (reply, (_, second)) = tokio::join!(waiting, publish(&team, "2.0.0", "false"));
    assert_eq!(reply.header("digest"), format!("sha-256={second}"));
    assert!(next().await.contains(&second));
}

#[tokio::test]
async fn a_damaged_file_is_not_served() {
    let team = Team::start().await;
    let (_, digest) = publish(&team, "1.0.0", "true").await;
    let data = team.stop().await;
    std::fs::write(data.path().join(format!("packs/{digest}.pack")), "broken").expect("writable");
    let team = Team::start_in(data, |_| {}).await;
    assert_eq!(team.get(PACK, BOOTSTRAP).await.status, 404);
    team.get(&format!("{REGISTRY}/files/{digest}"), BOOTSTRAP).await.problem(503);
    let storage = team.get("/v1/hub/storage", BOOTSTRAP).await.fine();
    assert_eq!(
        (storage["writable"].as_bool(), storage["versions"].as_u64()),
        (Some(true), Some(1))
    );
    assert_eq!(storage["missing"], json!(["policy-pack-v0 1.0.0"]));
}
