//! The dashboard of a run at a Grafana: from its first figure, also while it soaks and waits, until it is over.

use std::{fs, time::Duration};

use jiff::Timestamp;
use plumb_app::{
    App, AppOptions,
    ports::clock::WallClock,
    runbooks::DashboardPace,
    views::runbook::{RunbookAsked, RunbookBegun, RunbookRunState, RunbookWord},
};
use plumb_runbook::document::{dashboard_uid, expires_at};
use plumb_testkit::grafana::StandInGrafana;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{certificates::Ahead, world::World};

const FLEET: &str = "eu";
const TOKEN: &str = "token-of-tests";
/// Soaks for an hour with a figure beside it, and names nothing that changes anything.
const SOAK: &str = "---\ntitle: Watch it\ncomponent: It\nseverity: low\non_call_scope: Us\n\
    owners: {run: Us}\nlast_updated: 2026-11-01\n---\n# Watch it\n\n\
    ```step\nid: soak\ntitle: Watch it for an hour\ndo: {wait: {seconds: 3600}}\nmonitors:\n\
    \x20 - {title: Errors, source: prometheus, query: sum(errors_total), max: 1000000, every_s: 600}\n```\n";

struct Watched {
    world: World,
    _token: TempDir,
    app: App,
    grafana: StandInGrafana,
}

impl Watched {
    async fn start(pace: DashboardPace) -> Self {
        Self::start_by(pace, WallClock::default()).await
    }

    async fn start_by(pace: DashboardPace, clock: WallClock) -> Self {
        let world = World::start(&[("gw-1", "v2.signed.json")]).await;
        let grafana = StandInGrafana::start(TOKEN);
        let folder = TempDir::new().expect("a folder");
        let token = folder.path().join("token");
        fs::write(&token, TOKEN).expect("written");
        let file = world.path("fleet.toml");
        let whole = fs::read_to_string(&file).expect("the fleet file");
        let entry = format!(
            "\n[grafana]\nurl = \"{}\"\ncredential = {{ command = [\"cat\", \"{}\"] }}\n",
            grafana.url(),
            token.display()
        );
        fs::write(&file, whole + &entry).expect("written");
        let books = world.path("data").join("runbooks");
        fs::create_dir_all(&books).expect("a folder");
        fs::write(books.join("watch.md"), SOAK).expect("written");
        let options = AppOptions { dashboards: pace, clock, ..world.options() };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(file.as_str()).await.expect("the fleet opens");
        Self { world, _token: folder, app, grafana }
    }

    async fn begun(&self) -> String {
        Self::begun_by(&self.app).await
    }

    async fn begun_by(app: &App) -> String {
        let asked = RunbookAsked { runbook: "watch.md".to_owned(), ..RunbookAsked::default() };
        match app.begin_runbook(FLEET, &asked).await.expect("it begins") {
            RunbookBegun::Started { run } => run,
            RunbookBegun::Phrase { phrase } => panic!("{phrase} has to be typed"),
        }
    }

    /// Waits until what the Grafana shows is so.
    async fn until(&self, holds: impl Fn(&plumb_testkit::grafana::Shown) -> bool + Send + 'static) {
        let grafana = self.grafana.clone();
        let waiting = tokio::task::spawn_blocking(move || drop(grafana.until(holds)));
        waiting.await.expect("it holds");
    }

    async fn abort(&self, run: &str) {
        self.app.tell_runbook(run, None, &[], RunbookWord::Abort).await.expect("it is heard");
        loop {
            let page = self.app.runbook_run_page(run).await.expect("the run");
            if page.run.state == RunbookRunState::Aborted {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn expires(dashboard: &Value) -> Timestamp {
    let tags: Vec<String> = serde_json::from_value(dashboard["tags"].clone()).expect("tags");
    expires_at(&tags).expect("it says when")
}

const fn pace(stands_ms: u64, again_ms: u64) -> DashboardPace {
    DashboardPace {
        stands: Duration::from_millis(stands_ms),
        again: Duration::from_millis(again_ms),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_is_shown_and_its_dashboard_is_renewed_as_long_as_it_goes_on() {
    let watched = Watched::start(pace(2_000, 50)).await;
    let run = watched.begun().await;
    watched.until(|shown| shown.put.len() >= 3).await;
    {
        let shown = watched.grafana.shown();
        let (first, last) = (&shown.put[0], &shown.put[2]);
        assert!(expires(last) > expires(first), "it was put again for longer");
        assert_eq!(first["time"], last["time"], "it shows the run from the same moment on");
        assert_eq!((first["uid"].clone(), shown.dashboards.len()), (last["uid"].clone(), 1));
        assert_eq!(first["panels"].as_array().map(Vec::len), Some(1));
    }
    watched.abort(&run).await;
    watched.until(|shown| shown.dashboards.is_empty()).await;
    watched.app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_grafana_does_not_take_is_told_once_and_put_again() {
    let watched = Watched::start(pace(3_600_000, 20)).await;
    watched.grafana.shown().refuses = vec!["POST"];
    let run = watched.begun().await;
    watched.until(|shown| shown.asked_to("POST") >= 3).await;
    let told = || async {
        let shell = watched.app.shell().await.expect("the frame");
        shell.notices.iter().filter(|notice| notice.contains("could not be put")).count()
    };
    assert_eq!(told().await, 1);
    watched.grafana.shown().refuses.clear();
    watched.until(|shown| shown.dashboards.len() == 1).await;
    watched.abort(&run).await;
    watched.until(|shown| shown.dashboards.is_empty()).await;
    assert_eq!(told().await, 1);
    watched.app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_grafana_does_not_let_go_is_told_and_removed_later() {
    let watched = Watched::start(pace(3_600_000, 20)).await;
    let run = watched.begun().await;
    watched.until(|shown| shown.dashboards.len() == 1).await;
    watched.grafana.shown().refuses = vec!["DELETE"];
    watched.abort(&run).await;
    watched.until(|shown| shown.asked_to("DELETE") >= 3).await;
    let shell = watched.app.shell().await.expect("the frame");
    let told = |notice: &&String| notice.contains("could not be removed");
    assert_eq!(shell.notices.iter().filter(told).count(), 1, "{:?}", shell.notices);
    watched.grafana.shown().refuses.clear();
    watched.until(|shown| shown.dashboards.is_empty()).await;
    // It is not put again after it was removed, and a program that closes waits for no Grafana.
    assert_eq!(watched.grafana.shown().put.len(), 1);
    watched.app.close().await;
}

/// A dashboard belongs to its run as long as that goes on: nobody else renews it or removes it, however long ago
/// it says that it was to be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_of_a_run_that_goes_on_is_put_and_removed_by_that_run_only() {
    const STANDS_S: i64 = 3_600;
    let ahead = Ahead::default();
    let pace = pace(3_600_000, 20);
    let watched = Watched::start_by(pace, ahead.clock()).await;
    let first = watched.begun().await;
    watched.until(|shown| shown.dashboards.len() == 1).await;
    // As if whoever carries it out had slept: its time is over, and nobody renewed it.
    ahead.by(2 * STANDS_S);
    let now = watched.app.now();
    assert!(expires(&watched.grafana.shown().dashboards[&dashboard_uid(&first)]) < now);

    // Another run here, and one of another program: each removes what was left behind when it begins. What is
    // told last tells that it is through.
    let other = AppOptions { dashboards: pace, clock: ahead.clock(), ..watched.world.options() };
    let other = App::open(other).await.expect("the files open");
    let fleet = watched.world.path("fleet.toml");
    other.add_fleet(fleet.as_str()).await.expect("the fleet opens");
    let mut runs = Vec::new();
    for app in [&watched.app, &other] {
        let left =
            json!({ "uid": "run-left", "tags": ["plumbline-run", "plumbline-expires-1000"] });
        watched.grafana.shown().dashboards.insert("run-left".to_owned(), left);
        runs.push(Watched::begun_by(app).await);
        let shows = runs.len() + 1;
        watched
            .until(move |shown| {
                shown.dashboards.len() == shows && !shown.dashboards.contains_key("run-left")
            })
            .await;
        let removed = watched.grafana.shown().asked_to("DELETE");
        assert_eq!(removed, runs.len(), "what was left, and nothing else");
    }

    // The end of one removes its own and leaves those of the others.
    watched.abort(&runs[0]).await;
    watched.until(|shown| shown.dashboards.len() == 2).await;
    other.tell_runbook(&runs[1], None, &[], RunbookWord::Abort).await.expect("it is heard");
    let own = dashboard_uid(&first);
    watched.until(move |shown| shown.dashboards.keys().eq([&own])).await;
    watched.abort(&first).await;
    watched.until(|shown| shown.dashboards.is_empty()).await;
    {
        let shown = watched.grafana.shown();
        for run in runs.iter().chain([&first]) {
            let put = shown.put.iter().filter(|put| put["uid"] == dashboard_uid(run)).count();
            let path = format!("DELETE /api/dashboards/uid/{}", dashboard_uid(run));
            let removed = shown.asked.iter().filter(|asked| **asked == path).count();
            assert_eq!((put, removed), (1, 1), "{run}: {:?}", shown.asked);
        }
    }
    other.close().await;
    watched.app.close().await;
}
