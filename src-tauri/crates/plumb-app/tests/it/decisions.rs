//! What a plan changes in the answers of its nodes: compared by a dry run, signed for, and void when another set of
//! answers changes.

use std::fs;

use plumb_app::{
    App,
    error::Code,
    impact::Looked,
    views::{
        dry_run::ContentChangeView,
        impact::ImpactView,
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
    },
};
use plumb_evidence::Archive;
use plumb_fleet::Digest;
use plumb_runbook::{ApprovalRequest, DryRun};

use crate::{
    company::{Company, console_of_rick},
    world::{World, sealed_evidence},
};

/// What the second version refuses and the first does not.
const REFUND: &str = r#"[{"capability_id": "payments.refund.partial", "count": 40}]"#;
const READ: &str = r#"[{"capability_id": "payments.read.own", "count": 40}]"#;

async fn world_that_asks(requests: &str) -> World {
    let nodes = [("gw-1", "v1.signed.json"), ("gw-2", "v2-other.signed.json")];
    let world = World::start(&nodes).await;
    fs::write(world.path("requests.json"), requests).expect("written");
    world.write_fleet("decisions = { requests = \"requests.json\" }");
    world
}

fn looked(from: &str, to: &str) -> Looked {
    Looked { from: from.to_owned(), to: to.to_owned(), reading: None }
}

async fn planned(app: &App) -> PlanView {
    app.sweep("eu").await.expect("a sweep");
    let sync = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    app.prepare_plan("eu", &sync).await.expect("a plan")
}

#[tokio::test]
async fn a_dry_run_tells_what_each_change_of_content_changes() {
    let world = world_that_asks(READ).await;
    let app = world.app().await;
    let plan = planned(&app).await;
    let report = app.dry_run(&plan.hash).await.expect("a dry run");
    let [first, second] = report.decisions.as_slice() else { panic!("{report:?}") };
    for change in [first, second] {
        assert_eq!(change.not_compared, None, "{change:?}");
        assert_eq!(change.to_version.as_deref(), Some("2.0.0"));
        assert!(change.stricter > 0 && change.wider == 0, "a refund is refused now: {change:?}");
        assert_eq!(change.flips, change.stricter, "and nothing else changes: {change:?}");
    }
    let again = app.dry_run(&plan.hash).await.expect("a dry run");
    assert_eq!((again.digest, again.changed), (report.digest, Vec::new()));

    fs::remove_file(world.path("bundles/v1.signed.json")).expect("removed");
    let other = world.app_of("another").await;
    let plan = planned(&other).await;
    let report = other.dry_run(&plan.hash).await.expect("a dry run");
    let untold = |change: &&ContentChangeView| change.not_compared.is_some();
    let untold: Vec<_> = report.decisions.iter().filter(untold).collect();
    assert_eq!(untold.len(), 1, "{report:?}");
    assert!(untold[0].sentence.contains("is at hand"), "{untold:?}");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn two_contents_are_compared_for_whoever_looks_at_them() {
    let world = world_that_asks(READ).await;
    let app = world.app().await;
    planned(&app).await;
    let (v1, v2) = (world.content("v1.signed.json"), world.content("v2.signed.json"));
    let mut told = Vec::new();
    let hear = |so_far: &ImpactView| told.push((so_far.asked, so_far.flips.len()));
    let view = app.impact_of("eu", &looked(&v1, &v2), hear).await.expect("both are at hand");
    assert!(view.digest.is_some() && view.flips.iter().all(|flip| flip.change == "stricter"));
    assert_eq!((&view.from.content, &view.to.content), (&v1, &v2));
    assert_eq!(told.last(), Some(&(view.asked, view.flips.len())), "{told:?}");
    assert!(view.requests.generated > 0 && view.from.coverage.is_some(), "{view:?}");
    let back = app.impact_of("eu", &looked(&v2, &v1), |_| {}).await.expect("the other way round");
    assert!(back.flips.iter().all(|flip| flip.change == "wider"), "{back:?}");
    let gone = app.impact_of("eu", &looked(&v1, &"0a".repeat(32)), |_| {}).await;
    assert_eq!(gone.expect_err("no such bundle").code, Code::NotFound);
    let short = app.impact_of("eu", &looked(&v1, "0a0a"), |_| {}).await;
    assert_eq!(short.expect_err("not a whole digest").code, Code::Invalid);
    app.close().await;
}

#[tokio::test]
async fn approvals_are_of_the_decisions_that_change_and_void_when_others_do() {
    let world = world_that_asks(READ).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    let plan = planned(&app).await.hash;
    let (request, _) = company.ask(&app, &plan).await;
    let shown = app.look_at_request(&request).await.expect("a request");
    // Each change of content, and under it what flips by which rules, with an example.
    assert_eq!(shown.decisions.len(), 4, "{shown:?}");
    assert!(shown.decisions[0].contains("let less through"), "{shown:?}");
    assert!(shown.decisions[1].contains(" becomes deny by payments.refund: "), "{shown:?}");
    assert!(shown.decisions[1].contains("for example {"), "{shown:?}");
    for who in ["mara", "piet"] {
        company.approve(&app, &request, who).await;
    }
    let standing = app.approvals_of(&plan).await.expect("they stand somehow");
    assert!(standing.consented, "{standing:?}");

    // What is asked for every day turns out to be refused from now on.
    fs::write(world.path("requests.json"), REFUND).expect("written");
    let error = app.start_run("eu", &plan, None).await.expect_err("nobody signed for that");
    assert_eq!(error.code, Code::Outdated, "{error:?}");
    assert!(error.message.contains("let less through"), "{error:?}");
    let standing = app.approvals_of(&plan).await.expect("they stand somehow");
    assert!(!standing.consented);
    assert_eq!(standing.void.len(), 3, "{standing:?}");
    for void in &standing.void {
        assert!(void.reason.contains("changed decisions was "), "{void:?}");
        assert_eq!(void.changes.len(), 2, "{void:?}");
    }
    company.agree(&app, &plan).await;
    let run = app.start_run("eu", &plan, None).await.expect("everybody consented again");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.arrived, 2, "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn the_evidence_of_a_run_holds_the_decisions_that_were_signed_for() {
    let world = world_that_asks(READ).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    let plan = planned(&app).await.hash;
    let (request, _) = company.ask(&app, &plan).await;
    for who in ["mara", "piet"] {
        company.approve(&app, &request, who).await;
    }
    let run = app.start_run("eu", &plan, None).await.expect("everybody consented").id;
    app.finished(&run).await.expect("a run");
    // What the same plan would change later is not what was agreed to.
    fs::write(world.path("requests.json"), REFUND).expect("written");
    let later = app.dry_run(&plan).await.expect("a dry run");

    let path = sealed_evidence(&world, &app, Some(&run), false).await;
    app.close().await;
    let bytes = fs::read(&path).expect("a file");
    let archive = Archive::open(bytes.as_slice()).expect("an archive");
    let sealed =
        archive.entries().iter().find(|entry| entry.name.as_str().ends_with("/dry-run.json"));
    let sealed = archive.document(sealed.expect("a dry run")).expect("it reads");
    let report: DryRun = serde_json::from_slice(&sealed).expect("a report");
    let signed = ApprovalRequest::read(&request).expect("a request").evidence;
    assert!(signed.decisions.is_some(), "approving meant approving changed decisions");
    assert_eq!(report.decisions_digest(), signed.decisions);
    assert_eq!(Some(Digest::of(&sealed)), signed.dry_run);
    assert_ne!(Digest::of(&sealed).to_string(), later.digest);
}

#[tokio::test]
async fn a_bundle_that_is_exchanged_after_consent_voids_it() {
    let world = world_that_asks(READ).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    let plan = planned(&app).await.hash;
    company.agree(&app, &plan).await;
    assert!(app.approvals_of(&plan).await.expect("they stand somehow").consented);
    let bundles = world.path("bundles");
    fs::copy(bundles.join("v1.signed.json"), bundles.join("v2.signed.json")).expect("copied");
    let error = app.start_run("eu", &plan, None).await.expect_err("nobody signed for that");
    assert_eq!(error.code, Code::Outdated, "{error:?}");
    assert!(error.message.contains("is another bundle now"), "{error:?}");
    let standing = app.approvals_of(&plan).await.expect("they stand somehow");
    assert!(!standing.consented && standing.void.len() == 3, "{standing:?}");
    app.close().await;
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_told_and_keep_nobody_from_acting() {
    let world = world_that_asks("{\"x\": 1}").await;
    let app = world.app().await;
    let plan = planned(&app).await;
    let report = app.dry_run(&plan.hash).await.expect("a dry run");
    assert_eq!(report.decisions.len(), 2, "{report:?}");
    for change in &report.decisions {
        let untold = change.not_compared.as_deref().expect("not compared");
        assert!(untold.starts_with("requests.json: "), "{change:?}");
    }
    app.close().await;
}
