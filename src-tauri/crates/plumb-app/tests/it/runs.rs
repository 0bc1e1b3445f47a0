//! From a request to proof of arrival, and what must not happen on the way.

use plumb_app::{
    App,
    error::Code,
    views::{
        plan::{ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView},
        run::{RunNodeState, RunPhase, RunView},
    },
};

use crate::world::{World, page, states, sync_drifted};

const THREE: [(&str, &str); 3] =
    [("gw-1", "v2.signed.json"), ("gw-2", "v1.signed.json"), ("gw-3", "v2-other.signed.json")];

/// Starts a plan as its rung of the ladder asks for, and waits for its end.
pub(crate) async fn carried_out(app: &App, plan: &PlanView) -> RunView {
    let phrase = match &plan.confirmation {
        ConfirmationView::Typed { phrase } => Some(phrase.as_str()),
        ConfirmationView::Undo | ConfirmationView::Dialog => None,
    };
    let run = app.start_run(&plan.fleet, &plan.hash, phrase).await.expect("a run");
    app.finished(&run.id).await.expect("a run")
}

#[tokio::test]
async fn syncing_what_drifted_brings_every_node_to_the_desired_content() {
    let world = World::start(&THREE).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    assert_eq!((plan.blast.nodes, plan.startable), (2, true));
    // What gw-3 runs shares its version with another bundle; its content names it.
    assert_eq!(plan.confirmation, ConfirmationView::Dialog);
    assert_eq!(plan.cli, "plumb --fleet eu policy sync --node gw-2 --node gw-3");

    let run = carried_out(&app, &plan).await;
    assert_eq!((run.phase, run.arrived, run.total), (RunPhase::Succeeded, 2, 2), "{run:?}");

    app.sweep("eu").await.expect("a sweep");
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    assert!(states(&view).iter().all(|(_, state)| state == "InSync"), "{:?}", states(&view));
    let again =
        app.prepare_plan("eu", &sync_drifted()).await.expect_err("nothing is drifted any more");
    assert_eq!(again.code, Code::Invalid);
    app.close().await;
}

#[tokio::test]
async fn the_undo_of_a_sync_brings_back_what_ran() {
    let world = World::start(&[("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    assert_eq!(plan.confirmation, ConfirmationView::Undo);
    let run = carried_out(&app, &plan).await;
    let undo = run.undo.expect("a sync of one node can be undone");
    let plan = app.prepare_plan("eu", &undo).await.expect("a plan");
    let run = carried_out(&app, &plan).await;
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    let node = app.node("eu", "gw-2").await.expect("a node");
    assert_eq!(node.row.version.as_deref(), Some("1.0.0"));
    app.close().await;
}

#[tokio::test]
async fn a_plan_that_no_longer_fits_is_refused_with_the_difference() {
    let world = World::start(&THREE).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let shown = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let one = ActionRequest {
        nodes: NodeSelection::Nodes { ids: vec!["gw-2".to_owned()] },
        ..sync_drifted()
    };
    let other = app.prepare_plan("eu", &one).await.expect("a plan");
    carried_out(&app, &other).await;
    let refused = app.start_run("eu", &shown.hash, None).await.expect_err("gw-2 is done already");
    assert_eq!(refused.code, Code::Outdated);
    assert!(refused.message.contains("no longer: 1 (gw-2)"), "{}", refused.message);
    app.close().await;
}

#[tokio::test]
async fn production_wants_the_phrase() {
    let world = World::start(&THREE).await;
    world.write_fleet("environment = \"production\"");
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    assert_eq!(plan.confirmation, ConfirmationView::Typed { phrase: "eu 2".to_owned() });
    for typed in [None, Some("eu 3")] {
        let refused =
            app.start_run("eu", &plan.hash, typed).await.expect_err("the phrase is missing");
        assert_eq!(refused.code, Code::Confirmation);
    }
    let run = app.start_run("eu", &plan.hash, Some("eu 2")).await.expect("a run");
    assert_eq!(app.finished(&run.id).await.expect("a run").phase, RunPhase::Succeeded);
    app.close().await;
}

#[tokio::test]
async fn a_read_only_fleet_plans_nothing() {
    let world = World::start(&THREE).await;
    world.write_fleet("read_only = true");
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let refused = app.prepare_plan("eu", &sync_drifted()).await.expect_err("read-only");
    assert_eq!(refused.message, "fleet eu is read-only");
    assert!(app.node("eu", "gw-2").await.expect("a node").actions.is_empty());
    app.close().await;
}

#[tokio::test]
async fn a_pin_changes_what_is_desired_before_nodes_are_touched() {
    let world = World::start(&THREE).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let ambiguous = ActionRequest {
        version: Some("2.0.0".to_owned()),
        ..ActionRequest::new(ActionKind::PinAndSync, NodeSelection::All)
    };
    let refused =
        app.prepare_plan("eu", &ambiguous).await.expect_err("two bundles have this version");
    assert!(refused.message.contains("names 2 signed bundles"), "{}", refused.message);
    let pin = ActionRequest { version: Some("1.0.0".to_owned()), ..ambiguous };
    let plan = app.prepare_plan("eu", &pin).await.expect("a plan");
    let run = carried_out(&app, &plan).await;
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    let desired = view.desired.clone().expect("a pin");
    assert_eq!((desired.version.as_str(), desired.pinned_by.is_some()), ("1.0.0", true));
    assert!(states(&view).iter().all(|(_, state)| state == "InSync"), "{:?}", states(&view));
    app.close().await;
}

#[tokio::test]
async fn a_node_that_dies_under_a_run_is_named_and_the_rest_arrives() {
    let mut world = World::start(&THREE).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let dead = world.agents.iter().position(|(name, _)| name == "gw-2").expect("there");
    world.agents.remove(dead).1.shutdown().await;
    let run = carried_out(&app, &plan).await;
    assert_eq!((run.phase, run.arrived), (RunPhase::Incomplete, 1), "{run:?}");
    let node = run.nodes.iter().find(|node| node.node == "gw-2").expect("there");
    assert_eq!(node.state, RunNodeState::Failed);
    assert!(!node.detail.is_empty());
    app.close().await;
}

#[tokio::test]
async fn a_plan_runs_once_and_the_same_again_is_the_next_one() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let restart = ActionRequest::new(ActionKind::Restart, NodeSelection::All);
    let mut seen = Vec::new();
    for repeat in 0..3 {
        let plan = app.prepare_plan("eu", &restart).await.expect("a plan");
        let again = app.prepare_plan("eu", &restart).await.expect("a plan");
        assert_eq!((plan.repeat, &plan.hash), (repeat, &again.hash), "nothing ran in between");
        let run = carried_out(&app, &plan).await;
        assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
        seen.push(plan.hash);
    }
    for hash in &seen {
        let refused = app.start_run("eu", hash, None).await.expect_err("it ran");
        assert_eq!(refused.code, Code::Outdated);
        let refused = app.prepare_kept("eu", hash).await.expect_err("it ran");
        assert_eq!(refused.message, "this plan was started already, and a plan runs once");
    }
    app.close().await;
}
