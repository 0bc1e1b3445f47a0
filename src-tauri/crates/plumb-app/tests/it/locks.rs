//! The deployment lock of agents: of two consoles one deploys, and the other one is told who.

use plumb_app::{
    App, AppOptions,
    error::Code,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::RunOrder,
        run::RunPhase,
    },
};

use crate::{
    rollouts::{FOUR, started, sync_in_waves, until},
    world::World,
};

/// Another console of the same fleet, with files of its own.
async fn other_console(world: &World) -> App {
    let options = AppOptions {
        data_dir: world.path("other"),
        operator: "noor@elsewhere".to_owned(),
        ..world.options()
    };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    app.sweep("eu").await.expect("a sweep");
    app
}

/// R041: concurrent updates are kept apart.
#[tokio::test]
async fn a_second_console_is_told_who_deploys_and_gets_its_turn_afterwards() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let other = other_console(&world).await;
    let restart = ActionRequest::new(ActionKind::Restart, NodeSelection::All);
    let before = other.prepare_plan("eu", &restart).await.expect("a plan");
    assert!(before.startable, "{:?}", before.findings);

    let run = started(&app, &sync_in_waves(Some("the canary answers as it should"))).await;
    until(&app, &run.id, |run| run.phase == RunPhase::AtGate).await;
    let held = other.prepare_plan("eu", &restart).await.expect("a plan");
    let finding = held.findings.iter().find(|finding| finding.code == "lock_held");
    let finding = finding.expect("the lock is held");
    assert!(finding.message.contains("holds the deployment lock for another"), "{finding:?}");
    assert!(!held.startable);
    let refused = other.start_run("eu", &before.hash, Some("eu 4")).await.expect_err("held");
    assert!(matches!(refused.code, Code::Invalid | Code::Busy), "{refused:?}");
    assert!(refused.message.contains("deployment lock"), "{}", refused.message);

    app.order_run(&run.id, &RunOrder::Abort).await.expect("an order");
    app.finished(&run.id).await.expect("a run");
    other.sweep("eu").await.expect("a sweep");
    let plan = other.prepare_plan("eu", &restart).await.expect("a plan");
    assert!(plan.startable, "{:?}", plan.findings);
    let run = other.start_run("eu", &plan.hash, Some("eu 4")).await.expect("a run");
    let run = other.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn of_two_consoles_that_start_at_once_at_most_one_changes_a_node() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let other = other_console(&world).await;
    let one = sync_in_waves(Some("the canary answers as it should"));
    let (here, there) = (
        app.prepare_plan("eu", &one).await.expect("a plan"),
        other.prepare_plan("eu", &one).await.expect("a plan"),
    );
    let (here, there) = tokio::join!(
        app.start_run("eu", &here.hash, None),
        other.start_run("eu", &there.hash, None)
    );
    // Each may have got a lock that the other one needs; then neither begins, and both may try again.
    let begun = usize::from(here.is_ok()) + usize::from(there.is_ok());
    assert!(begun <= 1, "{here:?} {there:?}");
    for refused in [here.as_ref().err(), there.as_ref().err()].into_iter().flatten() {
        assert!(refused.message.contains("deployment lock"), "{}", refused.message);
    }
    other.close().await;
    app.close().await;
}
