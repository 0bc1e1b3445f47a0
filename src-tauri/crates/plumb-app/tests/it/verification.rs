//! What nodes say of their verification, who started a reload, and whether there is a way back.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use plumb_app::views::{
    doctor::{CheckResult, CheckView},
    drift::Baseline,
    fleet::ReloadOrigin,
    verification::{CheckWord, VerifiedView},
};

use crate::{
    runs::carried_out,
    world::{World, page, sync_drifted},
};

/// Asks an agent to reload behind the console's back, as a schedule of somebody else would.
fn reload_from_elsewhere(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("the agent listens");
    let request =
        "POST /reload HTTP/1.1\r\nhost: gw\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn check<'a>(checks: &'a [CheckView], name: &str) -> &'a CheckView {
    let name = format!("check.policy.{name}");
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name}"))
}

/// R279: a node that lets anybody reload is marked, too.
#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_a_node_is_shown_with_what_carried_it() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let node = app.node("eu", "gw-1").await.expect("a node");
    let seen = node.verification.expect("an agent tells its checks");
    assert_eq!((seen.verified, node.row.verified), (VerifiedView::Yes, VerifiedView::Yes));
    assert!(!seen.checks.is_empty());
    assert!(seen.checks.iter().all(|check| check.outcome == CheckWord::Passed), "{seen:?}");
    assert!(seen.carried_by.as_deref().is_some_and(|by| by.contains("signer")), "{seen:?}");
    assert!(seen.origin.as_deref().is_some_and(|from| from.starts_with("file ")), "{seen:?}");
    assert!(node.row.open_reload, "an agent without a token lets anybody reload");

    let unverified = app.fleet_overview("eu", &page("verified:no")).await.expect("a view");
    assert_eq!((unverified.matched, unverified.filter_error), (0, None));
    let verified = app.fleet_overview("eu", &page("verified:yes")).await.expect("a view");
    assert_eq!(verified.matched, 2);
    let groups = app.drift("eu", &Baseline::Desired, None).await.expect("groups").groups;
    assert!(groups.iter().all(|group| group.unverified == 0 && group.verification_unknown == 0));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_was_changed_on_disk_fails_its_check_by_name() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let path = world.path("bundles").join("v2.signed.json");
    let text = std::fs::read_to_string(&path).expect("a bundle");
    std::fs::write(&path, text.replace("deny", "allow")).expect("written");
    let address = world.agents[0].1.address();
    let mut stream = TcpStream::connect(address).expect("the agent listens");
    stream
        .write_all(
            b"POST /reload HTTP/1.1\r\nhost: gw\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        )
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    app.sweep("eu").await.expect("a sweep");
    let node = app.node("eu", "gw-1").await.expect("a node");
    let why = node.row.unverified.expect("a check failed");
    assert!(why.starts_with("failed: content hash"), "{why}");
    let view = app.fleet_overview("eu", &page("verified:no")).await.expect("a view");
    assert_eq!(view.matched, 1);
    let checks = app.doctor("eu", &[]).await.expect("checks").checks;
    assert_eq!(check(&checks, "verification").result, CheckResult::Failed);
    assert_eq!(check(&checks, "reload-failures").result, CheckResult::Warning);
    assert_eq!(check(&checks, "reload-failures-consecutive").result, CheckResult::Passed);
    let groups = app.drift("eu", &Baseline::Desired, None).await.expect("groups").groups;
    assert_eq!(groups[0].unverified, 1);
    assert!(groups[0].failed_checks.iter().any(|failed| failed.name == "content hash"));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_no_run_caused_is_not_started_here() {
    // R281
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    carried_out(&app, &plan).await;
    app.sweep("eu").await.expect("a sweep");
    let reloads = app.node("eu", "gw-1").await.expect("a node").reloads;
    let newest = reloads.last().expect("the sync stands in the history");
    assert_eq!((newest.origin, newest.trigger.as_deref()), (ReloadOrigin::Here, Some("sync")));
    assert_eq!(reloads[0].origin, ReloadOrigin::Own, "an agent's own start: {reloads:?}");
    let checks = app.doctor("eu", &[]).await.expect("checks").checks;
    assert_eq!(check(&checks, "reloads-not-started-here").result, CheckResult::Passed);
    assert_eq!(check(&checks, "unauthenticated-reload").result, CheckResult::Warning);
    app.close().await;

    let other = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = other.app().await;
    reload_from_elsewhere(other.agents[0].1.address());
    app.sweep("eu").await.expect("a sweep");
    let reloads = app.node("eu", "gw-1").await.expect("a node").reloads;
    let newest = reloads.last().expect("the reload stands in the history");
    assert_eq!(newest.origin, ReloadOrigin::Elsewhere);
    let checks = app.doctor("eu", &[]).await.expect("checks").checks;
    let foreign = check(&checks, "reloads-not-started-here");
    assert_eq!(foreign.result, CheckResult::Warning);
    let detail = &foreign.evidence[0].detail;
    assert!(detail.starts_with("1 reload was not started here in the last day"), "{detail}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_is_proven_before_it_is_needed() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let before = app.node("eu", "gw-1").await.expect("a node").readiness.expect("told");
    assert!(!before.ready);
    assert!(before.problem.as_deref().is_some_and(|why| why.contains("one bundle only")));
    let checks = app.doctor("eu", &[]).await.expect("checks").checks;
    assert_eq!(check(&checks, "rollback-readiness").result, CheckResult::Warning);

    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    carried_out(&app, &plan).await;
    app.sweep("eu").await.expect("a sweep");
    let after = app.node("eu", "gw-1").await.expect("a node").readiness.expect("told");
    assert!(after.ready, "{after:?}");
    assert_eq!(after.version.as_deref(), Some("1.0.0"));
    assert_eq!(after.verified_by.as_deref(), Some("key signer"));
    assert!(after.path.is_some() && after.digest.is_some(), "{after:?}");
    let checks = app.doctor("eu", &[]).await.expect("checks").checks;
    assert_eq!(check(&checks, "rollback-readiness").result, CheckResult::Passed);
    app.close().await;
}
