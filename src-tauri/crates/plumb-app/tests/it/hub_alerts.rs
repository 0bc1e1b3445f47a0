//! The inbox of a real hub on loopback: two consoles share it, and it goes away and comes back.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

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

use tokio::io::AsyncWriteExt as _;

use crate::world::World;

/// Writes a token of a role into a file.
async fn give(world: &World, role: &str, file: &str) {
    let wanted = NewIdentity {
        name: role.to_owned(),
        role: role.to_owned(),
        expires_after_s: 3_600,
        certificate: None,
        node: None,
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

    /// A window: it sweeps by itself, and hears what changes at the hub.
    async fn window(&self, person: &str) -> App {
        let options = AppOptions {
            data_dir: self.world.path(person),
            operator: format!("{person}@laptop"),
            sweep_on_period: true,
            ..self.world.options()
        };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(self.world.path("fleet.toml").as_str()).await.expect("the fleet opens");
        app
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

/// Waits until a window shows something, which it announces.
async fn until(app: &App, what: &str, mut shown: impl FnMut(&InboxView) -> bool) {
    let mut heard = app.subscribe();
    let waiting = async {
        while !shown(&inbox(app).await) {
            // An announcement that was missed is as good as one that was heard.
            let _ = heard.recv().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{what}: {:?}", inbox(app).await);
}

fn owner_is(view: &InboxView, owner: Option<&str>) -> bool {
    view.lines.iter().any(|line| {
        matches!(line, AlertLine::Alert(row) if row.kind == "PolicyVersionMismatch" && row.owner.as_deref() == owner)
    })
}

/// What others do at the hub is shown although the next sweep is an hour away.
#[tokio::test]
async fn a_window_hears_at_once_what_others_do_at_the_hub() {
    let mut team = Team::start("agent_oncall").await;
    let file = team.world.path("fleet.toml");
    let text = fs::read_to_string(&file).expect("a fleet file");
    fs::write(&file, text.replace("deadline_s", "sweep_interval_s = 3600\ndeadline_s"))
        .expect("written");
    let window = team.window("mira").await;
    window.first_paint_done();
    until(&window, "the alert is told", |view| owner_is(view, None)).await;
    let jo = team.console("jo").await;
    let alert = mismatch(&jo).await.alert;
    assert_eq!(act(&jo, &alert, AlertAct::Claim).await.done.len(), 1);
    until(&window, "jo has it", |view| owner_is(view, Some("jo@laptop"))).await;
    let triage = AlertAct::Triage { note: "looking".to_owned() };
    let incident = act(&jo, &alert, triage).await.done.remove(0).incident.expect("an incident");
    until(&window, "it is settled", |view| view.counts.acked > 0).await;
    let note = IncidentAct::Note { text: "a disk is full".to_owned() };
    jo.act_on_incident("eu", &incident, &note).await.expect("a note");
    let mut heard = window.subscribe();
    let noted = async {
        loop {
            let view = window.incident("eu", &incident).await;
            if view
                .is_ok_and(|view| view.timeline.iter().any(|it| it.what.contains("a disk is full")))
            {
                return;
            }
            let _ = heard.recv().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.expect("the note is heard");
    window.close().await;
    jo.close().await;
    team.stop().await;
}

/// A console whose pins say otherwise does not speak for the others.
#[tokio::test]
async fn what_one_console_does_not_see_is_not_over_for_the_others() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    // In the eyes of jo the node runs what it should.
    let file = team.world.path("fleet.toml");
    let text = fs::read_to_string(&file).expect("a fleet file");
    let (old, new) = (team.world.content("v1.signed.json"), team.world.content("v2.signed.json"));
    fs::write(
        &file,
        text.replace("version = \"2.0.0\"", "version = \"1.0.0\"").replace(&new, &old),
    )
    .expect("written");
    let jo = team.console("jo").await;
    jo.sweep("eu").await.expect("a sweep");
    let row = mismatch(&jo).await;
    assert_eq!((row.alert.as_str(), row.resolved), (alert.as_str(), false), "mira sees it");
    fs::write(&file, text).expect("written");
    mira.sweep("eu").await.expect("a sweep");
    assert!(!mismatch(&mira).await.resolved);
    mira.close().await;
    jo.close().await;
    team.stop().await;
}

#[tokio::test]
async fn a_claim_made_offline_outlives_a_new_address_of_the_hub() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    assert!(act(&mira, &alert, AlertAct::Claim).await.done[0].tentative);
    mira.close().await;
    let former = team.address;
    team.address = SocketAddr::from(([127, 0, 0, 1], 0));
    team.start_again().await;
    team.address = team.hub.as_ref().expect("it runs").address();
    let file = team.world.path("fleet.toml");
    let text = fs::read_to_string(&file).expect("a fleet file");
    let moved = text.replace(&former.to_string(), &team.address.to_string());
    fs::write(&file, moved).expect("written");
    let mira = team.console("mira").await;
    let told = inbox(&mira).await.tentative;
    assert_eq!(told[0].outcome, TentativeOutcome::Won, "{told:?}");
    mira.close().await;
    team.stop().await;
}

#[tokio::test]
async fn a_claim_that_cannot_be_written_down_is_not_made() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    let folder = team.world.path("mira/inboxes");
    let aside = team.world.path("mira/aside");
    fs::rename(&folder, &aside).expect("moved");
    fs::write(&folder, "a file where the folder was").expect("written");
    let refused = mira.act_on_alerts("eu", std::slice::from_ref(&alert), &AlertAct::Claim).await;
    assert!(refused.expect_err("it is not kept").message.contains("could not be written"));
    assert!(inbox(&mira).await.tentative.is_empty(), "what was refused is not there");
    fs::remove_file(&folder).expect("removed");
    fs::rename(&aside, &folder).expect("moved");
    assert!(act(&mira, &alert, AlertAct::Claim).await.done[0].tentative);
    assert_eq!(inbox(&mira).await.tentative.len(), 1);
    mira.close().await;
}

/// A hub that is away is waited for once, not once for each alert.
#[tokio::test]
async fn many_claims_ask_a_hub_that_is_away_once() {
    let mut team = Team::start("agent_oncall").await;
    let mira = team.console("mira").await;
    let alert = mismatch(&mira).await.alert;
    team.stop().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind(team.address).await.expect("the address is free");
    let counting = asked.clone();
    let away = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            counting.fetch_add(1, Ordering::SeqCst);
            let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    });
    let others = (0..30).map(|number| format!("alrt_20260303_120000_{number:06x}"));
    let all: Vec<String> = std::iter::once(alert).chain(others).collect();
    let claimed = mira.act_on_alerts("eu", &all, &AlertAct::Claim).await.expect("an answer");
    assert_eq!((claimed.done.len(), claimed.refused.len()), (31, 0), "{claimed:?}");
    assert!(claimed.done.iter().all(|one| one.tentative));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(inbox(&mira).await.tentative.len(), 31);
    away.abort();
    mira.close().await;
}
