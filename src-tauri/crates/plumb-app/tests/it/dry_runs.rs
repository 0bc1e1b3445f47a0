//! Consent bound to what a dry run found: asked, signed, and void when another one finds something else.

use plumb_app::{
    error::Code,
    views::plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
};

use crate::{
    company::{Company, console_of_rick},
    world::World,
};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

fn sync_all() -> ActionRequest {
    ActionRequest::new(ActionKind::Sync, NodeSelection::All)
}

async fn planned(app: &plumb_app::App) -> PlanView {
    app.sweep("eu").await.expect("a sweep");
    app.prepare_plan("eu", &sync_all()).await.expect("a plan")
}

#[tokio::test]
async fn a_dry_run_asks_every_node_and_finds_the_same_again() {
    let mut world = World::start(&TWO).await;
    let app = world.app().await;
    let plan = planned(&app).await;
    assert_eq!(app.newest_dry_run(&plan.hash).await.expect("looked"), None);
    let first = app.dry_run(&plan.hash).await.expect("a dry run");
    let said: Vec<(&str, &str, &str)> = first
        .nodes
        .iter()
        .map(|node| (node.node.as_str(), node.ready.as_str(), node.precondition.as_str()))
        .collect();
    let fine = |name: &'static str| (name, "is ready", "is as planned for");
    assert_eq!(said, [fine("gw-1"), fine("gw-2")]);
    assert_eq!((first.hindered, first.summary.len()), (0, 1), "{first:?}");
    assert_eq!(
        first.nodes[0].runs_content.as_deref(),
        Some(world.content("v1.signed.json").as_str())
    );
    let again = app.dry_run(&plan.hash).await.expect("a dry run");
    assert_eq!((&again.digest, again.changed.as_slice()), (&first.digest, &[][..]));

    let (_, agent) = world.agents.pop().expect("two agents");
    agent.shutdown().await;
    let silent = app.dry_run(&plan.hash).await.expect("a dry run");
    assert_ne!(silent.digest, first.digest);
    assert_eq!(silent.hindered, 1, "{silent:?}");
    assert_eq!(silent.changed.len(), 1, "{silent:?}");
    assert!(silent.changed[0].starts_with("gw-2 did not say whether it is ready"), "{silent:?}");
    let kept = app.newest_dry_run(&plan.hash).await.expect("looked").expect("it is kept");
    assert_eq!((kept.digest, kept.nodes), (silent.digest, silent.nodes));
    app.close().await;
}

#[tokio::test]
async fn a_plan_starts_with_the_dry_run_that_was_signed() {
    let world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    let plan = planned(&app).await;
    let (request, signed) = company.ask(&app, &plan.hash).await;
    let shown = app.look_at_request(&request).await.expect("a request");
    assert_eq!(shown.found.len(), 1, "{shown:?}");
    assert!(shown.found[0].starts_with("2 nodes: "), "{shown:?}");
    let report = app.newest_dry_run(&plan.hash).await.expect("looked").expect("one was made");
    assert_eq!(shown.dry_run.as_deref(), Some(report.digest.as_str()));
    assert_eq!(signed.request.dry_run, shown.dry_run);
    let other = String::from_utf8(request.clone()).expect("JSON").replace("holds", "no_answer");
    let error = app.look_at_request(other.as_bytes()).await.expect_err("another report");
    assert!(error.message.contains("its dry run is not the one it names"), "{error:?}");

    for who in ["mara", "piet"] {
        company.approve(&app, &request, who).await;
    }
    let run = app.start_run("eu", &plan.hash, None).await.expect("everybody consented");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.arrived, 2, "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn a_dry_run_that_finds_something_else_voids_what_was_signed_and_names_it() {
    let mut world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    let plan = planned(&app).await.hash;
    company.agree(&app, &plan).await;
    let (_, agent) = world.agents.pop().expect("two agents");
    agent.shutdown().await;
    let error = app.start_run("eu", &plan, None).await.expect_err("gw-2 is gone");
    assert_eq!(error.code, Code::Outdated, "{error:?}");
    assert!(error.message.contains("gw-2 did not say whether it is ready"), "{error:?}");
    let standing = app.approvals_of(&plan).await.expect("they stand somehow");
    assert!(!standing.consented);
    assert_eq!(standing.void.len(), 3, "{standing:?}");
    for void in &standing.void {
        assert_eq!(void.code, "changed");
        assert!(void.reason.contains("dry run was "), "{void:?}");
        assert_eq!(void.changes.len(), 1, "{void:?}");
        assert!(void.changes[0].starts_with("gw-2 "), "{void:?}");
    }
    app.close().await;
}
