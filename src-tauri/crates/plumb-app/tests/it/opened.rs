//! Sealed evidence opened by somebody who was not there: the same views, moment by moment, and nothing asked of anybody.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{
    App, AppOptions,
    console::{Console, Named},
    views::{
        drift::Baseline,
        evidence::{EvidenceResult, EvidenceUnread},
        run::{RunNodeState, RunPhase},
        shell::Mode,
    },
};

use plumb_evidence::{Draft, Seal, capture::Captured, seal};
use plumb_trust::dsse::{Algorithm, NewKey};

use crate::{
    runbooks,
    runs::carried_out,
    world::{World, page, sealed_evidence, states, sync_drifted, throw_away_key},
};

/// A run over two nodes, captured and sealed, with its id.
async fn sealed(world: &World) -> (Utf8PathBuf, String) {
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let run = carried_out(&app, &plan).await.id;
    app.sweep("eu").await.expect("a sweep");
    let path = sealed_evidence(world, &app, Some(&run), true).await;
    app.close().await;
    (path, run)
}

fn signed_by(key: &Utf8Path) -> Named {
    Named { keys: vec![key.to_owned()], ..Named::default() }
}

/// The evidence again, each entry as somebody with the folder and a key of their own made it.
pub(crate) fn forged(
    world: &World,
    change: impl Fn(&str, Vec<u8>) -> (String, Vec<u8>),
) -> Utf8PathBuf {
    let Captured { draft, canaries, .. } = Captured::open(&world.path("draft")).expect("a draft");
    let mut forged = Draft::create(&world.path("forged"), draft.about().clone()).expect("begins");
    for name in draft.entries().keys() {
        let (name, bytes) = change(name.as_str(), fs::read(draft.path(name)).expect("readable"));
        forged.add(&name, bytes.as_slice()).expect("written");
    }
    draft.runs().iter().for_each(|run| forged.run(run.clone()).expect("noted"));
    let key = NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing()).expect("a key");
    let path = world.path("forged.zip");
    let made_at = draft.about().window.to;
    seal(&forged, Seal { key: &key, made_at, canaries }, &path).expect("sealed");
    path
}

/// A console of another machine that trusts the key of the first.
pub(crate) async fn reviewer(world: &World) -> Console {
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
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
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
    let known = console.open_evidence(&path, &signed_by(&key)).await.expect("opened");
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
    console.open_evidence(&path, &Named::default()).await.expect("opened");
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
    let opened = console.open_evidence(&bad, &Named::default()).await.expect("an answer");
    assert!(opened.refused.is_some());
    assert_eq!(opened.verdict.broken.as_deref(), Some("fleet/fleet.json"));
    assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Cache);
    assert_eq!(console.opened(), Some(opened));
    console
        .open_evidence(&world.path("nowhere.zip"), &Named::default())
        .await
        .expect_err("no such file");
    console.close().await;
}

#[tokio::test]
async fn lines_that_do_not_read_are_told_and_the_others_shown() {
    let world = world().await;
    sealed(&world).await;
    let path = forged(&world, |name, mut bytes| {
        if name == "fleet/changes.jsonl" || name == "nodes/answers.jsonl" {
            bytes.extend(b"{\"node\": 7}\nno line at all\n{\"left_out\":\"too long\"}\n");
        }
        (name.to_owned(), bytes)
    });
    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    let front = console.front();
    let unread = async || front.shell().await.expect("a frame").evidence.expect("open").unread;
    let told = unread().await;
    let [EvidenceUnread { entry, lines: 2, first, why }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(entry, "fleet/changes.jsonl");
    let text = fs::read_to_string(world.path("forged/entries/fleet/changes.jsonl")).expect("text");
    assert_eq!(usize::try_from(*first).expect("few"), text.lines().count() - 2);
    assert!(why.contains("missing field") || why.contains("invalid type"), "{why}");
    // What nodes answered is read when it is looked at, and told from then on.
    assert!(!front.node_raw("eu", "gw-1").await.expect("answers").is_empty());
    front.node_raw("eu", "gw-2").await.expect("answers");
    let entries: Vec<String> = unread().await.into_iter().map(|one| one.entry).collect();
    assert_eq!(entries, ["fleet/changes.jsonl", "nodes/answers.jsonl"]);
    console.close().await;
}

#[tokio::test]
async fn more_than_is_shown_is_refused_with_the_limit() {
    let world = world().await;
    sealed(&world).await;
    let path = forged(&world, |name, bytes| match name {
        "fleet/sweeps.jsonl" => (name.to_owned(), b"\n".repeat(1_000_001)),
        _ => (name.to_owned(), bytes),
    });
    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("an answer");
    let refused = opened.refused.expect("it is too much");
    assert_eq!(
        refused,
        "there are more than the 1000000 lines of fleet/sweeps.jsonl that are shown"
    );
    assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Cache);
    console.close().await;
}

#[tokio::test]
async fn what_is_written_into_an_open_archive_is_not_shown() {
    let world = world().await;
    let (path, _) = sealed(&world).await;
    let console = reviewer(&world).await;
    console.open_evidence(&path, &Named::default()).await.expect("opened");
    let mut bytes = fs::read(&path).expect("readable");
    let name = b"nodes/answers.jsonl";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a header");
    bytes[at + name.len() + 8] ^= 1;
    // Into the same file, as whoever has it open still can.
    fs::write(&path, &bytes).expect("written");
    let refused = console.front().node_raw("eu", "gw-1").await.expect_err("it is another now");
    assert!(refused.message.starts_with("nodes/answers.jsonl: "), "{}", refused.message);
    assert!(refused.hint.contains("verify"), "{}", refused.hint);
    console.close().await;
}

#[tokio::test]
async fn a_program_that_is_started_with_a_bad_file_says_what_is_wrong() {
    let world = world().await;
    let (path, _) = sealed(&world).await;
    let console = reviewer(&world).await;
    for (file, named, said) in [
        (world.path("nowhere.zip"), Named::default(), "nowhere.zip cannot be read"),
        (path.clone(), signed_by(&world.path("no.pem")), "no.pem could not be read"),
        (path.clone(), signed_by(&world.path("fleet.toml")), "fleet.toml: "),
    ] {
        console.begin_with_evidence(&file, &named).await;
        let opened = console.opened().expect("something to read");
        let refused = opened.refused.expect("it is not shown");
        assert!(refused.contains(said), "{refused}");
        assert!(!opened.verdict.holds && opened.verdict.file == file);
        assert!(
            opened.verdict.checks[0].detail.contains(said),
            "{opened:?}",
            opened = opened.verdict
        );
        assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Cache);
    }
    console.begin_with_evidence(&path, &Named::default()).await;
    assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Evidence);
    console.close().await;
}

/// Nodes of the fleet behind the evidence, which nobody may ask meanwhile.
async fn watched(world: &World) -> (tokio::net::TcpListener, App) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let file = world.path("watched.toml");
    let text = format!(
        "name = \"watched\"\ndeadline_s = 2\nsweep_interval_s = 5\n\n[[node]]\nid = \"gw-9\"\napi = \"agent\"\n\
         url = \"http://{address}\"\n"
    );
    fs::write(&file, text).expect("written");
    let options =
        AppOptions { console_key: throw_away_key(), ..AppOptions::window(world.path("reviewer")) };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(file.as_str()).await.expect("the fleet opens");
    (listener, app)
}

/// Whether somebody has connected by now.
async fn asked(listener: &tokio::net::TcpListener) -> bool {
    futures::poll!(std::pin::pin!(listener.accept())).is_ready()
}

#[tokio::test]
async fn the_fleets_behind_the_evidence_are_left_alone_while_it_is_open() {
    let world = world().await;
    let (path, _) = sealed(&world).await;
    let (listener, live) = watched(&world).await;
    let console = Console::new(&live);
    console.begin_with_evidence(&path, &Named::default()).await;
    let front = console.front();
    assert_eq!(front.shell().await.expect("a frame").mode, Mode::Evidence);
    // The window is painted and comes to the front: now the fleets would be swept.
    live.first_paint_done();
    live.set_visible(true);
    for step in 0..u32::try_from(front.evidence_steps().len()).expect("few") {
        front.show_evidence_step(step).await.expect("a moment");
    }
    live.sweep("watched").await.expect_err("nobody is asked");
    live.refresh("watched").await.expect_err("nobody is asked");
    assert!(!asked(&listener).await, "somebody was asked");
    console.close_evidence().await.expect("back");
    // And with the fleets shown again they are.
    let _connection = listener.accept().await.expect("a sweep");
    // The other way round: an archive that is dropped onto a window that sweeps.
    console.open_evidence(&path, &Named::default()).await.expect("opened");
    while asked(&listener).await {}
    live.set_visible(true);
    for step in 0..u32::try_from(console.front().evidence_steps().len()).expect("few") {
        console.front().show_evidence_step(step).await.expect("a moment");
    }
    assert!(!asked(&listener).await, "somebody was asked");
    console.close().await;
}

#[tokio::test]
async fn a_run_of_a_runbook_is_shown_step_by_step() {
    let (world, app) = runbooks::world().await;
    let run = runbooks::begun(&app, &runbooks::asked("odd.md")).await;
    runbooks::until(&app, &run, runbooks::waits_at("seen")).await;
    let path = sealed_evidence(&world, &app, Some(&run), false).await;
    app.close().await;

    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    let front = console.front();
    let runs = front.runbook_runs("eu").await.expect("runs");
    assert_eq!(runs.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [run.as_str()]);
    let page = front.runbook_run_page(&run).await.expect("a page");
    assert_eq!((page.run.title.as_str(), page.run.steps.len()), ("Odd answers", 2));
    assert!(page.run.artifacts.starts_with(path.as_str()), "{}", page.run.artifacts);
    // Whoever goes back to before its first event finds none.
    front.show_evidence_step(0).await.expect("a moment");
    assert!(front.runbook_runs("eu").await.expect("runs").is_empty());
    let last = u32::try_from(front.evidence_steps().len() - 2).expect("few");
    front.show_evidence_step(last).await.expect("a moment");
    let shown = front.shell().await.expect("a frame").evidence.expect("it is open");
    assert_eq!(shown.shown.run.as_deref(), Some(run.as_str()));
    assert!(shown.state.expect("a state").same, "as it was written down with the event");
    console.close().await;
}

#[tokio::test]
async fn a_node_that_never_answered_is_told_as_that_at_every_step() {
    let mut world = world().await;
    let (_, silent) = world.agents.pop().expect("two agents");
    let address = silent.address();
    silent.shutdown().await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    carried_out(&app, &plan).await;
    app.sweep("eu").await.expect("a sweep");
    let path = sealed_evidence(&world, &app, None, true).await;
    app.close().await;
    let console = reviewer(&world).await;
    console.open_evidence(&path, &Named::default()).await.expect("opened");
    let front = console.front();
    let steps = front.evidence_steps().len();
    assert!(steps > 4, "{steps} steps at {address}");
    for step in 0..steps {
        front.show_evidence_step(u32::try_from(step).expect("few")).await.expect("a moment");
        let fleet = front.fleet_overview("eu", &page("")).await.expect("a fleet");
        let told: Vec<_> = fleet
            .rows
            .iter()
            .map(|row| (row.id.as_str(), row.no_answer_yet, row.version.is_some()))
            .collect();
        // The other one answered before the run began, and not before the window.
        assert_eq!(told.len(), 2, "both have their names at step {step}: {told:?}");
        assert_eq!(told[1], ("gw-2", true, false), "step {step}");
        if step < steps - 1 {
            assert_eq!(fleet.rows[1].why, "no answer yet", "step {step}");
        }
    }
    console.close().await;
}
