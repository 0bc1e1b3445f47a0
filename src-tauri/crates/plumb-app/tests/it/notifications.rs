//! What the desktop is told: by one console of what another one does, and of no fleet that is to be quiet.

use plumb_app::{
    App, AppOptions,
    notifications::Notification,
    views::{
        alerts::{AlertAct, AlertLine, AlertStatus, AlertsPage},
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::{GateRequest, RolloutRequest, ShapeRequest},
        run::RunPhase,
    },
};
use tokio::sync::mpsc::Receiver;

use crate::{
    company::{Company, console_of_rick},
    world::World,
};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

fn one_by_one() -> ActionRequest {
    let rollout = RolloutRequest {
        shape: ShapeRequest::OneByOne,
        gate: Some(GateRequest { convergence_percent: Some(100), ..GateRequest::default() }),
        roll_back_on_failure: false,
        failures_tolerated: 0,
    };
    ActionRequest {
        rollout: Some(rollout),
        ..ActionRequest::new(ActionKind::Sync, NodeSelection::All)
    }
}

/// Starts a rollout, and waits until it halts or ends.
async fn rolled_out(app: &App, spoil: impl FnOnce()) -> RunPhase {
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &one_by_one()).await.expect("a plan");
    spoil();
    let mut topics = app.subscribe();
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    loop {
        let run = app.run(&run.id).await.expect("a run");
        if run.phase == RunPhase::Halted || run.ended_at_ms.is_some() {
            return run.phase;
        }
        topics.recv().await.expect("the application is open");
    }
}

async fn told(heard: &mut Receiver<Notification>) -> Notification {
    heard.recv().await.expect("the application is open")
}

#[tokio::test]
async fn the_desktop_is_told_of_a_halt_with_its_reason() {
    let world = World::start(&TWO).await;
    let app = world.app().await;
    let mut heard = app.notifications();
    let bundle = world.path("bundles/v2.signed.json");
    let phase = rolled_out(&app, || std::fs::remove_file(&bundle).expect("a bundle")).await;
    assert_eq!(phase, RunPhase::Halted);
    let halted = told(&mut heard).await;
    assert!(halted.title.starts_with("Halted: ") && halted.urgent, "{halted:?}");
    assert!(halted.body.starts_with("eu: ") && halted.body.contains("gw-1"), "{halted:?}");
    app.close().await;
}

#[tokio::test]
async fn the_desktop_is_told_of_each_end_once_and_of_a_quiet_fleet_nothing() {
    let world = World::start(&TWO).await;
    let app = world.app().await;
    let fleet = std::fs::read_to_string(world.path("fleet.toml")).expect("the fleet file");
    let other = world.path("other.toml");
    std::fs::write(&other, fleet.replace("name = \"eu\"", "name = \"us\"")).expect("written");
    app.add_fleet(other.as_str()).await.expect("the same nodes under another name");
    assert_eq!(app.set_quiet("eu", true).await.expect("a setting").quiet, ["eu"]);
    let mut heard = app.notifications();
    for (fleet, file, version) in [
        ("eu", "v2.signed.json", "2.0.0"),
        ("us", "v1.signed.json", "1.0.0"),
        ("us", "v2.signed.json", "2.0.0"),
    ] {
        let pin = ActionRequest {
            version: Some(version.to_owned()),
            content: Some(world.content(file)),
            ..ActionRequest::new(ActionKind::PinAndSync, NodeSelection::All)
        };
        app.sweep(fleet).await.expect("a sweep");
        let plan = app.prepare_plan(fleet, &pin).await.expect("a plan");
        let run = app.start_run(fleet, &plan.hash, None).await.expect("a run");
        let run = app.finished(&run.id).await.expect("a run");
        assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
        if fleet == "us" {
            // The quiet one came first, and would have been heard first.
            let ended = told(&mut heard).await;
            assert!(ended.title.starts_with("Succeeded: ") && !ended.urgent, "{ended:?}");
            assert!(ended.body.starts_with("us: ") && ended.title.contains(version), "{ended:?}");
        }
    }
    assert!(app.set_quiet("eu", false).await.expect("a setting").quiet.is_empty());
    app.close().await;
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn the_desktop_is_told_that_somebody_asks_for_approval_at_another_console() {
    let world = World::start(&TWO).await;
    let options = AppOptions { sweep_on_period: true, ..world.options() };
    let asks = console_of_rick(&world).await;
    let company = Company::found(&world, &asks, |_| {}).await;
    let window = App::open(options).await.expect("the files open twice");
    let mut heard = window.notifications();
    asks.sweep("eu").await.expect("a sweep");
    let plan = asks.prepare_plan("eu", &one_by_one()).await.expect("a plan");
    company.ask(&asks, &plan.hash).await;
    let asked = told(&mut heard).await;
    assert!(asked.title.starts_with("Approval requested: ") && asked.urgent, "{asked:?}");
    assert!(asked.body.contains("rick") && asked.body.contains("1 of storage"), "{asked:?}");
    window.close().await;
    asks.close().await;
}

/// What the policy gives to me is told once; what I claimed myself is no news, and a quiet fleet tells nothing.
#[tokio::test]
async fn the_desktop_is_told_of_alerts_that_are_for_me() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    std::fs::create_dir_all(world.path("data")).expect("a folder");
    let policy = "routes: [{name: fleet, kind_in: [PolicyVersionMismatch], assign_to: mira}]";
    std::fs::write(world.path("data/alert_routing_policy.yml"), policy).expect("written");
    let options = AppOptions { operator: "mira@laptop".to_owned(), ..world.options() };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let mut heard = app.notifications();
    app.sweep("eu").await.expect("a sweep");
    let news = told(&mut heard).await;
    assert_eq!(news.title, "P2 for you: nodes run another policy version than the desired one");
    assert!(news.body.starts_with("eu: eu, waits to be claimed"), "{news:?}");
    assert!(!news.urgent);
    let page = AlertsPage { mine: true, limit: 10, ..AlertsPage::default() };
    let mine = app.alerts("eu", &page).await.expect("an inbox");
    let AlertLine::Alert(row) = &mine.lines[0] else { panic!("{mine:?}") };
    let refs = [row.alert.clone()];
    let claimed = app.act_on_alerts("eu", &refs, &AlertAct::Claim).await.expect("it is free");
    let AlertLine::Alert(listed) = &app.alerts("eu", &page).await.expect("an inbox").lines[0]
    else {
        panic!("one alert is no storm")
    };
    assert_eq!(
        claimed.rows,
        std::slice::from_ref(listed),
        "an act answers what the list shows from then on"
    );
    assert_eq!(listed.status, AlertStatus::Processing);
    let failed = AlertAct::Fail { error: "not now".to_owned(), retry_after_s: Some(0) };
    app.act_on_alerts("eu", &refs, &failed).await.expect("it is held");
    app.set_quiet("eu", true).await.expect("a setting");
    app.sweep("eu").await.expect("a sweep");
    app.close().await;
    assert_eq!(heard.recv().await, None, "nothing else was worth it");
}
