//! Window and command line over the same two files.

use plumb_app::{
    App, AppOptions,
    topics::Topic,
    views::plan::{ActionKind, ActionRequest, NodeSelection},
};

use crate::world::{World, page, sync_drifted};

fn window(world: &World) -> AppOptions {
    AppOptions { sweep_on_period: true, ..world.options() }
}

#[tokio::test]
async fn a_pin_by_one_process_is_seen_by_the_other() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let command = world.app().await;
    command.sweep("eu").await.expect("a sweep");
    let window = App::open(window(&world)).await.expect("the files open twice");
    let mut heard = window.subscribe();

    let pin = ActionRequest {
        version: Some("1.0.0".to_owned()),
        ..ActionRequest::new(ActionKind::Pin, NodeSelection::All)
    };
    let plan = command.prepare_plan("eu", &pin).await.expect("a plan");
    let run = command.start_run("eu", &plan.hash, None).await.expect("a run");
    command.finished(&run.id).await.expect("a run");

    let desired = async {
        loop {
            let topics = heard.recv().await.expect("the window announces");
            if !topics.iter().any(|topic| matches!(topic, Topic::Fleet { .. })) {
                continue;
            }
            let view = window.fleet_overview("eu", &page("")).await.expect("a view");
            if view.desired.as_ref().is_some_and(|desired| desired.version == "1.0.0") {
                return view.desired.and_then(|desired| desired.pinned_by);
            }
        }
    };
    let pinned_by = tokio::time::timeout(std::time::Duration::from_secs(20), desired)
        .await
        .expect("within a look");
    assert!(pinned_by.is_some());
    assert_eq!(window.runs("eu").await.expect("runs").len(), 1);
    window.close().await;
    command.close().await;
}

#[tokio::test]
async fn a_run_of_one_process_is_picked_up_by_the_other_while_it_goes_on() {
    let mut world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let command = world.app().await;
    command.sweep("eu").await.expect("a sweep");
    let window = App::open(window(&world)).await.expect("the files open twice");
    let mut heard = window.subscribe();
    assert_eq!(window.live_run("eu").await.expect("readable"), None);
    let plan = command.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    // From now on the node takes requests and never answers: the run would last until its deadline.
    let address = world.agents[0].1.address();
    world.stop_agents().await;
    let silent = std::net::TcpListener::bind(address).expect("the address is free");
    let run = command.start_run("eu", &plan.hash, None).await.expect("a run");

    assert_eq!(window.live_run("eu").await.expect("readable"), Some(run.id.clone()));
    let told = async {
        let wanted = Topic::Run { id: run.id.clone() };
        while !heard.recv().await.expect("the window announces").contains(&wanted) {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), told).await.expect("within a look");
    drop(silent);
    // Nobody waits for a node that will not come back.
    command.abort_run(&run.id).expect("its owner may end it");
    command.finished(&run.id).await.expect("a run");
    assert_eq!(window.live_run("eu").await.expect("readable"), None);
    let former = window.runs("eu").await.expect("runs");
    assert_eq!(former.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), [run.id.as_str()]);
    window.close().await;
    command.close().await;
}
