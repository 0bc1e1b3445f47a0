//! The console's own inbox: what sweeps tell it, and what people do with it.

use plumb_app::{
    App, AppOptions,
    error::Code,
    views::{
        alerts::{AlertAct, AlertLine, AlertRow, AlertStatus, AlertsPage, InboxView},
        incidents::{IncidentAct, IncidentStateView, TimelineKind},
        plan::{ActionKind, ActionRequest, NodeSelection},
    },
};

use crate::{certificates::Ahead, world::World};

const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);

fn page() -> AlertsPage {
    AlertsPage { limit: 100, ..AlertsPage::default() }
}

async fn inbox(app: &App) -> InboxView {
    app.alerts("eu", &page()).await.expect("an inbox")
}

fn rows(inbox: &InboxView) -> Vec<AlertRow> {
    let alert = |line: &AlertLine| match line {
        AlertLine::Alert(row) => Some(row.clone()),
        AlertLine::Storm(_) => None,
    };
    inbox.lines.iter().filter_map(alert).collect()
}

/// A swept fleet of which two nodes run the version before the desired one.
async fn behind() -> (World, App) {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    (world, app)
}

async fn mismatch(app: &App) -> AlertRow {
    let found = rows(&inbox(app).await).into_iter().find(|row| row.kind == "PolicyVersionMismatch");
    found.expect("the sweep told it")
}

async fn act(app: &App, alert: &str, act: AlertAct) -> Result<Vec<String>, String> {
    let acted = app.act_on_alerts("eu", &[alert.to_owned()], &act).await.expect("an answer");
    match acted.refused.first() {
        Some(refused) => Err(refused.why.clone()),
        None => Ok(acted.done[0].why.clone()),
    }
}

#[tokio::test]
async fn sweeps_raise_alerts_count_them_and_lift_them() {
    let (_world, app) = behind().await;
    let first = mismatch(&app).await;
    assert_eq!(
        (first.status, first.severity.as_str(), first.service.as_str()),
        (AlertStatus::New, "P2", "eu")
    );
    let shown = inbox(&app).await;
    assert!(shown.source.survives_restart && shown.source.backend == "sqlite", "{shown:?}");
    assert!(shown.source.place.ends_with("record.sqlite"), "{shown:?}");
    app.sweep("eu").await.expect("a sweep");
    let again = mismatch(&app).await;
    assert_eq!(
        (again.alert.as_str(), again.occurrences),
        (first.alert.as_str(), first.occurrences + 1)
    );
    let sync = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    let plan = app.prepare_plan("eu", &sync).await.expect("a plan");
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    app.finished(&run.id).await.expect("an end");
    assert!(!mismatch(&app).await.resolved);
    app.sweep("eu").await.expect("a sweep");
    assert!(mismatch(&app).await.resolved);
    app.close().await;
}

#[tokio::test]
async fn a_node_that_went_silent_lifts_nothing() {
    let (mut world, app) = behind().await;
    world.stop_agents().await;
    app.sweep("eu").await.expect("a sweep");
    let alert = mismatch(&app).await;
    assert!(!alert.resolved && alert.occurrences == 1, "{alert:?}");
    app.close().await;
}

#[tokio::test]
async fn an_alert_is_claimed_failed_and_acked_and_says_why() {
    let (_world, app) = behind().await;
    let alert = mismatch(&app).await.alert;
    let why =
        act(&app, &alert, AlertAct::Fail { error: "no".to_owned(), retry_after_s: None }).await;
    assert!(why.expect_err("nobody holds it").contains("claim it first"));
    act(&app, &alert, AlertAct::Claim).await.expect("it is free");
    let held = mismatch(&app).await;
    assert!(held.mine && held.owner.is_some() && held.lock_until_ms.is_some(), "{held:?}");
    assert_eq!(inbox(&app).await.counts.mine, 1);
    let shown = app.alert("eu", &alert).await.expect("there");
    let about: Vec<&str> = shown.why.iter().map(|why| why.about.as_str()).collect();
    assert_eq!(about, ["Reports", "Claim", "Triage", "Route"]);
    assert!(shown.message.contains("gw-1, gw-2") && shown.details.contains("\"count\": 2"));
    let fail = AlertAct::Fail { error: "gateway timeout".to_owned(), retry_after_s: Some(300) };
    act(&app, &alert, fail).await.expect("held");
    let failed = mismatch(&app).await;
    assert_eq!(failed.status, AlertStatus::Failed);
    assert_eq!(failed.last_error.as_deref(), Some("gateway timeout"));
    let guides = app.alert("eu", &alert).await.expect("there").guides;
    assert_eq!(guides[0].heading, "Alerts stay in failed");
    act(&app, &alert, AlertAct::Ack { note: "false positive".to_owned() }).await.expect("free");
    let note = app.alert("eu", &alert).await.expect("there").note;
    assert_eq!(note.as_deref(), Some("false positive"));
    let again = act(&app, &alert, AlertAct::Claim).await.expect_err("it is settled");
    assert!(again.contains("acked"), "{again}");
    app.close().await;
}

/// One file, two laptops' names: what one holds, the other does not settle.
#[tokio::test]
async fn what_somebody_else_holds_is_not_settled_over_their_head() {
    let (world, app) = behind().await;
    let other = AppOptions { operator: "jo@desk".to_owned(), ..world.options() };
    let other = App::open(other).await.expect("the files open");
    let alert = mismatch(&app).await.alert;
    act(&other, &alert, AlertAct::Claim).await.expect("it is free");
    let seen = mismatch(&app).await;
    assert_eq!((seen.owner.as_deref(), seen.mine), (Some("jo@desk"), false));
    for refused in [AlertAct::Claim, AlertAct::Ack { note: String::new() }] {
        let why = act(&app, &alert, refused).await.expect_err("jo holds it");
        assert!(why.contains("jo@desk"), "{why}");
    }
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_triage_freezes_the_fleet_into_an_incident_and_then_cools_down() {
    let (_world, app) = behind().await;
    let alert = mismatch(&app).await.alert;
    let triage = AlertAct::Triage { note: "looking".to_owned() };
    act(&app, &alert, triage).await.expect("it is free");
    let row = mismatch(&app).await;
    let cooldown = row.cooldown.expect("its signature cools down");
    assert_eq!(cooldown.until_ms - cooldown.triaged_at_ms, 15 * 60_000);
    assert_eq!(inbox(&app).await.counts.cooling, 1);
    let incident = row.incident.expect("it is in an incident");
    let view = app.incident("eu", &incident).await.expect("there");
    assert_eq!((view.alerts.len(), view.row.state), (1, IncidentStateView::Open));
    let frozen = view.timeline.iter().find_map(|entry| entry.frozen.clone()).expect("frozen");
    for part in [
        "\"behind\"",
        "\"check.policy.reachability\"",
        "\"letter\": \"A\"",
        "\"desired\": \"2.0.0\"",
    ] {
        let wanted = part != "\"check.policy.reachability\"";
        assert_eq!(frozen.contains(part), wanted, "{part}: {frozen}");
    }
    for (act, kind) in [
        (IncidentAct::Note { text: "gw-1 was rebooted".to_owned() }, TimelineKind::Note),
        (IncidentAct::Move { to: IncidentStateView::Mitigating }, TimelineKind::State),
        (IncidentAct::Close { resolution: "synced".to_owned() }, TimelineKind::State),
    ] {
        let view = app.act_on_incident("eu", &incident, &act).await.expect("it moves on");
        assert_eq!(view.timeline.last().expect("an entry").kind, kind);
    }
    assert!(app.incidents("eu", false).await.expect("a list").is_empty());
    assert_eq!(app.incidents("eu", true).await.expect("a list").len(), 1);
    let draft = app.incident_draft("eu", &incident).await.expect("a draft");
    assert!(draft.contains("gw-1 was rebooted") && draft.contains("closed: synced"), "{draft}");
    let again = IncidentAct::Move { to: IncidentStateView::Open };
    let error = app.act_on_incident("eu", &incident, &again).await.expect_err("closed for good");
    assert_eq!(error.code, Code::Invalid);
    app.close().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_nothing_goes_unseen() {
    let (world, app) = behind().await;
    let alert = mismatch(&app).await.alert;
    act(&app, &alert, AlertAct::Ack { note: String::new() }).await.expect("free");
    app.close().await;
    let app = App::open(world.options()).await.expect("the files open");
    assert_eq!(mismatch(&app).await.status, AlertStatus::Acked);
    let preview = app.alert_retention("eu", Some(30)).await.expect("a preview");
    assert_eq!(preview.alerts, 0);
    let ahead = app.retain_alerts("eu", i64::MAX / 1_000_000).await.expect_err("not old yet");
    assert_eq!(ahead.code, Code::Invalid);
    let now = app.alert_retention("eu", Some(0)).await.expect("a preview");
    assert_eq!(now.alerts, 1);
    assert_eq!(app.retain_alerts("eu", now.before_ms).await.expect("removed"), 1);
    let left = rows(&inbox(&app).await);
    assert!(left.iter().all(|row| row.alert != alert), "{left:?}");
    app.close().await;
}

/// R149: nothing goes by itself until a policy says so, and then what is older than it says.
#[tokio::test]
async fn a_policy_lets_settled_alerts_go_by_themselves() {
    let (world, app) = behind().await;
    let alert = mismatch(&app).await.alert;
    act(&app, &alert, AlertAct::Ack { note: String::new() }).await.expect("free");
    app.close().await;
    let file = world.path("data/retention_policy.yml");
    let later = || {
        let ahead = Ahead::default();
        ahead.by(8 * 86_400);
        AppOptions { clock: ahead.clock(), sweep_on_period: true, ..world.options() }
    };
    let gone = async |app: &App| {
        let mut heard = app.subscribe();
        loop {
            if rows(&inbox(app).await).iter().all(|row| row.alert != alert) {
                return;
            }
            heard.recv().await.expect("it announces");
        }
    };
    std::fs::write(&file, "acked_days: 7\n").expect("written");
    let app = App::open(later()).await.expect("the files open");
    let shown = app.alert_retention("eu", None).await.expect("a preview");
    assert_eq!((shown.acked_days, shown.policy_days, shown.automatic), (7, Some(7), false));
    assert_eq!(shown.alerts, 1, "and only somebody who says so removes it");
    app.close().await;
    std::fs::write(&file, "acked_days: 7\nautomatic: true\n").expect("written");
    let app = App::open(later()).await.expect("the files open");
    tokio::time::timeout(DEADLINE, gone(&app)).await.expect("it goes by itself");
    app.close().await;
    std::fs::write(&file, "automatic: true\n").expect("written");
    let app = App::open(world.options()).await.expect("the files open");
    let notices = app.shell().await.expect("a frame").notices;
    assert!(
        notices.iter().any(|told| told.contains("retention_policy.yml is not followed")
            && told.contains("removes nothing without acked_days")),
        "{notices:?}"
    );
    app.close().await;
}

#[tokio::test]
async fn a_fleet_that_is_only_looked_at_has_no_acts() {
    let (world, app) = behind().await;
    let alert = mismatch(&app).await.alert;
    app.close().await;
    world.write_fleet("read_only = true");
    let app = App::open(world.options()).await.expect("the files open");
    let refused = app.act_on_alerts("eu", &[alert], &AlertAct::Claim).await;
    assert!(refused.expect_err("read-only").message.contains("read-only"));
    app.close().await;
}

#[tokio::test]
async fn a_policy_beside_the_files_says_whom_alerts_are_for() {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let file = world.path("data/alert_routing_policy.yml");
    std::fs::create_dir_all(world.path("data")).expect("a folder");
    let policy = "routes: [{name: fleet, service_in: [eu], assign_to: mira}]\nsources: [{source: monitor@node1, within_minutes: 5}]";
    std::fs::write(&file, policy).expect("written");
    let options = AppOptions { operator: "mira@laptop".to_owned(), ..world.options() };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    app.sweep("eu").await.expect("a sweep");
    let alert = mismatch(&app).await;
    assert_eq!((alert.assigned_to.as_deref(), alert.mine), (Some("mira"), true));
    let quiet = rows(&inbox(&app).await).into_iter().find(|row| row.kind == "SourceQuiet");
    assert_eq!(quiet.expect("nothing was told").service, "monitor@node1");
    app.close().await;
    std::fs::write(&file, "routes: 7").expect("written");
    let app = App::open(world.options()).await.expect("the files open");
    let notices = app.shell().await.expect("a frame").notices;
    assert!(
        notices.iter().any(|notice| notice.contains("alert_routing_policy.yml is not followed")),
        "{notices:?}"
    );
    app.close().await;
}
