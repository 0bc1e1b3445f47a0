//! Evidence captured from the window: a preview keeps nothing, and what is sealed opens.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{
    App,
    console::Named,
    views::evidence::{CaptureAsked, SealedHere},
};

use crate::{
    opened::reviewer,
    runs::carried_out,
    world::{World, sync_drifted},
};

const COMMAND: &str = "plumbline --fleet-file fleet.toml";

fn asked(run: Option<&str>, filter: Option<&str>) -> CaptureAsked {
    let filter = filter.map(str::to_owned);
    CaptureAsked { run: run.map(str::to_owned), last_s: None, filter, ask: true }
}

async fn captured(app: &App, asked: &CaptureAsked, path: &Utf8PathBuf) -> SealedHere {
    let command = vec![COMMAND.to_owned()];
    app.capture_here("eu", asked, command, None, path.as_str()).await.expect("sealed")
}

/// Folders of captures that are left behind.
fn left(app: &App) -> Vec<String> {
    let folder = app.evidence_folder();
    let folder = folder.parent().expect("below the data folder");
    let names = |folder: &Utf8Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    // Captures of windows that go on.
    assert_eq!(names(&folder.join("here")), Vec::<String>::new());
    names(folder).into_iter().filter(|name| name != "here").collect()
}

#[tokio::test]
async fn a_preview_keeps_nothing_and_what_is_sealed_is_opened_elsewhere() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    let run = carried_out(&app, &plan).await.id;
    let before = left(&app);

    let seen = app.preview_capture("eu", &asked(Some(&run), None), Vec::new()).await;
    let seen = seen.expect("a preview");
    assert_eq!(seen.runs, std::slice::from_ref(&run));
    assert!(seen.entries > 10 && !seen.rules.is_empty(), "{seen:?}");
    assert_eq!(left(&app), before, "nothing was kept");

    let path = world.path("run.evidence.zip");
    let SealedHere { sealed, verdict } = captured(&app, &asked(Some(&run), None), &path).await;
    assert!(verdict.holds && verdict.file == path, "{verdict:?}");
    assert_eq!(verdict.signed_by.as_ref(), Some(&sealed.signed_by));
    // The manifest, its envelope, checksums and what else a seal adds.
    assert!(sealed.entries > seen.entries && sealed.planted > 0, "{sealed:?}");
    assert_eq!(left(&app), before, "the draft goes once it is sealed");
    let again = app
        .capture_here("eu", &asked(Some(&run), None), Vec::new(), None, path.as_str())
        .await
        .expect_err("the file is there");
    assert!(again.message.contains("run.evidence.zip"), "{}", again.message);
    assert_eq!(left(&app), before, "nor is one left that was refused");

    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    // Evidence captures no evidence.
    let front = console.front();
    front.preview_capture("eu", &asked(None, None), Vec::new()).await.expect_err("read-only");
    console.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_fleet_is_captured_as_it_stands_where_a_filter_lets_it() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    let path = world.path("state.evidence.zip");
    captured(&app, &asked(None, Some("gw-2")), &path).await;
    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    let about = opened.verdict.evidence.expect("it is about something");
    assert_eq!(about.selection, "filter gw-2");
    assert!(about.runs.is_empty(), "{:?}", about.runs);
    console.close().await;
    let wrong = app.preview_capture("eu", &asked(None, Some("state:broken")), Vec::new()).await;
    wrong.expect_err("no such state");
    app.close().await;
}
