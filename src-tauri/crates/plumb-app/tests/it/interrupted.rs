//! A program that ends in the middle of a run, and what the next one makes of it.

use plumb_app::{
    App,
    topics::Topic,
    views::run::{RunNodeState, RunPhase},
};
use plumb_fleet::{FleetId, NodeId, PlanHash, RunId};
use plumb_journal::{Event, Head};
use plumb_runbook::{Branch, Effect};
use plumb_store::{Database, JournalRow, Kind};

use crate::world::{World, sync_drifted};

/// Leaves the record as a program does that is ended between an intent and its outcome.
async fn crashed_run(world: &World, app: &App, nodes: [&str; 2]) -> RunId {
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let hash: PlanHash = plan.hash.parse().expect("a hash");
    let record = Database::open(world.path("data/record.sqlite").as_std_path(), Kind::Record)
        .await
        .expect("opens");
    let run: RunId = "0193a1c2-0000-7000-8000-000000000001".parse().expect("an id");
    let fleet = FleetId::new("eu").expect("a name");
    let mut head = Head::empty(run);
    let started = |node: &str| Event::EffectStarted {
        node: NodeId::new(node).expect("a name"),
        index: 0,
        effect: Effect::Sync { force: false },
        key: "key".to_owned(),
        branch: Branch::Forward,
    };
    let begun = Event::RunStarted {
        plan: hash,
        fleet: fleet.clone(),
        operator: "sofiia@laptop".to_owned(),
        targets: 2,
    };
    let rows: Vec<JournalRow> = [begun, started(nodes[0]), started(nodes[1])]
        .into_iter()
        .map(|event| {
            let entry = head.append(app.now(), event);
            JournalRow {
                seq: entry.body.seq,
                at: entry.body.at,
                body: entry.body.canonical(),
                hash: entry.hash,
                previous: entry.body.previous,
            }
        })
        .collect();
    let mut write = record.database.write().await.expect("a transaction");
    plumb_store::runs::insert(&mut write, run, hash, &fleet, "sofiia@laptop", app.now())
        .await
        .expect("kept");
    plumb_store::journal::append(&mut write, run, &rows).await.expect("kept");
    write.commit().await.expect("durable");
    record.database.close().await;
    run
}

#[tokio::test]
async fn a_run_whose_program_ended_is_settled_by_the_next_sweep() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2-other.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let run = crashed_run(&world, &app, ["gw-1", "gw-2"]).await.to_string();
    let view = app.run(&run).await.expect("a run");
    assert_eq!((view.phase, view.in_doubt, view.ended_at_ms), (RunPhase::Interrupted, 2, None));

    app.sweep("eu").await.expect("a sweep");
    let view = app.run(&run).await.expect("a run");
    assert_eq!((view.phase, view.in_doubt, view.failed), (RunPhase::Interrupted, 0, 2), "{view:?}");
    assert!(view.ended_at_ms.is_some());
    assert!(
        view.nodes.iter().all(|node| node.detail.starts_with("still runs ")),
        "{:?}",
        view.nodes
    );
    // Whoever settles it signs what it found.
    let verdict = app.verify_journal(&run, &[]).await.expect("a verdict");
    assert_eq!((verdict.events, verdict.signed_to), (6, Some(6)), "{verdict:?}");
    app.close().await;
}

#[tokio::test]
async fn every_step_of_a_run_is_announced_and_a_plan_starts_once() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let mut heard = app.subscribe();
    let phrase = match &plan.confirmation {
        plumb_app::views::plan::ConfirmationView::Typed { phrase } => Some(phrase.clone()),
        _ => None,
    };
    let run = app.start_run("eu", &plan.hash, phrase.as_deref()).await.expect("a run");
    let again =
        app.start_run("eu", &plan.hash, phrase.as_deref()).await.expect_err("it was started");
    assert!(again.message.contains("started already"), "{}", again.message);
    // Announcements come at most four times a second, so the last one is heard after the end.
    let told = async {
        loop {
            let topics = heard.recv().await.expect("announcements");
            if !topics.contains(&Topic::Run { id: run.id.clone() }) {
                continue;
            }
            let view = app.run(&run.id).await.expect("a run");
            if view.nodes.iter().all(|node| node.state == RunNodeState::Arrived) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), told)
        .await
        .expect("arrival is announced");
    app.close().await;
}
