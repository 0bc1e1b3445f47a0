//! Settings and pins as plans over real agents, and the way back of a run.

use plumb_app::{
    App, AppOptions,
    error::Code,
    views::{
        journal::JournalVerdict,
        plan::{ActionKind, ActionRequest, ConfirmationView, NodeSelection},
        run::{RunPhase, RunView},
    },
};

use crate::{
    runs::carried_out,
    world::{World, page, sync_drifted},
};

fn only(id: &str) -> NodeSelection {
    NodeSelection::Nodes { ids: vec![id.to_owned()] }
}

fn set(key: &str, value: &str, nodes: NodeSelection) -> ActionRequest {
    ActionRequest {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
        ..ActionRequest::new(ActionKind::SetConfig, nodes)
    }
}

/// Pins the whole fleet.
fn pin(kind: ActionKind, version: &str, content: &str) -> ActionRequest {
    ActionRequest {
        version: Some(version.to_owned()),
        content: Some(content.to_owned()),
        ..ActionRequest::new(kind, NodeSelection::All)
    }
}

/// Plans, starts and ends a request, and checks that its journal verifies.
async fn done(app: &App, request: &ActionRequest) -> RunView {
    let plan = app.prepare_plan("eu", request).await.expect("a plan");
    let run = carried_out(app, &plan).await;
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    let verdict = app.verify_journal(&run.id, &[], None).await.expect("a verdict");
    assert_eq!((verdict.verdict, verdict.plan_matches), (JournalVerdict::Complete, true));
    run
}

async fn undone(app: &App, run: RunView) -> RunView {
    let undo = run.undo.expect("it can be undone");
    done(app, &undo).await
}

/// What a node is told and runs: content, pin and locking as its newest report has them.
async fn stands(app: &App, id: &str) -> (String, Option<String>, Option<String>) {
    let node = app.node("eu", id).await.expect("a node");
    let line =
        |key: &str| node.config.iter().find(|line| line.key == key).map(|line| line.value.clone());
    let content = node.row.content.clone().expect("it tells its content");
    (content, line("pinned.version"), line("deployment.locking"))
}

/// What the console wants of the fleet, and whether somebody pinned it.
async fn wanted(app: &App) -> (String, bool) {
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    let desired = view.desired.expect("a desired version");
    (desired.version, desired.pinned_by.is_some())
}

#[tokio::test]
async fn a_setting_is_planned_proven_kept_in_the_journal_and_undone() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let lock = set("deployment.locking", "true", only("gw-1"));
    let plan = app.prepare_plan("eu", &lock).await.expect("a plan");
    assert_eq!(plan.confirmation, ConfirmationView::Undo);
    assert_eq!(plan.targets[0].effects, ["set deployment.locking to true (before: false)"]);
    assert_eq!(plan.targets[0].undo, "set deployment.locking to false");
    assert_eq!(plan.cli, "plumb --fleet eu policy config set deployment.locking true --node gw-1");
    assert!(plan.curl[0].contains("/v1/agent/config"), "{:?}", plan.curl);
    let run = done(&app, &lock).await;
    assert_eq!(run.nodes[0].detail, "deployment.locking is true");
    assert_eq!(stands(&app, "gw-1").await.2.as_deref(), Some("true"));
    assert_eq!(stands(&app, "gw-2").await.2.as_deref(), Some("false"));
    let again = app.prepare_plan("eu", &lock).await.expect("a plan");
    assert!(again.empty, "{again:?}");
    undone(&app, run).await;
    assert_eq!(stands(&app, "gw-1").await.2.as_deref(), Some("false"));

    let many = set("bundle.polling.min_delay_seconds", "007", NodeSelection::All);
    let plan = app.prepare_plan("eu", &many).await.expect("a plan");
    assert_eq!(plan.confirmation, ConfirmationView::Dialog);
    assert!(plan.title.ends_with("to 7"), "{}", plan.title);
    for (key, value) in [("deployment.locking", "perhaps"), ("no.such.key", "1")] {
        let refused = app.prepare_plan("eu", &set(key, value, only("gw-1"))).await;
        assert_eq!(refused.expect_err("not a setting").code, Code::Invalid);
    }
    app.close().await;
}

#[tokio::test]
async fn a_setting_that_the_node_refuses_fails_and_stays() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    // The shortest delay may not be above the longest.
    let wrong = set("bundle.polling.min_delay_seconds", "86400000", only("gw-1"));
    let plan = app.prepare_plan("eu", &wrong).await.expect("a plan");
    let run = carried_out(&app, &plan).await;
    assert_eq!((run.phase, run.failed), (RunPhase::Incomplete, 1), "{run:?}");
    assert_eq!(run.undo, None);
    app.close().await;
}

#[tokio::test]
async fn a_setting_changed_behind_the_plan_is_left_alone() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let ten = set("bundle.polling.min_delay_seconds", "10", only("gw-1"));
    let plan = app.prepare_plan("eu", &ten).await.expect("a plan");
    // Somebody else, with records of their own, changes it meanwhile.
    let options = AppOptions { data_dir: world.path("elsewhere"), ..world.options() };
    let other = App::open(options).await.expect("the files open");
    other.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    other.sweep("eu").await.expect("a sweep");
    done(&other, &set("bundle.polling.min_delay_seconds", "7", only("gw-1"))).await;
    other.close().await;
    let run = carried_out(&app, &plan).await;
    assert_eq!(run.phase, RunPhase::Incomplete);
    assert!(run.nodes[0].detail.contains("is 7, no longer"), "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn the_undo_of_a_pin_brings_back_content_and_both_pins() {
    let world = World::start(&[("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let (one, two) = (world.content("v1.signed.json"), world.content("v2.signed.json"));
    let never = stands(&app, "gw-2").await;
    assert_eq!((never.0.as_str(), &never.1), (one.as_str(), &None));
    let first = done(&app, &pin(ActionKind::Pin, "1.0.0", &one)).await;
    assert_eq!(wanted(&app).await, ("1.0.0".to_owned(), true));
    assert_eq!(stands(&app, "gw-2").await.1.as_deref(), Some("1.0.0"));
    let second = done(&app, &pin(ActionKind::PinAndSync, "2.0.0", &two)).await;
    assert_eq!(stands(&app, "gw-2").await.0, two);
    undone(&app, second).await;
    assert_eq!(wanted(&app).await, ("1.0.0".to_owned(), true));
    let back = stands(&app, "gw-2").await;
    assert_eq!((back.0.as_str(), back.1.as_deref()), (one.as_str(), Some("1.0.0")));
    let lifted = undone(&app, first).await;
    assert_eq!(wanted(&app).await, ("2.0.0".to_owned(), false));
    assert_eq!(stands(&app, "gw-2").await, never);
    // An undo is a run like any other, and can be undone.
    undone(&app, lifted).await;
    assert_eq!(wanted(&app).await, ("1.0.0".to_owned(), true));
    assert_eq!(stands(&app, "gw-2").await.1.as_deref(), Some("1.0.0"));
    app.close().await;
}

#[tokio::test]
async fn the_undo_of_a_sync_leaves_no_pin_where_there_was_none_and_names_content_not_version() {
    let world = World::start(&[("gw-3", "v2-other.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let before = stands(&app, "gw-3").await;
    assert_eq!(before.0, world.content("v2-other.signed.json"));
    let run = done(&app, &sync_drifted()).await;
    assert_eq!(stands(&app, "gw-3").await.1.as_deref(), Some("2.0.0"));
    undone(&app, run).await;
    assert_eq!(stands(&app, "gw-3").await, before);
    app.close().await;
}

#[tokio::test]
async fn the_undo_of_a_rollback_brings_back_what_ran_before_it() {
    let world = World::start(&[("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    done(&app, &sync_drifted()).await;
    let before = stands(&app, "gw-2").await;
    let back = done(&app, &ActionRequest::new(ActionKind::Rollback, only("gw-2"))).await;
    assert_eq!(stands(&app, "gw-2").await.1.as_deref(), Some("1.0.0"));
    undone(&app, back).await;
    assert_eq!(stands(&app, "gw-2").await, before);
    app.close().await;
}

#[tokio::test]
async fn pins_are_lifted_by_a_plan_and_pinned_again_by_its_undo() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let unpin = ActionRequest::new(ActionKind::Unpin, NodeSelection::All);
    assert!(app.prepare_plan("eu", &unpin).await.expect("a plan").empty);
    let one = world.content("v1.signed.json");
    done(&app, &pin(ActionKind::Pin, "1.0.0", &one)).await;
    let plan = app.prepare_plan("eu", &unpin).await.expect("a plan");
    assert_eq!((plan.confirmation.clone(), plan.blast.nodes), (ConfirmationView::Dialog, 2));
    assert_eq!(plan.pins, ["lift the pin of the fleet"]);
    assert_eq!(plan.cli, "plumb --fleet eu policy unpin --all-nodes");
    let run = done(&app, &unpin).await;
    assert_eq!(run.nodes[0].detail, "has no pin");
    assert_eq!(wanted(&app).await, ("2.0.0".to_owned(), false));
    assert_eq!(stands(&app, "gw-1").await.1, None);
    assert!(app.prepare_plan("eu", &unpin).await.expect("a plan").empty);
    undone(&app, run).await;
    assert_eq!(wanted(&app).await, ("1.0.0".to_owned(), true));
    assert_eq!(stands(&app, "gw-1").await.1.as_deref(), Some("1.0.0"));
    assert_eq!(stands(&app, "gw-2").await.1.as_deref(), Some("1.0.0"));
    app.close().await;
}

#[tokio::test]
async fn an_undo_names_a_run_and_nothing_else() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let undo = |run: &str, nodes| ActionRequest {
        run: Some(run.to_owned()),
        ..ActionRequest::new(ActionKind::Undo, nodes)
    };
    let unknown = "01a22903-be61-79ab-b838-cc5cd9ede734";
    for (request, code) in [
        (undo("nonsense", NodeSelection::All), Code::Invalid),
        (undo(unknown, only("gw-1")), Code::Invalid),
        (undo(unknown, NodeSelection::All), Code::NotFound),
    ] {
        let refused = app.prepare_plan("eu", &request).await.expect_err("no such run");
        assert_eq!(refused.code, code, "{refused:?}");
    }
    app.close().await;
}
