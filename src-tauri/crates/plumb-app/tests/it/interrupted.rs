//! A program that ends in the middle of a run, and what the next one makes of it.

use plumb_app::{
    App,
    topics::Topic,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::{GateRequest, RolloutRequest, ShapeRequest},
        run::{RunNodeState, RunPhase},
    },
};
use plumb_fleet::{DesiredVersion, FleetId, NodeId, PlanHash, RunId, Version};
use plumb_journal::{EffectOutcome, Event, Head, Outcome};
use plumb_runbook::{Branch, Effect};
use plumb_store::{Database, JournalRow, Kind};

use crate::{
    runs::carried_out,
    world::{World, page, sync_drifted},
};

/// Leaves the record as a program does that is ended between an intent and its outcome.
async fn crashed_run(world: &World, app: &App, nodes: [&str; 2]) -> RunId {
    let started = |node: &str| Event::EffectStarted {
        node: NodeId::new(node).expect("a name"),
        index: 0,
        effect: Effect::Sync { force: false },
        key: "key".to_owned(),
        branch: Branch::Forward,
    };
    crashed(world, app, &sync_drifted(), nodes.map(started).to_vec()).await
}

/// Leaves the record as a program does that is ended after these events of a run.
async fn crashed(world: &World, app: &App, request: &ActionRequest, events: Vec<Event>) -> RunId {
    let plan = app.prepare_plan("eu", request).await.expect("a plan");
    let hash: PlanHash = plan.hash.parse().expect("a hash");
    let record = Database::open(world.path("data/record.sqlite").as_std_path(), Kind::Record)
        .await
        .expect("opens");
    let run: RunId = "0193a1c2-0000-7000-8000-000000000001".parse().expect("an id");
    let fleet = FleetId::new("eu").expect("a name");
    let mut head = Head::empty(run);
    let begun = Event::RunStarted {
        plan: hash,
        fleet: fleet.clone(),
        operator: "sofiia@laptop".to_owned(),
        targets: 2,
    };
    let rows: Vec<JournalRow> = std::iter::once(begun)
        .chain(events)
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
    let verdict = app.verify_journal(&run, &[], None).await.expect("a verdict");
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

fn version(text: &str) -> Version {
    Version::new(text).expect("a version")
}

fn pinned(to: &str, content: Option<String>) -> ActionRequest {
    ActionRequest {
        version: Some(to.to_owned()),
        content,
        ..ActionRequest::new(ActionKind::Pin, NodeSelection::All)
    }
}

fn about_to_pin(to: &str) -> Event {
    Event::DesiredStarted { version: version(to), content: None }
}

async fn desired(app: &App) -> Option<String> {
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    view.desired.filter(|desired| desired.pinned_by.is_some()).map(|desired| desired.version)
}

/// Pins the fleet as a program did that ended before it wrote down that it had.
async fn pin_without_a_word(world: &World, app: &App, to: &str, file: &str) {
    let record = Database::open(world.path("data/record.sqlite").as_std_path(), Kind::Record)
        .await
        .expect("opens");
    let fleet = FleetId::new("eu").expect("a name");
    let pin = DesiredVersion {
        version: version(to),
        content: Some(world.content(file).parse().expect("a digest")),
        pinned_by: Some("sofiia@laptop".to_owned()),
        since: None,
    };
    let mut write = record.database.write().await.expect("a transaction");
    plumb_store::desired::set(&mut write, &fleet, None, Some(&pin), app.now()).await.expect("set");
    write.commit().await.expect("durable");
    record.database.close().await;
}

#[tokio::test]
async fn a_pin_left_between_intent_and_outcome_is_settled_by_what_stands_in_the_record() {
    for came_to_be in [false, true] {
        let world = World::start(&[("gw-1", "v2.signed.json")]).await;
        let app = world.app().await;
        app.sweep("eu").await.expect("a sweep");
        let run = crashed(&world, &app, &pinned("1.0.0", None), vec![about_to_pin("1.0.0")]).await;
        if came_to_be {
            pin_without_a_word(&world, &app, "1.0.0", "v1.signed.json").await;
        }
        app.sweep("eu").await.expect("a sweep");
        let view = app.run(&run.to_string()).await.expect("a run");
        assert_eq!(view.phase, RunPhase::Interrupted, "{view:?}");
        assert!(view.ended_at_ms.is_some());
        assert_eq!(view.undo.is_some(), came_to_be, "only what was changed is undone");
        let mut journal = Vec::new();
        app.write_journal(&run.to_string(), &mut journal).await.expect("written");
        let journal = String::from_utf8(journal).expect("UTF-8");
        let told = if came_to_be { "\"desired_set\"" } else { "\"pins_unchanged\"" };
        assert_eq!(journal.matches(told).count(), 1, "{journal}");
        app.close().await;
    }
}

#[tokio::test]
async fn a_run_picked_up_before_its_pin_leaves_the_pin_of_somebody_else_alone() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let rollout = RolloutRequest {
        shape: ShapeRequest::OneByOne,
        gate: Some(GateRequest { convergence_percent: Some(100), ..GateRequest::default() }),
        roll_back_on_failure: false,
        failures_tolerated: 0,
    };
    let request = ActionRequest {
        rollout: Some(rollout),
        version: Some("1.0.0".to_owned()),
        ..ActionRequest::new(ActionKind::PinAndSync, NodeSelection::All)
    };
    let run = crashed(&world, &app, &request, vec![about_to_pin("1.0.0")]).await.to_string();
    let other = app
        .prepare_plan("eu", &pinned("2.0.0", Some(world.content("v2-other.signed.json"))))
        .await
        .expect("a plan");
    assert_eq!(carried_out(&app, &other).await.phase, RunPhase::Succeeded);

    app.resume_run(&run).await.expect("picked up");
    let view = app.finished(&run).await.expect("a run");
    assert_eq!(view.phase, RunPhase::Incomplete, "{view:?}");
    for node in &view.nodes {
        assert_eq!(node.state, RunNodeState::Skipped, "{node:?}");
        let why = "the pin of the fleet was changed since the plan was made";
        assert!(node.detail.ends_with(why), "{node:?}");
    }
    assert_eq!(desired(&app).await.as_deref(), Some("2.0.0"), "it stands");
    app.close().await;
}

/// R080: where the way back of a rollout failed, a plan of its own leads back.
#[tokio::test]
async fn a_way_back_that_failed_leads_to_an_undo() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let rollout = RolloutRequest {
        shape: ShapeRequest::OneByOne,
        gate: None,
        roll_back_on_failure: true,
        failures_tolerated: 0,
    };
    let request = ActionRequest { rollout: Some(rollout), ..sync_drifted() };
    let node = || NodeId::new("gw-1").expect("a name");
    let sent = |branch| Event::EffectStarted {
        node: node(),
        index: 0,
        effect: Effect::Sync { force: false },
        key: "key".to_owned(),
        branch,
    };
    let answered =
        |outcome, branch| Event::EffectFinished { node: node(), index: 0, outcome, branch };
    let accepted = EffectOutcome::Accepted { detail: "taken".to_owned() };
    let refused = EffectOutcome::Refused { message: "bad signature".to_owned() };
    let events = vec![
        Event::WaveStarted { wave: 0, name: "gw-1".to_owned(), nodes: 1 },
        sent(Branch::Forward),
        answered(accepted, Branch::Forward),
        Event::RollbackStarted { reason: "errors".to_owned(), by: None },
        sent(Branch::Back),
        answered(refused, Branch::Back),
        Event::RunEnded { outcome: Outcome::Incomplete },
    ];
    let run = crashed(&world, &app, &request, events).await.to_string();
    let view = app.run(&run).await.expect("a run");
    assert_eq!((view.phase, view.failed), (RunPhase::Incomplete, 1), "{view:?}");
    let undo = view.undo.expect("another way back");
    let brought = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    assert_eq!(carried_out(&app, &brought).await.phase, RunPhase::Succeeded);
    let undo = app.prepare_plan("eu", &undo).await.expect("a plan");
    assert_eq!(undo.targets.len(), 1, "{undo:?}");
    assert_eq!(carried_out(&app, &undo).await.phase, RunPhase::Succeeded);
    app.close().await;
}

#[tokio::test]
async fn what_a_run_took_back_is_refused_although_its_program_ended_right_after() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let rollout = RolloutRequest {
        shape: ShapeRequest::OneByOne,
        gate: None,
        roll_back_on_failure: true,
        failures_tolerated: 0,
    };
    let request = ActionRequest { rollout: Some(rollout), ..sync_drifted() };
    let node = || NodeId::new("gw-1").expect("a name");
    let events = vec![
        Event::WaveStarted { wave: 0, name: "gw-1".to_owned(), nodes: 1 },
        Event::EffectStarted {
            node: node(),
            index: 0,
            effect: Effect::Sync { force: false },
            key: "key".to_owned(),
            branch: Branch::Forward,
        },
        Event::RollbackStarted { reason: "refunds are refused".to_owned(), by: None },
        Event::RunEnded { outcome: Outcome::RolledBack },
    ];
    let run = crashed(&world, &app, &request, events).await.to_string();
    assert_eq!(app.refused("eu").await.expect("a view").refused.len(), 0);
    app.sweep("eu").await.expect("a sweep");
    let view = app.refused("eu").await.expect("a view");
    assert_eq!(view.refused.len(), 1, "{view:?}");
    let refused = &view.refused[0];
    assert_eq!((&refused.content, &refused.run), (&world.content("v2.signed.json"), &Some(run)));
    assert!(refused.reason.contains("refunds are refused"), "{}", refused.reason);
    app.close().await;
}
