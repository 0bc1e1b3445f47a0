//! Alerts as their receivers get them: an Alertmanager and a hub that run in this process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    routing::post,
};
use insta::assert_snapshot;
use plumb_agent::{AlertConfig, AlertKind};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::world::{Node, World};

const DEADLINE: Duration = Duration::from_secs(20);

/// One request a receiver got.
#[derive(Debug)]
struct Got {
    path: String,
    authorization: Option<String>,
    body: Value,
}

#[derive(Debug, Clone)]
struct Desk {
    got: mpsc::UnboundedSender<Got>,
    /// What is answered next; afterwards every request is fine.
    answers: Arc<Mutex<VecDeque<(StatusCode, &'static str)>>>,
    fine: &'static str,
}

/// A receiver on loopback.
struct Receiver {
    url: String,
    got: mpsc::UnboundedReceiver<Got>,
}

impl Receiver {
    async fn start(answers: &[(u16, &'static str)], fine: &'static str) -> Self {
        let (sender, got) = mpsc::unbounded_channel();
        let answers = answers
            .iter()
            .map(|(status, text)| (StatusCode::from_u16(*status).expect("a status"), *text));
        let desk = Desk { got: sender, answers: Arc::new(Mutex::new(answers.collect())), fine };
        let take = |State(desk): State<Desk>, headers: HeaderMap, uri: Uri, body: Bytes| async move {
            let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
            let _ = desk.got.send(Got {
                path: uri.path().to_owned(),
                authorization: authorization.map(str::to_owned),
                body: serde_json::from_slice(&body).expect("alerts are JSON"),
            });
            let mut answers = desk.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.pop_front().unwrap_or((StatusCode::OK, desk.fine))
        };
        let app = Router::new()
            .route("/api/v2/alerts", post(take))
            .route("/v1/tools/execute", post(take))
            .with_state(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got }
    }

    async fn next(&mut self) -> Got {
        let got = timeout(DEADLINE, self.got.recv()).await.expect("an alert arrives in time");
        got.expect("the receiver lives")
    }

    /// The next alert of this name in an Alertmanager's array.
    async fn alert(&mut self, name: &str, ended: bool) -> Value {
        loop {
            let got = self.next().await;
            let alerts = got.body.as_array().expect("an array").clone();
            let found = alerts.into_iter().find(|alert| {
                alert["labels"]["alertname"] == name && alert["endsAt"].is_string() == ended
            });
            if let Some(found) = found {
                return found;
            }
        }
    }
}

impl Receiver {
    /// Names of alerts as they come, up to this one.
    async fn names_until(&mut self, name: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|last| last != name) {
            let got = self.next().await;
            let alerts = got.body.as_array().expect("an array").clone();
            let of = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
            // One that comes with it counts as before it.
            let (this, others): (Vec<_>, Vec<_>) =
                alerts.iter().filter_map(of).partition(|one| one == name);
            names.extend(others.into_iter().chain(this));
        }
        names
    }
}

async fn node(world: &World, url: &str, kind: AlertKind) -> Node {
    let mut alerts = AlertConfig::new(url, kind);
    alerts.node = Some("edge-7".to_owned());
    alerts.token = Some(SecretString::from("alert-token"));
    alerts.retry_base = Duration::from_millis(1);
    alerts.look_every = Duration::from_millis(20);
    let mut config = world.config();
    config.alerts = Some(alerts);
    Node::start(config).await
}

async fn refused(world: &World, node: &Node) {
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    let reply = node.post("/reload", &json!({ "bundle_path": strange }).to_string()).await;
    assert_eq!(reply.status, 500);
}

#[track_caller]
fn shown(world: &World, alert: &Value) -> String {
    let mut alert = alert.clone();
    for key in ["startsAt", "endsAt", "started_at"] {
        if let Some(at) = alert.get_mut(key) {
            at.as_str().expect("a text").parse::<jiff::Timestamp>().expect("a moment");
            *at = json!("[moment]");
        }
    }
    if let Some(url) = alert.get_mut("generatorURL") {
        assert!(url.as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
        *url = json!("[agent]");
    }
    world.redact(&serde_json::to_string_pretty(&alert).expect("JSON"))
}

/// R179, R221: a bundle nobody trusts is refused, and App Engineering and Security hear of it.
#[tokio::test]
async fn a_refused_bundle_reaches_the_alertmanager() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let mut receiver = Receiver::start(&[], "").await;
    let node = node(&world, &receiver.url, AlertKind::Alertmanager).await;
    refused(&world, &node).await;
    let alert = receiver.alert("PolicyPackRefused", false).await;
    assert_snapshot!("alertmanager_refused", shown(&world, &alert));
    assert_eq!(node.get("/readyz").await.json()["bundle_version"], "2.0.0");
}

#[tokio::test]
async fn the_alertmanager_is_asked_as_documented() {
    let world = World::new();
    let mut receiver = Receiver::start(&[], "").await;
    let _node = node(&world, &receiver.url, AlertKind::Alertmanager).await;
    let got = receiver.next().await;
    assert_eq!(got.path, "/api/v2/alerts");
    assert_eq!(got.authorization.as_deref(), Some("Bearer alert-token"));
}

/// R198: the third failure in a row is an alert, the second is none, and a success ends it.
#[tokio::test]
async fn three_failures_in_a_row_are_an_alert_and_two_are_none() {
    const NAME: &str = "PolicyReloadFailingConsecutively";
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let mut receiver = Receiver::start(&[], "").await;
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut alerts = AlertConfig::new(receiver.url.as_str(), AlertKind::Alertmanager);
    alerts.look_every = Duration::from_millis(20);
    let mut config = world.config();
    (config.clock, config.alerts) = (clock, Some(alerts));
    let node = Node::start(config).await;
    for _ in 0..2 {
        refused(&world, &node).await;
    }
    // Told by a look at the node as two failures left it, and told last of what such a look finds.
    set("2026-11-21T05:15:01Z");
    let told = receiver.names_until("PolicyDigestStale").await;
    assert!(told.iter().any(|name| name == "PolicyReloadFailed"), "{told:?}");
    assert!(!told.iter().any(|name| name == NAME), "{told:?}");
    refused(&world, &node).await;
    let fired = receiver.alert(NAME, false).await;
    assert_eq!(fired["labels"]["severity"], "page");
    let why = fired["annotations"]["description"].as_str().expect("a text");
    assert!(why.starts_with("3 failures in a row, last: "), "{why}");
    node.post("/reload", "").await;
    let ended = receiver.alert(NAME, true).await;
    assert_eq!(ended["startsAt"], fired["startsAt"], "the same alert ends");
    assert_eq!(ended["labels"], fired["labels"]);
}

/// R197: silence of the source is noticed by time alone.
#[tokio::test]
async fn a_digest_nobody_confirmed_for_a_quarter_of_an_hour_is_told() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let mut receiver = Receiver::start(&[], "").await;
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut alerts = AlertConfig::new(receiver.url.as_str(), AlertKind::Alertmanager);
    alerts.look_every = Duration::from_millis(20);
    let mut config = world.config();
    (config.clock, config.alerts) = (clock, Some(alerts));
    let node = Node::start(config).await;
    set("2026-11-21T05:15:01Z");
    let stale = receiver.alert("PolicyDigestStale", false).await;
    assert_eq!(stale["annotations"]["description"], "confirmed 15 minutes ago");
    node.post("/reload", "").await;
    receiver.alert("PolicyDigestStale", true).await;
}

#[tokio::test]
async fn a_hub_gets_the_call_of_its_tool() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let fine = r#"{"accepted":true,"deduped":false,"alert_ref":"alrt_1"}"#;
    let mut receiver = Receiver::start(&[], fine).await;
    let node = node(&world, &receiver.url, AlertKind::Hub).await;
    refused(&world, &node).await;
    let failed = receiver.next().await;
    assert_eq!(failed.path, "/v1/tools/execute");
    let refused_pack = receiver.next().await;
    assert_snapshot!("hub_refused", shown(&world, &refused_pack.body));
    // The same alert again is the same to the hub.
    refused(&world, &node).await;
    assert_eq!(receiver.next().await.body["fingerprint"], failed.body["fingerprint"]);
}

#[tokio::test]
async fn a_receiver_that_is_away_is_asked_again_in_order() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let fine = r#"{"accepted":true}"#;
    let busy = [(503, "later"), (429, "later"), (500, "")];
    let mut receiver = Receiver::start(&busy, fine).await;
    let node = node(&world, &receiver.url, AlertKind::Hub).await;
    refused(&world, &node).await;
    let mut names = Vec::new();
    for _ in 0..5 {
        let name = receiver.next().await.body["labels"]["alertname"].clone();
        names.push(name.as_str().expect("a name").to_owned());
    }
    let (failed, refused) = ("PolicyReloadFailed", "PolicyPackRefused");
    assert_eq!(names, [failed, failed, failed, failed, refused]);
}

/// What the receiver refuses is not sent for ever, and is counted.
#[tokio::test]
async fn an_alert_the_hub_does_not_accept_is_counted_and_left() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let no = [(200, r#"{"accepted":false,"error":"kind"}"#), (422, r#"{"code":602}"#)];
    let mut receiver = Receiver::start(&no, r#"{"accepted":true}"#).await;
    let node = node(&world, &receiver.url, AlertKind::Hub).await;
    refused(&world, &node).await;
    refused(&world, &node).await;
    for _ in 0..4 {
        receiver.next().await;
    }
    let logs = node.until("/v1/agent/logs?filter=refuses", |logs| {
        logs["lines"].as_array().is_some_and(|lines| lines.len() == 2)
    });
    assert!(logs.await["lines"][0]["message"].to_string().contains("accepted"));
    let counted = async {
        loop {
            let text = node.get("/metrics").await.text;
            if text.contains("plumb_agent_alerts_total{outcome=\"sent\"} 2") {
                return text;
            }
        }
    };
    let text = timeout(DEADLINE, counted).await.expect("two are sent");
    assert!(text.contains("plumb_agent_alerts_total{outcome=\"refused\"} 2"), "{text}");
}

/// The receiver accepts connections and never answers; reloads do not care.
#[tokio::test]
async fn a_receiver_that_hangs_delays_no_reload() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let node = node(&world, &url, AlertKind::Alertmanager).await;
    let begun = Instant::now();
    for _ in 0..100 {
        refused(&world, &node).await;
    }
    assert_eq!(node.post("/reload", "").await.status, 200);
    // The receiver's own deadline is ten seconds; a single wait for it would show.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let text = node.get("/metrics").await.text;
    let dropped =
        text.lines().find(|line| line.starts_with("plumb_agent_alerts_total{outcome=\"dropped\"}"));
    let dropped: u64 =
        dropped.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a count");
    assert!(dropped > 0, "two hundred events do not fit the queue");
    drop(silent);
}

#[tokio::test]
async fn an_address_that_would_leak_the_token_is_refused_at_the_start() {
    let world = World::new();
    let mut alerts = AlertConfig::new("http://alerts.example", AlertKind::Alertmanager);
    alerts.token = Some(SecretString::from("alert-token"));
    let mut config = world.config();
    config.alerts = Some(alerts);
    let error = plumb_agent::Agent::start(config).await.expect_err("refused");
    assert!(error.to_string().contains("use https"), "{error}");
}
