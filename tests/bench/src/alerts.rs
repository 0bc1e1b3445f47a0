//! Alerts in SQLite and in PostgreSQL, both durable and on the same disk: what a hub takes in, gives out and changes.

use std::{net::SocketAddr, path::Path, sync::Arc, thread};

use anyhow::{Context as _, Result, ensure};
use plumb_alert::{Acknowledgement, AlertRef, Caller, Draft, RoutingPolicy};
use plumb_hub::{RoleMatrix, TeamOptions, admin, serve_team, wire::NewIdentity};
use plumb_inbox::{
    AlertQuery, AlertStore, ClaimRequest, Clock, Inbox, PostgresSettings, PostgresStore, Settings,
    SqliteStore,
};
use plumb_testkit::postgres::Postgres;
use serde_json::json;
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::{
    http::Connection,
    report::{RUNS, Report, best, slow_but_one_in_twenty, timed},
    runtime,
};

/// Promised: alerts in a second, told by senders of whom each waits for the answer to its last one.
const INGESTED: usize = 2_000;
const INGESTED_MS: f64 = 1_000.0;
const SENDERS: usize = 64;
/// Numbers of alerts that a hub is told: none that was taken in before, also where it uses the same database.
const HUB_BEGINS: usize = 1_000_000;
/// Promised: a claim among so many, in milliseconds.
const AMONG: usize = 100_000;
const CLAIMED: u32 = 25;
const CLAIM_MS: f64 = 10.0;
/// Promised: a change of one among so many, in milliseconds.
const CHANGED_AMONG: usize = 15_000;
const CHANGE_MS: f64 = 20.0;
/// Claims and changes of which the slowest but one in twenty counts.
const TIMES: usize = 60;

/// Measures each store in turn, and says so where PostgreSQL is not there.
pub fn run(report: &mut Report) -> Result<()> {
    let runtime = runtime()?;
    let folder = tempdir().context("a folder on the disk")?;
    let server = Postgres::start_in(folder.path(), "alerts in PostgreSQL");
    let stores: Vec<(&str, Inbox)> = runtime.block_on(async {
        let path = folder.path().join("alerts.sqlite");
        let sqlite = Arc::new(SqliteStore::open(&path, Clock::system()).await?);
        let mut stores = vec![("SQLite", inbox(sqlite))];
        if let Some(server) = &server {
            let settings = PostgresSettings::new(server.dsn("postgres"));
            PostgresStore::migrate(&settings).await?;
            let postgres = Arc::new(PostgresStore::open(&settings).await?);
            stores.push(("PostgreSQL", inbox(postgres)));
        }
        anyhow::Ok(stores)
    })?;
    let mut told = Vec::new();
    for (name, inbox) in &stores {
        told.push((name, Figures::measured(&runtime, inbox)?));
    }
    for (name, figures) in &told {
        let per_second = INGESTED as f64 / figures.ingest * 1_000.0;
        report.shown(&format!("alerts, {name}: taken in a second"), per_second, "alerts");
        let took = format!("alerts, {name}: {INGESTED} taken by {SENDERS} senders");
        report.timed(&took, figures.ingest, "ms", INGESTED_MS);
    }
    for (name, figures) in &told {
        let took = format!("alerts, {name}: claim of {CLAIMED} among {AMONG}");
        report.timed(&took, figures.claim, "ms", CLAIM_MS);
    }
    for (name, figures) in &told {
        let took = format!("alerts, {name}: change of one among {CHANGED_AMONG}");
        report.timed(&took, figures.change, "ms", CHANGE_MS);
        let size = format!("alerts, {name}: dashboard of {AMONG}");
        report.shown(&size, figures.dashboard, "ms");
    }
    // The whole way: a hub that asks who it is, reads what came, keeps it, and answers.
    let database = folder.path().join("hub.sqlite");
    let mut hubs = vec![("SQLite", Settings::Sqlite(database))];
    if let Some(server) = &server {
        let settings = PostgresSettings::new(server.dsn("postgres"));
        hubs.push(("PostgreSQL", Settings::Postgres(settings)));
    }
    for (name, alerts) in hubs {
        let took = told_to_a_hub(&runtime, &folder.path().join(name), alerts)?;
        let per_second = INGESTED as f64 / took * 1_000.0;
        report.shown(&format!("alerts, {name}: taken by a hub in a second"), per_second, "alerts");
        let name =
            format!("alerts, {name}: {INGESTED} told to a hub by {SENDERS} senders over HTTP");
        report.timed(&name, took, "ms", INGESTED_MS);
    }
    runtime.block_on(async {
        for (_, inbox) in &stores {
            inbox.close().await?;
        }
        anyhow::Ok(())
    })
}

fn inbox(store: Arc<dyn AlertStore>) -> Inbox {
    Inbox::new(store, RoutingPolicy::default())
}

/// In milliseconds.
struct Figures {
    ingest: f64,
    change: f64,
    claim: f64,
    dashboard: f64,
}

impl Figures {
    fn measured(runtime: &Runtime, inbox: &Inbox) -> Result<Self> {
        let mut ingest = Vec::new();
        for run in 0..RUNS {
            let (ms, ()) = timed(|| runtime.block_on(ingested(inbox, run)))?;
            ingest.push(ms);
        }
        runtime.block_on(fill(inbox, RUNS * INGESTED, CHANGED_AMONG))?;
        let change = changed(runtime, inbox)?;
        runtime.block_on(fill(inbox, CHANGED_AMONG, AMONG))?;
        let claim = claimed(runtime, inbox)?;
        let counted = || runtime.block_on(inbox.dashboard(None)).map_err(Into::into);
        let (counting, dashboard) = timed(counted)?;
        let alerts: u64 = dashboard.by_status.iter().map(|count| count.alerts).sum();
        ensure!(alerts == AMONG as u64, "{alerts} alerts are there");
        Ok(Self { ingest: best(&ingest), change, claim, dashboard: counting })
    }
}

fn report_of(number: usize) -> Draft {
    Draft {
        source: format!("monitor@node{}", number % 50),
        service: format!("service-{}", number % 200),
        env: "prod".to_owned(),
        kind: "slo_breach".to_owned(),
        title: "p95 above its objective".to_owned(),
        message: "p95 of the last five minutes is 812 ms, its objective is 300 ms".to_owned(),
        fingerprint: Some(format!("fp-{number}")),
        labels: [("node".to_owned(), format!("gw-{number}"))].into(),
        ..Draft::default()
    }
}

/// As monitors do it: each sender tells one alert, waits until it is durable, and tells the next.
async fn ingested(inbox: &Inbox, run: usize) -> Result<()> {
    let senders = (0..SENDERS).map(|sender| {
        let inbox = inbox.clone();
        tokio::spawn(async move {
            for number in (sender..INGESTED).step_by(SENDERS) {
                let answer = inbox.ingest(report_of(run * INGESTED + number)).await?;
                ensure!(!answer.value.deduped(), "each alert is its own");
            }
            anyhow::Ok(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok(())
}

/// The best of some runs, in milliseconds: each sender keeps its connection, and waits for each answer.
fn told_to_a_hub(runtime: &Runtime, data: &Path, alerts: Settings) -> Result<f64> {
    let (hub, token) = runtime.block_on(async {
        let wanted = NewIdentity {
            name: "monitor".to_owned(),
            role: "agent_monitor".to_owned(),
            expires_after_s: 3_600,
            certificate: None,
            node: None,
        };
        std::fs::create_dir_all(data)?;
        let now = jiff::Timestamp::now();
        let made =
            admin::create_identity(data, &RoleMatrix::default(), &wanted, "bench", now).await?;
        let mut options = TeamOptions::new(data);
        options.alerts = Some(alerts);
        // It is for the beginning, and nobody uses it.
        options.bootstrap = Some("a-first-token-that-nobody-uses".to_owned().into());
        let hub = serve_team(options).await?;
        anyhow::Ok((hub, made.token.context("a token")?))
    })?;
    let address = hub.address();
    let mut took = Vec::new();
    for run in 0..RUNS {
        took.push(timed(|| told_by_senders(address, &token, run))?.0);
    }
    runtime.block_on(hub.shutdown());
    Ok(best(&took))
}

fn told_by_senders(address: SocketAddr, token: &str, run: usize) -> Result<()> {
    let sender = |sender: usize| -> Result<()> {
        let mut connection = Connection::open(address)?;
        for number in (sender..INGESTED).step_by(SENDERS) {
            let number = HUB_BEGINS + run * INGESTED + number;
            let draft = report_of(number);
            let body = json!({
                "source": draft.source, "service": draft.service, "env": draft.env, "kind": draft.kind,
                "title": draft.title, "message": draft.message, "fingerprint": draft.fingerprint,
                "labels": draft.labels,
            });
            let answer = connection.post_as(token, "/v1/alerts", &body.to_string())?;
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(answer.status == 200, "alert {number} was answered {}: {text}", answer.status);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let senders: Vec<_> =
            (0..SENDERS).map(|number| scope.spawn(move || sender(number))).collect();
        senders.into_iter().try_for_each(|sender| match sender.join() {
            Ok(told) => told,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

async fn fill(inbox: &Inbox, from: usize, to: usize) -> Result<()> {
    let numbers: Vec<usize> = (from..to).collect();
    for batch in numbers.chunks(4_000) {
        for answer in inbox.ingest_all(batch.iter().map(|it| report_of(*it)).collect()).await {
            answer?;
        }
    }
    Ok(())
}

fn changed(runtime: &Runtime, inbox: &Inbox) -> Result<f64> {
    let some = AlertQuery::since(jiff::Timestamp::UNIX_EPOCH, 1_000);
    let alerts = runtime.block_on(inbox.list(&some))?;
    let some: Vec<AlertRef> = alerts.into_iter().map(|alert| alert.alert_ref).take(TIMES).collect();
    ensure!(some.len() == TIMES, "there are enough alerts");
    let ack = Acknowledgement { caller: Caller::new("oncall"), note: "seen".to_owned() };
    let mut took = Vec::new();
    for alert in &some {
        took.push(timed(|| Ok(runtime.block_on(inbox.ack(alert, &ack))?))?.0);
    }
    Ok(slow_but_one_in_twenty(took))
}

fn claimed(runtime: &Runtime, inbox: &Inbox) -> Result<f64> {
    let request = ClaimRequest {
        owner: "sofiia-supervisor".to_owned(),
        window_minutes: Some(240),
        limit: CLAIMED,
        lock_ttl_seconds: Some(600),
    };
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let (ms, claimed) = timed(|| Ok(runtime.block_on(inbox.claim(&request))?))?;
        ensure!(claimed.alerts.len() == CLAIMED as usize, "a claim takes what it asks for");
        took.push(ms);
    }
    Ok(slow_but_one_in_twenty(took))
}
