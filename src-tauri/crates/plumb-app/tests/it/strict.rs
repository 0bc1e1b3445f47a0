//! Agents that verify approvals by themselves: handed the plan by the console, and shut to everything else.

use plumb_app::{
    actions::approve::{Answer, Answering},
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        run::{RunNodeState, RunPhase},
    },
};

use crate::{refused::Ruled, world::World};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

#[tokio::test]
async fn what_was_approved_is_carried_out_on_nodes_that_verify_it_themselves() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), true).await;
    let app = ruled.app(&world).await;
    let request = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    let plan = app.prepare_plan("eu", &request).await.expect("a plan");
    let not_enforced = |code: &str| plan.findings.iter().any(|finding| finding.code == code);
    assert!(!not_enforced("approval_not_enforced"), "{:?}", plan.findings);

    let rick = ruled.key(&world, "rick");
    let (file, _) = app.request_approval(&plan.hash, None, &rick).await.expect("asked");
    for (name, role) in [("mara", "storage"), ("sana", "platform-security")] {
        let answering = Answering {
            answer: Answer::Approve,
            role: Some(role.to_owned()),
            valid_h: None,
            key: ruled.key(&world, name),
        };
        let (envelope, _) = app.answer_request(&file, &answering).await.expect("signed");
        app.add_approval("eu", &envelope).await.expect("added");
    }
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 2), "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn a_console_without_the_roster_changes_nothing_there() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), true).await;
    // A console that knows of no roster asks nobody.
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let request = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    let plan = app.prepare_plan("eu", &request).await.expect("a plan");
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Incomplete, 0), "{run:?}");
    for node in &run.nodes {
        assert_eq!(node.state, RunNodeState::Failed);
        assert!(node.detail.contains("did not take the plan"), "{}", node.detail);
    }
    let view = app.fleet_overview("eu", &crate::world::page("")).await.expect("a view");
    assert!(view.rows.iter().all(|row| row.version.as_deref() == Some("1.0.0")));
    app.close().await;
}

#[tokio::test]
async fn nodes_on_which_only_the_console_keeps_approval_are_named() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let request = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    let plan = app.prepare_plan("eu", &request).await.expect("a plan");
    let found = plan.findings.iter().find(|finding| finding.code == "approval_not_enforced");
    let found = found.expect("a note");
    assert!(found.message.contains("2 (gw-1, gw-2)"), "{}", found.message);
    app.close().await;
}
