//! Every fault at the level of a whole agent: what was good answers, and the cause is seen in metrics, log,
//! `/healthz` and history.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan as _};
use plumb_agent::Clock;
use plumb_fleet::Digest;
use plumb_pki::Fault;
use plumb_trust::Window;
use serde_json::json;

use super::{
    RULE,
    world::{PackWorld, rego, two_modules},
};
use crate::{
    fetch::{
        registry::{Registry, Script},
        sim::{self, SimDisk},
    },
    world::{Node, Reply},
};

/// The one number of a series.
fn count(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().expect("a count"))
}

/// How often a look failed for this cause.
async fn failures(node: &Node, cause: &str) -> u64 {
    let series = format!("plumb_agent_pack_failures_total{{cause=\"{cause}\"}}");
    count(&node.get("/metrics").await.text, &series)
}

/// Looks, and finds that nothing came into force for this cause, wherever a person looks.
pub(crate) async fn assert_fails_for(node: &Node, cause: &str) {
    let before = failures(node, cause).await;
    let answer = node.post("/reload", "{}").await;
    assert_told(node, cause, &answer, before).await;
}

/// A look ended so, and its cause is told everywhere.
async fn assert_told(node: &Node, cause: &str, answer: &Reply, before: u64) {
    assert_eq!(answer.status, 500, "{cause}: {}", answer.text);
    let told = answer.json();
    let health = node.get("/healthz").await.json();
    assert_eq!(health["policy"]["pack"]["last_look"]["cause"], cause, "{health}");
    let version = &health["policy"]["version"];
    assert_eq!((&told["success"], &told["version"]), (&json!(false), version), "{told}");
    assert!(told["error"].as_str().is_some_and(|error| error.contains(cause)), "{cause}: {told}");
    let history = node.get("/v1/agent/history?limit=1").await.json();
    let newest = &history["entries"][0];
    assert_eq!(newest["success"], false, "{newest}");
    assert!(newest["error"].as_str().is_some_and(|error| error.contains(cause)), "{newest}");
    // The agent may have looked once more by itself.
    assert!(failures(node, cause).await > before, "{cause}");
    let logs = node.get("/v1/agent/logs").await.text;
    let correlation = health["policy"]["pack"]["last_look"]["correlation"].as_str();
    assert!(logs.contains(correlation.expect("an id")), "{cause}: {logs}");
}

/// The pack of this version decides: only ada is allowed.
async fn assert_decides_by(node: &Node, version: &str) {
    let ask = |user: &str| json!({ "capability_id": "pay", "context": { "user": user } });
    for (user, allowed) in [("ada", true), ("eve", false)] {
        let decision = node.post("/evaluate", &ask(user).to_string()).await.json();
        assert_eq!(decision["decision"]["allowed"], allowed, "{decision}");
        assert_eq!(decision["policy_version"], version, "{decision}");
    }
}

fn newer() -> Vec<u8> {
    rego("2", "allow := true")
}

/// What a registry or a signer does wrong, and what it is called.
fn wrong(world: &PackWorld) -> Vec<(&'static str, Script)> {
    let honest = || world.honest(&newer());
    let other = format!("sha-256={}", Digest::of(b"other"));
    let stale = format!("W/\"sha-256:{}\"", Digest::of(&rego("1", RULE)));
    let vouched = |attestation: String| Script::vouched(&newer(), attestation.into_bytes());
    let broken = |fault| {
        vouched(world.attestation(&newer(), |recipe| {
            *recipe = recipe.clone().broken(fault);
        }))
    };
    let unsigned = || Script { attestation: Err(404), ..honest() };
    let refused = |tar: &[u8]| world.honest(tar);
    vec![
        ("digest_mismatch", honest().with("digest", Some(&other))),
        // The look after a contradiction has no condition.
        ("not_modified_without_cache", Script::status(304, &[])),
        ("no_digest", honest().with("digest", None)),
        ("unsigned", unsigned()),
        ("unsigned", vouched(String::new())),
        ("bad_signature", vouched(world.attestation(b"another", |_| ()))),
        ("bad_signature", broken(Fault::SignatureOfAnotherKey)),
        ("wrong_identity", broken(Fault::SanIsAnother)),
        ("wrong_identity", broken(Fault::IssuerIsAnother)),
        ("expired", broken(Fault::CertificateExpired)),
        ("truncated", Script { cut_after: Some(700), ..honest() }),
        ("etag_lies", Script { deaf: true, ..honest().with("etag", Some(&stale)) }),
        ("unpack_refused", refused(b"signed, but no tar")),
        ("activation_refused", refused(&rego("2", "allow if {"))),
        ("registry_error", Script::status(503, &[])),
        ("unauthorized", Script::status(401, &[])),
        ("unknown_pack", Script::status(404, &[])),
        ("unexpected_answer", Script::status(302, &[("location", "http://127.0.0.1:1/")])),
    ]
}

/// R174, R190, R221, R226: all of it fails closed, and is told.
#[tokio::test]
async fn whatever_a_registry_or_signer_does_wrong_what_was_good_answers() {
    let world = PackWorld::new().await;
    let registry = Registry::start(world.honest(&rego("1", RULE))).await;
    let node = world.start_at(registry.url()).await;
    for (cause, script) in wrong(&world) {
        registry.answer(script);
        assert_fails_for(&node, cause).await;
        assert_decides_by(&node, "1").await;
        // Nothing of it is found by whoever begins again from what is stored.
        let restarted = node.post("/v1/agent/restart", "{}").await.json();
        assert_eq!(restarted["version"], "1", "{cause}: {restarted}");
        assert_decides_by(&node, "1").await;
    }
    node.agent.shutdown().await;
    let node = world.start_at(registry.url()).await;
    assert_decides_by(&node, "1").await;
    registry.answer(world.honest(&rego("3", RULE)));
    assert_eq!(node.post("/reload", "{}").await.json()["version"], "3");
    assert_decides_by(&node, "3").await;
    assert_eq!(node.get("/healthz").await.json()["policy"]["fallback_active"], false);
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_module_that_holds_the_process_up_leaves_nothing_of_its_pack() {
    let world = PackWorld::new().await;
    let registry = Registry::start(world.honest(&rego("1", RULE))).await;
    let node = world.start_at(registry.url()).await;
    // As many brackets as are accepted, so often that the parser takes minutes; the first module is
    // parsed by then.
    let one = format!("{}1{}", "{\"a\":".repeat(16), "}".repeat(16));
    let rules: Vec<String> = (0..2_000).map(|n| format!("x{n} := {one}")).collect();
    registry.answer(world.honest(&two_modules("2", "allow := true", &rules.join("\n"))));
    assert_fails_for(&node, "activation_refused").await;
    let health = node.get("/healthz").await.json();
    assert!(health.to_string().contains("did not answer within 5000 ms"), "{health}");
    assert_decides_by(&node, "1").await;
    registry.answer(world.honest(&two_modules("3", RULE, "x := 1")));
    assert_eq!(node.post("/reload", "{}").await.json()["version"], "3");
    assert_decides_by(&node, "3").await;
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_registry_that_is_down_for_an_hour_leaves_the_pack_and_its_age() {
    let world = PackWorld::new().await;
    world.publish(&rego("1", RULE));
    let begun = Timestamp::now();
    let (clock, set) = world.bundles.clock(&begun.to_string());
    let (mut config, settings) = world.config();
    config.clock = clock;
    config.packs = Some(world.fetching(&world.url(), settings));
    let node = Node::start(config).await;
    node.agent.packs().expect("a fetcher").look().await;
    world.close().await;
    for minute in 1..=60 {
        set(&(begun + minute.minutes()).to_string());
        assert_fails_for(&node, "registry_down").await;
    }
    assert_decides_by(&node, "1").await;
    let policy = node.get("/healthz").await.json()["policy"].clone();
    assert_eq!(policy["digest_age_s"], 3_600, "{policy}");
    assert_eq!(policy["pack"]["consecutive_failures"], 60);
    assert_eq!(policy["fallback_active"], false, "it is the newest that anybody knows");
    let metrics = node.get("/metrics").await.text;
    assert!(metrics.contains("policy_digest_age_seconds 3600"), "{metrics}");
    node.agent.shutdown().await;
}

#[tokio::test]
async fn a_clock_that_jumps_by_a_year_takes_no_good_pack_away() {
    let world = PackWorld::new().await;
    let registry = Registry::start(world.honest(&rego("1", RULE))).await;
    let begun = Timestamp::now();
    let until = Some(begun + Duration::from_hours(30 * 24));
    let (clock, set) = world.bundles.clock(&begun.to_string());
    let start = async |clock: &Clock| {
        let (mut config, settings) = world.config();
        config.clock = clock.clone();
        let mut fetching = world.fetching(registry.url(), settings);
        fetching.verifier = Arc::new(world.verifier(Window { from: None, until }));
        config.packs = Some(fetching);
        Node::start(config).await
    };
    let node = start(&clock).await;
    node.agent.packs().expect("a fetcher").look().await;
    set(&(begun + Duration::from_hours(366 * 24)).to_string());
    registry.answer(world.honest(&newer()));
    assert_fails_for(&node, "expired").await;
    assert_decides_by(&node, "1").await;
    node.agent.shutdown().await;
    // Not even a restart takes it away.
    let node = start(&clock).await;
    assert_decides_by(&node, "1").await;
    let logs = node.get("/v1/agent/logs").await.text;
    assert!(logs.contains("is trusted as of"), "{logs}");
    set(&(begun + Duration::from_hours(1)).to_string());
    assert_eq!(node.post("/reload", "{}").await.json()["version"], "2");
    node.agent.shutdown().await;
}

/// An agent whose packs lie on a disk that does what a test tells it.
async fn start_on(world: &PackWorld, disk: &SimDisk, url: &str) -> Node {
    let (mut config, settings) = world.config();
    let mut fetching = world.fetching(url, settings);
    fetching.config.folder = PathBuf::from("/packs");
    fetching.disk = Arc::new(disk.clone());
    config.packs = Some(fetching);
    Node::start(config).await
}

/// R161, R189.
#[tokio::test]
async fn a_disk_that_is_full_at_any_write_keeps_the_good_pack_answering() {
    let world = PackWorld::new().await;
    let disk = SimDisk::new(true);
    let registry = Registry::start(world.honest(&rego("1", RULE))).await;
    let node = start_on(&world, &disk, registry.url()).await;
    node.agent.packs().expect("a fetcher").look().await;
    let (mut version, mut failed) = (1_u32, 0);
    for at in 0.. {
        let next = (version + 1).to_string();
        registry.answer(world.honest(&rego(&next, RULE)));
        disk.fail(sim::Fault::FullAt(at));
        let before = failures(&node, "disk_full").await;
        let answer = node.post("/reload", "{}").await;
        if answer.status == 500 {
            assert_told(&node, "disk_full", &answer, before).await;
            assert_decides_by(&node, &version.to_string()).await;
            failed += 1;
        } else if disk.changes() <= at {
            break;
        }
        // Room again makes everything well.
        disk.fail(sim::Fault::None);
        assert_eq!(node.post("/reload", "{}").await.json()["version"], json!(next));
        version += 1;
    }
    assert!(failed >= 6, "create, write, sync, link, rename, sync: {failed}");
    node.agent.shutdown().await;
}

/// R161, R172: a death at any step.
#[tokio::test]
async fn a_death_at_any_step_of_the_store_leaves_a_whole_pack_for_the_next_start() {
    let world = PackWorld::new().await;
    for at in 0.. {
        let disk = SimDisk::new(true);
        let registry = Registry::start(world.honest(&rego("1", RULE))).await;
        let node = start_on(&world, &disk, registry.url()).await;
        node.agent.packs().expect("a fetcher").look().await;
        registry.answer(world.honest(&rego("2", RULE)));
        disk.fail(sim::Fault::DeadFrom(at));
        let answer = node.post("/reload", "{}").await.json();
        let done = disk.changes() <= at;
        node.agent.shutdown().await;
        // Of what was not synced, now the one half is lost and now the other.
        let mut turn = at;
        disk.crash(|ways| {
            turn += 1;
            turn % ways
        });
        registry.answer(Script::status(500, &[]));
        let node = start_on(&world, &disk, registry.url()).await;
        let found = node.get("/v1/agent/status").await.json()["bundle"]["version"].clone();
        let whole =
            if answer["success"] == true { found == "2" } else { found == "1" || found == "2" };
        assert!(whole, "dead from {at}: {found} after {answer}");
        assert_decides_by(&node, found.as_str().expect("a version")).await;
        registry.answer(world.honest(&rego("3", RULE)));
        assert_eq!(node.post("/reload", "{}").await.json()["version"], "3");
        node.agent.shutdown().await;
        if done {
            assert!(at >= 6, "create, write, sync, link, rename, sync: {at}");
            break;
        }
    }
}
