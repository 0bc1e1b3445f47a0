//! What cannot be read does not end a capture: it is listed with the reason, and everything else is sealed.

use camino::Utf8PathBuf;
use plumb_app::{
    App,
    console::Named,
    views::{
        evidence::{CaptureAsked, SealedHere},
        plan::{ActionKind, ActionRequest, NodeSelection},
    },
};
use plumb_fleet::{Digest, RunId};
use plumb_store::{Database, JournalRow, Kind};

use crate::{opened::reviewer, runs::carried_out, world::World};

/// A run over one node.
async fn run_over(app: &App, node: &str) -> String {
    let nodes = NodeSelection::Filter { filter: node.to_owned() };
    let request = ActionRequest::new(ActionKind::Sync, nodes);
    let plan = app.prepare_plan("eu", &request).await.expect("a plan");
    carried_out(app, &plan).await.id
}

/// Puts a row at the end of a journal that no program can read.
async fn damaged(world: &World, run: &str) {
    let run: RunId = run.parse().expect("an id");
    let path = world.path("data/record.sqlite");
    let opened = Database::open(path.as_std_path(), Kind::Record).await.expect("opens");
    let record = opened.database;
    let mut write = record.write().await.expect("a transaction");
    let rows = plumb_store::journal::events(&mut write, run).await.expect("rows");
    let last = rows.last().expect("it began");
    let row = JournalRow {
        seq: last.seq + 1,
        at: last.at,
        body: "{}".to_owned(),
        hash: Digest::of(b"{}"),
        previous: last.hash,
    };
    plumb_store::journal::append(&mut write, run, &[row]).await.expect("kept");
    write.commit().await.expect("durable");
    record.close().await;
}

async fn captured(app: &App, run: Option<&str>, path: &Utf8PathBuf) -> SealedHere {
    let run = run.map(str::to_owned);
    let asked = CaptureAsked { run, last_s: None, filter: None, ask: false };
    app.capture_here("eu", &asked, Vec::new(), None, path.as_str()).await.expect("sealed")
}

#[tokio::test]
async fn a_run_whose_journal_is_damaged_is_listed_and_the_others_are_sealed() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let (bad, good) = (run_over(&app, "gw-1").await, run_over(&app, "gw-2").await);
    damaged(&world, &bad).await;

    for (name, run) in [("window.zip", None), ("run.zip", Some(bad.as_str()))] {
        let path = world.path(name);
        let SealedHere { sealed, verdict } = captured(&app, run, &path).await;
        assert!(verdict.holds, "{verdict:?}");
        let gap = |entry: &str| {
            let name = format!("runs/{bad}/{entry}");
            sealed.missing.iter().find(|one| one.what == name).map(|one| one.why.as_str())
        };
        let why = gap("journal.jsonl").expect("it is listed");
        assert!(why.contains(&bad) || why.contains("journal"), "{why}");
        assert!(gap("run.json").is_some(), "{:?}", sealed.missing);
        let about = verdict.evidence.expect("it is about something");
        let events = |run: &str| {
            let part = about.runs.iter().find(|part| part.run == run).expect("it is told");
            (part.events.is_some(), part.outcome.as_deref() == Some("succeeded"))
        };
        assert_eq!(events(&bad), (false, true), "its outcome is known from elsewhere");
        if run.is_none() {
            assert_eq!(events(&good), (true, true));
        }
    }

    let console = reviewer(&world).await;
    let opened = console.open_evidence(&world.path("window.zip"), &Named::default()).await;
    assert_eq!(opened.expect("opened").refused, None);
    let front = console.front();
    assert!(front.run(&good).await.is_ok() && front.run(&bad).await.is_err());
    console.close().await;
    app.close().await;
}
