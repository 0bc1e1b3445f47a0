//! Programs and servers that are killed in the middle of reports: what was acknowledged is there afterwards.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use plumb_alert::{AlertRef, Draft, RoutingPolicy};
use plumb_inbox::{AlertStore, Clock, Inbox, PostgresSettings, PostgresStore, SqliteStore};
use plumb_testkit::postgres::{Answer, End, Postgres};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::world::draft;

/// Where a program of this test keeps alerts: the test starts itself again with it.
const WHERE: &str = "PLUMB_INBOX_TEST_KEEPS_IN";
const KILLS: u64 = 8;
/// Senders that do not wait for each other.
const SENDERS: usize = 16;

async fn open(place: &str) -> Inbox {
    let store: Arc<dyn AlertStore> = if place.starts_with("postgresql://") {
        Arc::new(PostgresStore::open(&PostgresSettings::new(place)).await.expect("a server"))
    } else {
        Arc::new(SqliteStore::open(Path::new(place), Clock::system()).await.expect("a file"))
    };
    Inbox::new(store, RoutingPolicy::default())
}

fn report(sender: usize, number: usize) -> Draft {
    let fingerprint = Some(format!("{}-{sender}-{number}", std::process::id()));
    Draft { fingerprint, ..draft("killed", "under load") }
}

/// The program that is killed: it reports for ever, and says what was acknowledged.
async fn report_for_ever(place: &str) -> ! {
    let inbox = open(place).await;
    let senders = (0..SENDERS).map(|sender| {
        let inbox = inbox.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let kept = inbox.ingest(report(sender, number)).await.expect("kept");
                let mut out = std::io::stdout().lock();
                let said = writeln!(out, "acknowledged {}", kept.value.alert().alert_ref);
                said.and_then(|()| out.flush()).expect("somebody listens");
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("it goes on for ever");
    }
    unreachable!("senders do not end")
}

/// Runs the program until it said so much, kills it, and reads to the end what it said.
fn killed_after(place: &str, test: &str, acknowledged: usize) -> BTreeSet<AlertRef> {
    let program = env::current_exe().expect("this test");
    let mut child = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(WHERE, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut told = BTreeSet::new();
    for line in out.lines() {
        let line = line.expect("text");
        let Some((_, alert)) = line.split_once("acknowledged ") else { continue };
        // The last line may have been cut.
        let Ok(alert) = alert.parse::<AlertRef>() else { continue };
        if alert.as_str().len() == AlertRef::PREFIX.len() + 32 {
            told.insert(alert);
        }
        if told.len() == acknowledged {
            child.kill().expect("it runs");
        }
    }
    let status = child.wait().expect("it was started");
    assert!(told.len() >= acknowledged, "it stopped by itself: {status}");
    told
}

async fn all_are_there(place: &str, told: &BTreeSet<AlertRef>) {
    let inbox = open(place).await;
    for alert in told {
        let kept = inbox.alert(alert).await;
        assert!(kept.is_ok(), "{alert} was acknowledged: {kept:?}");
    }
    let counted = inbox.dashboard(None).await.expect("counts");
    assert!(counted.by_status[0].alerts >= told.len() as u64);
    inbox.close().await.expect("closes");
}

async fn kill_often(place: &str, test: &str) {
    if let Ok(place) = env::var(WHERE) {
        report_for_ever(&place).await;
    }
    let mut told = BTreeSet::new();
    let mut random = StdRng::seed_from_u64(9);
    for _ in 0..KILLS {
        told.extend(killed_after(place, test, random.random_range(1..400)));
        all_are_there(place, &told).await;
    }
    assert!(told.len() > 500, "{} were acknowledged", told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_acknowledged_survives_kill_9() {
    // On a real disk, with the settings that programs have.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alerts.sqlite");
    let test = "crashes::what_sqlite_acknowledged_survives_kill_9";
    kill_often(path.to_str().expect("UTF-8"), test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_acknowledged_survives_kill_9() {
    let test = "crashes::what_postgres_acknowledged_survives_kill_9";
    if env::var(WHERE).is_ok() {
        kill_often("", test).await;
    }
    let Some(server) = Postgres::start("a hub on PostgreSQL is killed under reports") else {
        return;
    };
    let dsn = server.dsn("postgres");
    PostgresStore::migrate(&PostgresSettings::new(&dsn)).await.expect("a server");
    kill_often(&dsn, test).await;
}

/// The server crashes and recovers; senders hear of it, and nothing that was acknowledged is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_acknowledged_survives_a_crash_of_postgres() {
    let Some(mut server) = Postgres::start("PostgreSQL crashes under reports") else { return };
    let dsn = server.dsn("postgres");
    PostgresStore::migrate(&PostgresSettings::new(&dsn)).await.expect("a server");
    let inbox = open(&dsn).await;
    let mut told = BTreeSet::new();
    let mut heard = 0;
    for crash in 0..4_usize {
        let (acknowledged, mut acknowledgements) = tokio::sync::mpsc::unbounded_channel();
        let senders = (0..SENDERS).map(|sender| {
            let (inbox, acknowledged) = (inbox.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    match inbox.ingest(report(crash * SENDERS + sender, number)).await {
                        Ok(kept) => {
                            let alert = kept.value.alert().alert_ref.clone();
                            acknowledged.send(alert).expect("the test listens");
                        }
                        Err(error) => return error,
                    }
                }
                unreachable!("numbers do not end")
            })
        });
        let senders: Vec<_> = senders.collect();
        for _ in 0..150 {
            told.insert(acknowledgements.recv().await.expect("senders go on"));
        }
        tokio::task::block_in_place(|| server.stop(End::Immediate));
        for sender in senders {
            let error = sender.await.expect("it ends").to_string();
            assert!(
                ["cannot be reached", "is starting, stopping", "it is not known whether"]
                    .iter()
                    .any(|word| error.contains(word)),
                "{error}"
            );
            heard += 1;
        }
        drop(acknowledged);
        while let Some(alert) = acknowledgements.recv().await {
            told.insert(alert);
        }
        tokio::task::block_in_place(|| server.run(Answer::Accepts));
        for alert in &told {
            let kept = inbox.alert(alert).await;
            assert!(kept.is_ok(), "{alert} was acknowledged: {kept:?}");
        }
    }
    assert_eq!(heard, 4 * SENDERS, "every sender heard of it");
    inbox.close().await.expect("closes");
}
