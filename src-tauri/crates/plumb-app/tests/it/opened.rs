//! Sealed evidence opened by somebody who was not there: the same views, moment by moment, and nothing asked of anybody.

use std::fs;

use camino::Utf8PathBuf;
use plumb_app::{
    App, AppOptions,
    actions::capture::{CaptureRequest, Sealer},
    console::Console,
    views::{
        drift::Baseline,
        evidence::EvidenceResult,
        plan::NodeSelection,
        run::{RunNodeState, RunPhase},
        shell::Mode,
    },
};

use crate::{
    runs::carried_out,
    world::{World, page, states, sync_drifted, throw_away_key},
};

/// A run over two nodes, captured and sealed, with its id.
async fn sealed(world: &World) -> (Utf8PathBuf, String) {
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let run = carried_out(&app, &plan).await.id;
    app.sweep("eu").await.expect("a sweep");
    let request = CaptureRequest {
        fleet: "eu".to_owned(),
        run: Some(run.clone()),
        last_s: None,
        nodes: NodeSelection::All,
        ask: true,
        command: Vec::new(),
        map: None,
        raw: None,
    };
    let (draft, path) = (world.path("draft"), world.path("run.zip"));
    app.capture_evidence(&request, &draft).await.expect("captured");
    app.seal_evidence(&draft, &path, &Sealer::Console).await.expect("sealed");
    app.close().await;
    (path, run)
}

/// A console of another machine that trusts the key of the first.
async fn reviewer(world: &World) -> Console {
    let options =
        AppOptions { console_key: throw_away_key(), ..AppOptions::command(world.path("reviewer")) };
    Console::new(&App::open(options).await.expect("the files open"))
}

async fn world() -> World {
    World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")]).await
}

#[tokio::test]
async fn a_reviewer_sees_what_the_operator_saw_at_each_step() {
    let mut world = world().await;
    let (path, run) = sealed(&world).await;
    world.stop_agents().await;
    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, None).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    let of = |name: &str| {
        let checks = &opened.verdict.checks;
        checks.iter().find(|check| check.name == name).expect("a check").result
    };
    assert_eq!(of("states"), EvidenceResult::Passed);
    assert_eq!(of("signer"), EvidenceResult::Failed, "a stranger's key");
    let front = console.front();
    let shell = front.shell().await.expect("a frame");
    assert_eq!((shell.mode, shell.fleet.as_deref()), (Mode::Evidence, Some("eu")));
    assert!(shell.fleets[0].read_only && !shell.demo_available);
    let evidence = shell.evidence.expect("it is open");
    assert!(evidence.signer_unknown);
    // With the key that came by another way everything holds.
    let key = world.path("signer.pub");
    fs::write(&key, crate::certificates::public_key()).expect("written");
    let known = console.open_evidence(&path, Some(&key)).await.expect("opened");
    assert!(known.verdict.holds, "{known:?}");
    let front = console.front();
    let steps = front.evidence_steps();
    assert_eq!(steps.len(), usize::try_from(evidence.steps).expect("few"));

    // Every event has the state that was recorded with it, whichever way somebody goes.
    let events = front.run(&run).await.expect("the run").journal_events;
    assert_eq!(steps.len(), usize::try_from(events).expect("few") + 2);
    for step in (0..evidence.steps).chain((0..evidence.steps).rev()) {
        let shell = front.show_evidence_step(step).await.expect("a moment");
        let shown = shell.evidence.expect("it is open");
        assert_eq!(shown.step, step);
        match shown.shown.event {
            Some(event) => {
                let state = shown.state.expect("a state");
                assert!(state.same, "{state:?} after event {event}");
                assert_eq!(front.run(&run).await.expect("the run").journal_events, event);
            }
            None => assert_eq!(shown.state, None),
        }
    }

    // Before the run nodes ran the first version, and nothing of the run is there.
    let before = front.show_evidence_step(0).await.expect("a moment");
    assert!(before.sweep.is_none_or(|sweep| sweep.total == 2));
    assert!(front.runs("eu").await.expect("runs").is_empty());
    let fleet = front.fleet_overview("eu", &page("")).await.expect("a fleet");
    let versions: Vec<_> = fleet.rows.iter().map(|row| row.version.clone()).collect();
    assert_eq!(versions, [Some("1.0.0".to_owned()), Some("1.0.0".to_owned())], "{fleet:?}");
    // In the middle it was under way; at its end everything had arrived.
    let begun = steps.iter().position(|step| step.what.contains("was begun")).expect("an effect");
    front.show_evidence_step(u32::try_from(begun).expect("few")).await.expect("a moment");
    let middle = front.run(&run).await.expect("the run");
    assert_eq!(middle.phase, RunPhase::Acting, "{middle:?}");
    assert!(middle.nodes.iter().any(|node| node.state == RunNodeState::Acting));
    assert_eq!(front.live_run("eu").await.expect("an answer"), None, "nobody can abort it");
    front.show_evidence_step(evidence.steps - 1).await.expect("a moment");
    assert_eq!(front.run(&run).await.expect("the run").phase, RunPhase::Succeeded);
    let fleet = front.fleet_overview("eu", &page("")).await.expect("a fleet");
    let expected = ["gw-1", "gw-2"].map(|node| (node.to_owned(), "InSync".to_owned()));
    assert_eq!(states(&fleet), expected);
    console.close().await;
}

#[tokio::test]
async fn evidence_has_the_screens_of_a_fleet_and_lets_nobody_change_or_ask_anything() {
    let mut world = world().await;
    let (path, _) = sealed(&world).await;
    world.stop_agents().await;
    let console = reviewer(&world).await;
    console.open_evidence(&path, None).await.expect("opened");
    let front = console.front();
    let drift = front.drift("eu", &Baseline::Desired, None).await.expect("groups");
    assert_eq!(drift.baseline.unavailable, None, "policies are in the evidence: {drift:?}");
    let node = front.node("eu", "gw-1").await.expect("a node");
    assert!(node.actions.is_empty() && !node.policies.is_empty() && !node.reloads.is_empty());
    let raw = front.node_raw("eu", "gw-1").await.expect("answers as they were captured");
    assert!(
        raw.iter().any(|answer| answer.path == "/readyz" || !answer.body.is_empty()),
        "{raw:?}"
    );
    let history = front.history("eu", 24).await.expect("a history");
    assert!(history.kinds.len() == 2 && history.lanes.iter().any(|lane| lane.spans.len() > 1));
    for picture in ["timeline", "raster", "reloads", "age"] {
        let svg = front.history_svg("eu", picture, 24, &plumb_app::Palette::light()).await;
        assert!(svg.expect("a picture").starts_with("<svg"));
    }
    front.refresh("eu").await.expect_err("no node is asked");
    front.node_logs("eu", "gw-1", "", "", 0).await.expect_err("no node is asked");
    let plan = front.prepare_plan("eu", &sync_drifted()).await;
    assert!(plan.is_err() || plan.is_ok_and(|plan| !plan.startable), "nothing can be started");
    // Its files go with it, and the fleets are where they were.
    let scratch = world.path("reviewer/opened");
    assert_eq!(fs::read_dir(&scratch).expect("a folder").count(), 1);
    let shell = console.close_evidence().await.expect("back");
    assert_eq!((shell.mode, shell.fleet), (Mode::Cache, None));
    assert_eq!(fs::read_dir(&scratch).expect("a folder").count(), 0);
    console.close().await;
}

#[tokio::test]
async fn what_was_altered_is_told_and_not_shown_as_a_fleet() {
    let world = world().await;
    let (path, _) = sealed(&world).await;
    let mut bytes = fs::read(&path).expect("readable");
    let name = b"fleet/fleet.json";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a header");
    bytes[at + name.len() + 2] ^= 1;
    let bad = world.path("bad.zip");
    fs::write(&bad, &bytes).expect("written");
    let console = reviewer(&world).await;
    let opened = console.open_evidence(&bad, None).await.expect("an answer");
    assert!(opened.refused.is_some());
    assert_eq!(opened.verdict.broken.as_deref(), Some("fleet/fleet.json"));
    assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Cache);
    assert_eq!(console.opened(), Some(opened));
    console.open_evidence(&world.path("nowhere.zip"), None).await.expect_err("no such file");
    console.close().await;
}
