//! Alerts in SQLite and in PostgreSQL, both durable and on the same disk: what a hub takes in, gives out and changes.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use plumb_alert::{Acknowledgement, AlertRef, Caller, Draft, RoutingPolicy};
use plumb_inbox::{
    AlertQuery, AlertStore, ClaimRequest, Clock, Inbox, PostgresSettings, PostgresStore,
    SqliteStore,
};
use plumb_testkit::postgres::Postgres;
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::{
    report::{RUNS, Report, best, slow_but_one_in_twenty, timed},
    runtime,
};

/// Promised: alerts in a second, told by senders of whom each waits for the answer to its last one.
const INGESTED: usize = 2_000;
const INGESTED_MS: f64 = 1_000.0;
const SENDERS: usize = 64;
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
