//! The inbox of a real hub on loopback: two consoles share it, and it goes away and comes back.

use std::{fs, net::SocketAddr};

use jiff::Timestamp;
use plumb_app::{
    App, AppOptions,
    views::{
        alerts::{
            ActedView, AlertAct, AlertLine, AlertRow, AlertStatus, AlertsPage, InboxView,
            TentativeOutcome,
        },
        incidents::{IncidentAct, IncidentStateView},
    },
};
use plumb_hub::{RoleMatrix, TeamHub, TeamOptions, admin, serve_team, wire::NewIdentity};

use crate::world::World;

/// Writes a token of a role into a file.
async fn give(world: &World, role: &str, file: &str) {
    let wanted = NewIdentity {
        name: role.to_owned(),
        role: role.to_owned(),
        expires_after_s: 3_600,
        certificate: None,
    };
    let (data, roles, now) = (world.path("hub"), RoleMatrix::default(), Timestamp::now());
    let made = admin::create_identity(data.as_std_path(), &roles, &wanted, "test", now).await;
    let token = made.expect("an identity").token.expect("its token");
    fs::write(world.path(file), token).expect("written");
}

struct Team {
    world: World,
    hub: Option<TeamHub>,
    address: SocketAddr,
}

impl Team {
    /// A fleet whose one node runs the version before the desired one, and its hub.
    async fn start(role: &str) -> Self {
        let world = World::start(&[("gw-1", "v1.signed.json")]).await;
        let data = world.path("hub");
        fs::create_dir_all(&data).expect("a folder");
        for (role, file) in [("admin", "admin.token"), (role, "hub.token")] {
            give(&world, role, file).await;
        }
        let hub = serve_team(TeamOptions::new(&data)).await.expect("a hub");
        let address = hub.address();
        let mut team = Self { world, hub: Some(hub), address };
        team.name_hub();
        team
    }

    fn name_hub(&mut self) {
        let file = self.world.path("fleet.toml");
        let text = fs::read_to_string(&file).expect("a fleet file");
        let token = self.world.path("hub.token");
        let hub = format!(
            "\n[hub]\nurl = \"http://{}\"\ncredential = {{ command = [\"cat\", \"{token}\"] }}\n",
            self.address
        );
        fs::write(file, text + &hub).expect("written");
    }

    async fn stop(&mut self) {
        self.hub.take().expect("it runs").shutdown().await;
    }

    async fn start_again(&mut self) {
        let options =
            TeamOptions { listen: self.address, ..TeamOptions::new(self.world.path("hub")) };
        self.hub = Some(serve_team(options).await.expect("the same address"));
    }

    async fn console(&self, person: &str) -> App {
        self.console_in(person, person).await
    }

    async fn console_in(&self, folder: &str, person: &str) -> App {
        let options = AppOptions {
            data_dir: self.world.path(folder),
            operator: format!("{person}@laptop"),
            ..self.world.options()
        };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(self.world.path("fleet.toml").as_str()).await.expect("the fleet opens");
        app.sweep("eu").await.expect("a sweep");
        app
    }
}

async fn inbox(app: &App) -> InboxView {
    app.alerts("eu", &AlertsPage { limit: 100, ..AlertsPage::default() }).await.expect("an inbox")
}

async fn mismatch(app: &App) -> AlertRow {
    let rows = inbox(app).await.lines.into_iter().filter_map(|line| match line {
        AlertLine::Alert(row) => Some(row),
        AlertLine::Storm(_) => None,
    });
    rows.into_iter().find(|row| row.kind == "PolicyVersionMismatch").expect("it was told")
}

async fn act(app: &App, alert: &str, act: AlertAct) -> ActedView {
    app.act_on_alerts("eu", &[alert.to_owned()], &act).await.expect("an answer")
}

#[tokio::test]
async fn two_consoles_share_one_inbox_and_one_alert_has_one_owner() {
    let mut team = Team::start("agent_oncall").await;
    let (mira, jo) = (team.console("mira").await, team.console("jo").await);
    let shown = inbox(&mira).await;
    assert_eq!((shown.source.backend.as_str(), shown.source.survives_restart), ("sqlite", true));
    assert!(shown.source.hub.is_some() && shown.source.offline.is_none(), "{:?}", shown.source);
    let alert = mismatch(&mira).await;
    assert_eq!(alert.alert, mismatch(&jo).await.alert, "the same alert, told by two consoles");
    assert_eq!(act(&mira, &alert.alert, AlertAct::Claim).await.done.len(), 1);
    assert!(mismatch(&mira).await.mine, "at once, before the next look");
    for what in [AlertAct::Claim, AlertAct::Ack { note: String::new() }] {
        let refused = act(&jo, &alert.alert, what).await.refused;
        assert!(refused[0].why.contains("mira@laptop"), "{refused:?}");
    }
    jo.sweep("eu").await.expect("a sweep");
    let seen = mismatch(&jo).await;
    assert_eq!((seen.owner.as_deref(), seen.mine), (Some("mira@laptop"), false));
    let fail = AlertAct::Fail { error: "gateway timeout".to_owned(), retry_after_s: Some(0) };
    assert_eq!(act(&mira, &alert.alert, fail).await.done.len(), 1);
    let triage = AlertAct::Triage { note: "looking".to_owned() };
    let done = act(&jo, &alert.alert, triage).await.done;
    let incident = done[0].incident.clone().expect("an incident");
    jo.sweep("eu").await.expect("a sweep");
    let view = jo.incident("eu", &incident).await.expect("there");
    assert!(view.timeline.iter().any(|entry| entry.frozen.is_some()), "{view:?}");
    let closed = IncidentAct::Close { resolution: "synced".to_owned() };
    let view = jo.act_on_incident("eu", &incident, &closed).await.expect("it closes");
    assert_eq!(view.row.state, IncidentStateView::Closed);
    mira.close().await;
    jo.close().await;
    team.stop().await;
}

#[tokio::test]
async fn without_the_hub_claims_are_tentative_and_settled_when_it_answers() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    let claimed = act(&mira, &alert, AlertAct::Claim).await;
    assert!(claimed.done[0].tentative, "{claimed:?}");
    let ack = AlertAct::Ack { note: String::new() };
    let refused = mira.act_on_alerts("eu", std::slice::from_ref(&alert), &ack).await;
    assert!(refused.expect_err("it needs the hub").message.contains("only claims"));
    // The program ends and starts without a network: nothing of it is lost.
    mira.close().await;
    let mira = team.console("mira").await;
    let shown = inbox(&mira).await;
    assert!(shown.source.offline.is_some() && shown.source.as_of_ms.is_some(), "{shown:?}");
    assert_eq!(shown.tentative[0].outcome, TentativeOutcome::Waiting);
    let row = mismatch(&mira).await;
    assert!(row.tentative && row.mine && row.status == AlertStatus::New, "{row:?}");
    team.start_again().await;
    mira.sweep("eu").await.expect("a sweep");
    let shown = inbox(&mira).await;
    assert_eq!(shown.tentative[0].outcome, TentativeOutcome::Won, "{:?}", shown.tentative);
    let row = mismatch(&mira).await;
    assert_eq!((row.owner.as_deref(), row.mine, row.tentative), (Some("mira@laptop"), true, false));
    mira.close().await;
    team.stop().await;
}

#[tokio::test]
async fn whoever_asks_the_hub_first_wins_a_claim() {
    let mut team = Team::start("agent_oncall").await;
    let (mira, jo) = (team.console("mira").await, team.console("jo").await);
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    assert!(act(&mira, &alert, AlertAct::Claim).await.done[0].tentative);
    team.start_again().await;
    assert!(!act(&jo, &alert, AlertAct::Claim).await.done[0].tentative);
    mira.sweep("eu").await.expect("a sweep");
    let told = inbox(&mira).await.tentative.remove(0);
    assert_eq!(told.outcome, TentativeOutcome::Lost);
    assert!(told.told.contains("jo@laptop"), "{told:?}");
    assert!(!mismatch(&mira).await.mine);
    mira.close().await;
    jo.close().await;
    team.stop().await;
}

/// One claim that the hub refuses keeps nobody from the inbox.
#[tokio::test]
async fn a_refused_claim_is_told_and_the_inbox_is_read_all_the_same() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    assert!(act(&mira, &alert, AlertAct::Claim).await.done[0].tentative);
    mira.close().await;
    give(&team.world, "viewer", "hub.token").await;
    team.start_again().await;
    let mira = team.console("mira").await;
    let shown = inbox(&mira).await;
    assert_eq!(shown.source.offline, None);
    let told = &shown.tentative[0];
    assert_eq!(told.outcome, TentativeOutcome::Lost);
    assert!(told.told.contains("tools.alerts.claim denied"), "{told:?}");
    let row = mismatch(&mira).await;
    assert!(!row.tentative && !row.mine, "{row:?}");
    mira.close().await;
    team.stop().await;
}

/// A claim that was refused does not keep the desktop from telling that the alert is mine later.
#[tokio::test]
async fn what_another_program_claims_for_me_is_news_though_my_claim_was_refused() {
    let mut team = Team::start("agent_oncall").await;
    let (mira, jo) = (team.console("mira").await, team.console("jo").await);
    let other = team.console_in("phone", "mira").await;
    let mut heard = mira.notifications();
    let alert = mismatch(&mira).await.alert;
    assert_eq!(act(&jo, &alert, AlertAct::Claim).await.done.len(), 1);
    assert_eq!(act(&mira, &alert, AlertAct::Claim).await.refused.len(), 1);
    let fail = AlertAct::Fail { error: "not me".to_owned(), retry_after_s: Some(0) };
    assert_eq!(act(&jo, &alert, fail).await.done.len(), 1);
    assert_eq!(act(&other, &alert, AlertAct::Claim).await.done.len(), 1);
    mira.sweep("eu").await.expect("a sweep");
    let news = heard.recv().await.expect("the application is open");
    assert!(news.title.contains("nodes run another policy version"), "{news:?}");
    for app in [mira, jo, other] {
        app.close().await;
    }
    team.stop().await;
}

/// R147: a role that may not tell says so where the inbox is shown, and everything else works.
#[tokio::test]
async fn a_role_that_may_not_tell_is_told() {
    let mut team = Team::start("supervisor").await;
    let app = team.console("sofiia").await;
    let shown = inbox(&app).await;
    let why = shown.source.not_told.expect("it may not");
    assert!(why.contains("tools.alerts.ingest denied"), "{why}");
    assert!(shown.lines.is_empty() && shown.source.offline.is_none());
    app.close().await;
    team.stop().await;
}
