//! Rollouts over real agents: wave by wave, past gates, stopped, brought back, picked up.

use plumb_app::{
    App,
    error::Code,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::{GateRequest, RolloutRequest, RunOrder, RunWaveState, ShapeRequest},
        run::{RunNodeState, RunPhase, RunView},
    },
};

use crate::world::World;

pub(crate) const FOUR: [(&str, &str); 4] = [
    ("gw-1", "v1.signed.json"),
    ("gw-2", "v1.signed.json"),
    ("gw-3", "v1.signed.json"),
    ("gw-4", "v1.signed.json"),
];

/// A canary, half of the nodes, the rest; each must run the content wanted.
pub(crate) fn sync_in_waves(attest: Option<&str>) -> ActionRequest {
    let gate = GateRequest {
        convergence_percent: Some(100),
        attest: attest.map(str::to_owned),
        ..GateRequest::default()
    };
    let rollout = RolloutRequest {
        shape: ShapeRequest::Shares { canary: None, percent: vec![50] },
        gate: Some(gate),
        roll_back_on_failure: false,
        failures_tolerated: 0,
    };
    ActionRequest {
        rollout: Some(rollout),
        ..ActionRequest::new(ActionKind::Sync, NodeSelection::All)
    }
}

pub(crate) async fn started(app: &App, request: &ActionRequest) -> RunView {
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", request).await.expect("a plan");
    app.start_run("eu", &plan.hash, None).await.expect("a run")
}

/// The run as soon as it is as wanted; asked again when it is said to have moved.
pub(crate) async fn until(app: &App, run: &str, wanted: impl Fn(&RunView) -> bool) -> RunView {
    let mut topics = app.subscribe();
    loop {
        let view = app.run(run).await.expect("a run");
        if wanted(&view) {
            return view;
        }
        topics.recv().await.expect("the application is open");
    }
}

/// Says of both gates that they may open, each as soon as it waits for that; then every node arrives.
async fn attested_to_its_end(app: &App, run: &str) {
    for wave in 0..2 {
        until(app, run, |run| {
            let rollout = run.rollout.as_ref().expect("a rollout");
            rollout.waves[wave].waits_for_attestation
        })
        .await;
        let wave = u32::try_from(wave).expect("few");
        let attest = RunOrder::Attest { wave, note: "looked at its answers".to_owned() };
        app.order_run(run, &attest).await.expect("attested");
    }
    let run = app.finished(run).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 4), "{run:?}");
}

fn waves(run: &RunView) -> Vec<(String, RunWaveState)> {
    let rollout = run.rollout.as_ref().expect("a rollout");
    rollout.waves.iter().map(|wave| (wave.name.clone(), wave.state)).collect()
}

#[tokio::test]
async fn every_wave_waits_for_the_gate_of_the_one_before() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(None)).await;
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 4), "{run:?}");
    let passed = |name: &str| (name.to_owned(), RunWaveState::Passed);
    assert_eq!(waves(&run), [passed("canary"), passed("50 %"), passed("100 %")]);
    app.close().await;
}

#[tokio::test]
async fn a_gate_that_asks_for_a_person_waits_for_one() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(Some("the canary answers as it should"))).await;
    let waiting = until(&app, &run.id, |run| {
        run.rollout.as_ref().is_some_and(|rollout| rollout.waves[0].waits_for_attestation)
    })
    .await;
    assert_eq!((waiting.phase, waiting.arrived), (RunPhase::AtGate, 1));
    let early = RunOrder::Attest { wave: 1, note: "too early".to_owned() };
    let error = app.order_run(&run.id, &early).await.expect_err("wave 2 has not begun");
    assert_eq!(error.code, Code::Invalid);
    attested_to_its_end(&app, &run.id).await;
    app.close().await;
}

/// R283, R294.
#[tokio::test]
async fn a_canary_that_fails_stops_the_run_before_any_other_node() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_in_waves(None)).await.expect("a plan");
    let canary = plan.rollout.as_ref().expect("waves").waves[0].nodes[0].clone();
    // Agents refuse what they cannot find.
    std::fs::remove_file(world.path("bundles/v2.signed.json")).expect("a bundle");
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    let halted = until(&app, &run.id, |run| run.phase == RunPhase::Halted).await;
    let untouched = halted.nodes.iter().filter(|node| node.node != canary);
    assert!(untouched.clone().all(|node| node.state == RunNodeState::Waiting), "{halted:?}");
    let rollout = halted.rollout.expect("a rollout");
    assert_eq!(rollout.waves[0].state, RunWaveState::Halted, "{rollout:?}");
    assert!(rollout.halted.is_some_and(|why| why.contains(&canary)));
    let abort = app.order_run(&run.id, &RunOrder::Abort).await.expect("an order");
    assert!(abort.phase != RunPhase::Succeeded);
    let ended = app.finished(&run.id).await.expect("a run");
    assert_eq!((ended.phase, ended.arrived), (RunPhase::Aborted, 0), "{ended:?}");
    app.close().await;
}

#[tokio::test]
async fn a_rollout_is_brought_back_wave_by_wave_when_somebody_says_so() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(Some("the canary answers as it should"))).await;
    until(&app, &run.id, |run| run.phase == RunPhase::AtGate).await;
    let without = RunOrder::RollBack { reason: " ".to_owned() };
    let error = app.order_run(&run.id, &without).await.expect_err("a reason is asked for");
    assert_eq!(error.code, Code::Invalid);
    let back = RunOrder::RollBack { reason: "refunds are refused".to_owned() };
    app.order_run(&run.id, &back).await.expect("an order");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::RolledBack, "{run:?}");
    assert!(run.nodes.iter().any(|node| node.state == RunNodeState::RolledBack), "{run:?}");
    let view = app.fleet_overview("eu", &crate::world::page("")).await.expect("a view");
    assert!(view.rows.iter().all(|row| row.version.as_deref() == Some("1.0.0")), "{:?}", view.rows);
    app.close().await;
}

/// R283, R294: what the rule says happens without anybody.
#[tokio::test]
async fn a_wave_that_fails_takes_the_way_back_by_itself_where_the_rule_says_so() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let mut request = sync_in_waves(Some("the canary answers as it should"));
    request.rollout.as_mut().expect("a rollout").roll_back_on_failure = true;
    let run = started(&app, &request).await;
    let waits = until(&app, &run.id, |run| {
        run.rollout.as_ref().is_some_and(|rollout| rollout.waves[0].waits_for_attestation)
    })
    .await;
    assert_eq!(waits.arrived, 1);
    let brought = world.content("v2.signed.json");
    // The next ones refuse what they cannot find.
    std::fs::remove_file(world.path("bundles/v2.signed.json")).expect("a bundle");
    let attest = RunOrder::Attest { wave: 0, note: "looked at its answers".to_owned() };
    app.order_run(&run.id, &attest).await.expect("attested");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::RolledBack, "{run:?}");
    let states: Vec<RunNodeState> = run.nodes.iter().map(|node| node.state).collect();
    assert!(states.contains(&RunNodeState::RolledBack), "{run:?}");
    assert!(states.contains(&RunNodeState::Waiting), "the last wave was not touched: {run:?}");
    let view = app.fleet_overview("eu", &crate::world::page("")).await.expect("a view");
    assert!(view.rows.iter().all(|row| row.version.as_deref() == Some("1.0.0")), "{:?}", view.rows);
    let refused = run.refused.expect("what was brought is refused");
    assert_eq!(refused.contents, [brought]);
    app.close().await;
}

#[tokio::test]
async fn a_rollout_left_open_by_one_program_is_picked_up_by_the_next() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(Some("the canary answers as it should"))).await;
    until(&app, &run.id, |run| run.phase == RunPhase::AtGate).await;
    app.close().await;

    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let open = app.run(&run.id).await.expect("a run");
    assert_eq!((open.phase, open.ended_at_ms), (RunPhase::Paused, None), "{open:?}");
    assert!(!open.rollout.as_ref().expect("a rollout").carried);
    let error = app.order_run(&run.id, &RunOrder::Resume).await.expect_err("nobody carries it");
    assert_eq!(error.code, Code::Busy);
    app.resume_run(&run.id).await.expect("picked up");
    app.order_run(&run.id, &RunOrder::Resume).await.expect("resumed");
    attested_to_its_end(&app, &run.id).await;
    app.close().await;
}

#[tokio::test]
async fn a_plan_kept_by_one_program_is_started_by_the_next() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_in_waves(None)).await.expect("a plan");
    let mut some = sync_in_waves(None);
    some.nodes = NodeSelection::Nodes { ids: vec!["gw-2".to_owned(), "gw-1".to_owned()] };
    let of_two = app.prepare_plan("eu", &some).await.expect("a plan");
    app.close().await;

    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let error = app.start_run("eu", &plan.hash, None).await.expect_err("not prepared here");
    assert_eq!(error.code, Code::Outdated);
    let kept = app.prepare_kept("eu", &plan.hash).await.expect("the plan");
    assert_eq!((&kept.hash, &kept.rollout), (&plan.hash, &plan.rollout));
    assert_eq!(kept.action, plan.action);
    let kept = app.prepare_kept("eu", &of_two.hash).await.expect("the plan of two");
    assert_eq!((&kept.hash, kept.targets.len()), (&of_two.hash, 2));
    let run = app.start_run("eu", &of_two.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 2), "{run:?}");

    let error = app.prepare_kept("eu", &plan.hash).await.expect_err("two nodes are there already");
    assert_eq!(error.code, Code::Outdated);
    assert!(error.message.contains("no longer: 2 (gw-1, gw-2)"), "{}", error.message);
    let unknown = "0".repeat(64);
    let error = app.prepare_kept("eu", &unknown).await.expect_err("nobody made it");
    assert_eq!(error.code, Code::NotFound);
    app.close().await;
}

#[tokio::test]
async fn every_kept_plan_comes_out_again() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let nodes = || NodeSelection::Nodes { ids: vec!["gw-1".to_owned(), "gw-3".to_owned()] };
    let of = |kind| ActionRequest { rollout: None, ..ActionRequest::new(kind, nodes()) };
    let version = |request| ActionRequest { version: Some("1.0.0".to_owned()), ..request };
    let content = Some(world.content("v2-other.signed.json"));
    let requests = [
        ActionRequest { force: true, ..of(ActionKind::Sync) },
        version(of(ActionKind::Pin)),
        ActionRequest { version: Some("2.0.0".to_owned()), content, ..of(ActionKind::PinAndSync) },
        of(ActionKind::Restart),
        of(ActionKind::Rollback),
        version(of(ActionKind::Rollback)),
        version(of(ActionKind::ResolveConflict)),
        ActionRequest {
            key: Some("deployment.locking".to_owned()),
            value: Some("true".to_owned()),
            ..of(ActionKind::SetConfig)
        },
    ];
    let rollouts = [
        None,
        Some(RolloutRequest {
            shape: ShapeRequest::ByLabel {
                label: "region".to_owned(),
                order: vec!["eu".to_owned()],
                canary: Some("gw-3".to_owned()),
            },
            gate: Some(GateRequest { errors_ppm: Some(200), soak_s: 30, ..GateRequest::default() }),
            roll_back_on_failure: true,
            failures_tolerated: 1,
        }),
    ];
    for request in requests {
        for rollout in &rollouts {
            let request = ActionRequest { rollout: rollout.clone(), ..request.clone() };
            let plan = app.prepare_plan("eu", &request).await.expect("a plan");
            let kept = app.prepare_kept("eu", &plan.hash).await;
            assert_eq!(kept.expect("the same plan").hash, plan.hash, "{request:?}");
        }
    }
    app.close().await;
}

#[tokio::test]
async fn a_plan_asked_for_twice_at_once_is_started_once() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_in_waves(None)).await.expect("a plan");
    let start = || app.start_run("eu", &plan.hash, None);
    let (one, other) = tokio::join!(start(), start());
    let (started, refused): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
    assert_eq!((started.len(), refused.len()), (1, 1));
    let refused = refused[0].as_ref().expect_err("the second");
    assert!(matches!(refused.code, Code::Busy | Code::Outdated), "{refused:?}");
    app.close().await;
}
