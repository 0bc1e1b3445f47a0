//! What only a shared server can do: be away, slow, full, in recovery or somebody else's; and serve many hubs at once.

use std::{
    collections::BTreeSet,
    env,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use plumb_alert::{AlertRef, RoutingPolicy, State, Status};
use plumb_inbox::{
    Clock, Inbox, InboxError, IncidentQuery, PostgresSettings, PostgresStore, Since, SqliteStore,
    Step, Trouble,
};
use plumb_testkit::postgres::{Answer, End, Postgres};

use crate::world::{Of, World, ack, at, claim, draft, failure, sql, taken};

/// For a server that is not expected to answer.
const QUICK: Duration = Duration::from_secs(2);
/// For one that is, on a machine that has much else to do.
const PATIENT: Duration = Duration::from_secs(30);

fn settings(dsn: &str, deadline: Duration) -> PostgresSettings {
    PostgresSettings { deadline, ..PostgresSettings::new(dsn) }
}

async fn inbox(dsn: &str, deadline: Duration) -> Inbox {
    let store = PostgresStore::open(&settings(dsn, deadline)).await.expect("a server");
    Inbox::new(std::sync::Arc::new(store), RoutingPolicy::default())
}

async fn migrated(test: &str) -> Option<(Postgres, String)> {
    let server = Postgres::start(test)?;
    let dsn = server.dsn("postgres");
    PostgresStore::migrate(&settings(&dsn, PATIENT)).await.expect("a server");
    Some((server, dsn))
}

#[track_caller]
fn trouble<T: std::fmt::Debug>(answer: Result<T, InboxError>) -> (Trouble, String) {
    match answer {
        Err(InboxError::Store(failure)) => (failure.trouble, failure.to_string()),
        answer => panic!("the store is in trouble, but: {answer:?}"),
    }
}

/// R110, R152, R153.
#[tokio::test]
async fn migrations_on_postgres_are_previewed_and_done_once() {
    let Some(server) = Postgres::start("migrations") else { return };
    let settings = settings(&server.dsn("postgres"), PATIENT);
    let open = async || PostgresStore::open(&settings).await.map(drop);
    let failure = open().await.expect_err("its tables are missing");
    assert_eq!(failure.trouble, Trouble::NotMigrated);
    assert!(failure.to_string().contains("plumb hub migrate"), "{failure}");
    let preview = PostgresStore::preview(&settings).await.expect("a server");
    assert!(preview.iter().all(Step::is_pending) && !preview.is_empty());
    let Step::Pending(first) = &preview[0] else { panic!("nothing is there yet") };
    assert!(first.sql.contains("CREATE TABLE alerts"), "a preview shows what would be done");
    assert_eq!(PostgresStore::preview(&settings).await.expect("a server"), preview);
    assert_eq!(PostgresStore::migrate(&settings).await.expect("a server"), preview);
    let again = PostgresStore::migrate(&settings).await.expect("a server");
    assert!(!again.iter().any(Step::is_pending), "done twice it changes nothing");
    open().await.expect("its tables are there");
    let later =
        "INSERT INTO inbox_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'of a later program', TRUE, '', 0)";
    sql(&server, "postgres", later).await;
    let failure = open().await.expect_err("a newer program was here");
    assert_eq!(failure.trouble, Trouble::Newer);
    let failure = PostgresStore::migrate(&settings).await.expect_err("a newer program was here");
    assert_eq!(failure.trouble, Trouble::Newer);
}

/// Tables with a hundred thousand alerts take half a minute to get another column.
#[tokio::test]
async fn a_migration_takes_as_long_as_it_takes() {
    let Some(server) = Postgres::start("a migration that takes its time") else { return };
    let deadline = Duration::from_secs(1);
    let folder = tempfile::tempdir().expect("a folder");
    let long = "CREATE TABLE large AS SELECT pg_sleep(1.5)::text AS a";
    std::fs::write(folder.path().join("0001_large.sql"), long).expect("written");
    let migrator = sqlx::migrate::Migrator::new(folder.path()).await.expect("a migration");
    let settings = settings(&server.dsn("postgres"), deadline);
    let steps = plumb_inbox::migrate_postgres(&settings, migrator, "large_migrations", true).await;
    assert_eq!(steps.expect("it ends").len(), 1);
}

#[tokio::test]
async fn a_door_that_stays_shut_says_why() {
    let Some((server, dsn)) = migrated("a database that lets nobody in").await else { return };
    let open = async |dsn: &str| match PostgresStore::open(&settings(dsn, QUICK)).await {
        Err(failure) => (failure.trouble, failure.to_string()),
        Ok(_) => panic!("{dsn} should not open"),
    };
    let (trouble, told) = open(&dsn.replace("only-for-tests", "wrong")).await;
    assert_eq!(trouble, Trouble::Denied);
    assert!(told.contains("user, password and rights") && !told.contains("wrong"), "{told}");
    assert_eq!(open(&server.dsn("nowhere")).await.0, Trouble::NoDatabase);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let silent = format!("postgresql://plumb@{}/x", nobody.local_addr().expect("an address"));
    let began = Instant::now();
    assert_eq!(open(&silent).await.0, Trouble::Slow);
    assert!(began.elapsed() < QUICK * 20, "a deadline holds");
    drop(nobody);
    assert_eq!(open(&silent).await.0, Trouble::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_used_again() {
    let Some((mut server, dsn)) = migrated("PostgreSQL is restarted").await else { return };
    let (inbox, hasty) = (inbox(&dsn, PATIENT).await, inbox(&dsn, QUICK).await);
    let before = taken(&inbox, draft("restart", "before")).await;
    inbox.claim(&claim("loop", 1)).await.expect("a claim");
    tokio::task::block_in_place(|| server.stop(End::Fast));
    for answer in [
        trouble(hasty.ingest(draft("restart", "while it is away")).await),
        trouble(hasty.claim(&claim("loop", 1)).await),
        trouble(hasty.ack(&before.alert_ref, &ack("loop")).await),
        trouble(hasty.alert(&before.alert_ref).await),
    ] {
        assert_eq!(answer.0, Trouble::Unreachable, "{}", answer.1);
        assert!(answer.1.contains("look whether it runs"), "{}", answer.1);
    }
    tokio::task::block_in_place(|| server.run(Answer::Accepts));
    let kept = inbox.alert(&before.alert_ref).await.expect("it is back");
    assert!(matches!(kept.state(), State::Processing { owner, .. } if owner == "loop"));
    inbox.ack(&before.alert_ref, &ack("loop")).await.expect("the claim held");
    assert_eq!(taken(&inbox, draft("restart", "while it is away")).await.occurrences, 1);
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let Some((server, dsn)) = migrated("PostgreSQL is slow").await else { return };
    let (inbox, hasty) = (inbox(&dsn, PATIENT).await, inbox(&dsn, QUICK).await);
    let alert = taken(&inbox, draft("slow", "one")).await;
    let mut other = sqlx::PgPool::connect(&dsn).await.expect("a server").begin().await.expect("ok");
    sqlx::raw_sql("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *other)
        .await
        .expect("locked");
    let began = Instant::now();
    for answer in [
        trouble(hasty.ingest(draft("slow", "two")).await),
        trouble(hasty.ack(&alert.alert_ref, &ack("loop")).await),
        trouble(hasty.alert(&alert.alert_ref).await),
    ] {
        assert!(answer.0.passes(), "{answer:?}");
        assert!(answer.1.contains("try again"), "{}", answer.1);
    }
    assert!(began.elapsed() < QUICK * 20, "deadlines hold");
    other.rollback().await.expect("unlocked");
    assert_eq!(inbox.alert(&alert.alert_ref).await.expect("there").status(), Status::New);
    assert!(!inbox.ingest(draft("slow", "two")).await.expect("kept").value.deduped());
    drop(server);
}

/// A hub that stops dead in its turn, with its connection open, holds the others up until the server ends the turn; what it
/// had not committed never was.
#[tokio::test]
async fn a_hub_that_stops_dead_in_its_turn_holds_others_up_for_a_while() {
    let Some((_server, dsn)) = migrated("a hub that stops dead").await else { return };
    let (dead, other) = (inbox(&dsn, QUICK).await, inbox(&dsn, QUICK).await);
    let alert = taken(&dead, draft("dead", "one")).await;
    let place = other.tip().await.expect("a tip").place;
    let mut rows = dead.store().write().await.expect("begins");
    let acked = alert.ack(&ack("dead"), alert.created_at).expect("free").value;
    rows.put_alerts(std::slice::from_ref(&acked)).await.expect("put");
    let (trouble, told) = trouble(other.ingest(draft("dead", "two")).await);
    assert!(trouble == Trouble::Busy && told.contains("try again"), "{told}");
    let began = Instant::now();
    let taken = loop {
        match other.ingest(draft("dead", "two")).await {
            Ok(decided) => break decided.value.alert().clone(),
            Err(InboxError::Store(failure)) if failure.trouble.passes() => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(began.elapsed() < QUICK * 20, "the server ends it");
    rows.commit().await.expect_err("its turn was ended");
    let changed = other.changes(Since::Place(&place), 10).await.expect("a page").alerts;
    assert_eq!(changed, [taken]);
    assert_eq!(other.alert(&alert.alert_ref).await.expect("there"), alert);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_recovery_is_read_and_says_that_it_takes_nothing() {
    let Some((mut server, dsn)) = migrated("PostgreSQL is in recovery").await else { return };
    let (inbox, hasty) = (inbox(&dsn, PATIENT).await, inbox(&dsn, QUICK).await);
    let alert = taken(&inbox, draft("recovery", "before")).await;
    let restart = |server: &mut Postgres, answer| {
        tokio::task::block_in_place(|| {
            server.stop(End::Fast);
            server.run(answer);
        });
    };
    server.recover_for_ever();
    restart(&mut server, Answer::Accepts);
    assert_eq!(inbox.alert(&alert.alert_ref).await.expect("it is read"), alert);
    let told = trouble(inbox.ingest(draft("recovery", "after")).await);
    assert_eq!(told.0, Trouble::ReadOnly, "{}", told.1);
    assert!(told.1.contains("give the address of the primary"), "{}", told.1);
    assert_eq!(trouble(inbox.claim(&claim("loop", 1)).await).0, Trouble::ReadOnly);
    assert_eq!(trouble(inbox.ack(&alert.alert_ref, &ack("loop")).await).0, Trouble::ReadOnly);
    server.set("hot_standby = off");
    restart(&mut server, Answer::Rejects);
    let told = trouble(hasty.alert(&alert.alert_ref).await);
    assert_eq!(told.0, Trouble::Starting, "{}", told.1);
}

/// Both stores on a disk of a few megabytes of their own.
#[tokio::test]
async fn a_full_disk_is_named_and_nothing_is_half_kept() {
    const DISK: &str = "PLUMB_INBOX_TEST_FULL_DISK";
    const TEST: &str = "postgres::a_full_disk_is_named_and_nothing_is_half_kept";
    let Ok(disk) = env::var(DISK) else {
        let may = Command::new("unshare").args(["-m", "true"]).output();
        if !may.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED for want of the right to mount: {TEST}");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let program = env::current_exe().expect("this test");
        let script = r#"mkdir "$1/small" "$1/large" &&
            mount -t tmpfs -o size=6m tmpfs "$1/small" &&
            mount -t tmpfs -o size=72m tmpfs "$1/large" &&
            exec "$2" --exact "$3" --nocapture"#;
        let status = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .args([folder.path(), &program, Path::new(TEST)])
            .env(DISK, folder.path())
            .status();
        assert!(status.expect("it starts").success(), "on a small disk");
        return;
    };
    let disk = Path::new(&disk);
    let path = disk.join("small/alerts.sqlite");
    let store = SqliteStore::open(&path, Clock::system()).await.expect("a file");
    let full = fills(Inbox::new(std::sync::Arc::new(store), RoutingPolicy::default())).await;
    assert!(full.contains("is full") && full.contains("make room"), "{full}");
    let Some(server) = Postgres::start_in(&disk.join("large"), "PostgreSQL on a full disk") else {
        return;
    };
    let settings = settings(&server.dsn("postgres"), PATIENT);
    PostgresStore::migrate(&settings).await.expect("a server");
    let store = PostgresStore::open(&settings).await.expect("a server");
    let full = fills(Inbox::new(std::sync::Arc::new(store), RoutingPolicy::default())).await;
    // A full disk under its log stops the whole server, and it recovers when there is room.
    assert!(
        full.contains("is full") || full.contains("not known whether") || full.contains("starting"),
        "{full}"
    );
}

/// Reports until the store takes no more; what it took is there, and nothing else.
async fn fills(inbox: Inbox) -> String {
    let mut kept: BTreeSet<AlertRef> = BTreeSet::new();
    for batch in 0..2_000 {
        let drafts = (0..16).map(|number| {
            let mut draft = draft("full", "disk");
            draft.fingerprint = Some(format!("{batch}-{number}"));
            // Bytes that do not compress, so that they take the room that they take.
            let noise: [[u8; 32]; 500] = std::array::from_fn(|_| rand::random());
            draft.message = noise.as_flattened().iter().map(|b| char::from(b % 94 + 33)).collect();
            draft
        });
        for answer in inbox.ingest_all(drafts.collect()).await {
            match answer {
                Ok(answer) => drop(kept.insert(answer.value.alert().alert_ref.clone())),
                Err(InboxError::Store(failure)) => {
                    if failure.trouble == Trouble::Full {
                        match inbox.dashboard(None).await {
                            Ok(counted) => {
                                assert_eq!(counted.by_status[0].alerts, kept.len() as u64);
                            }
                            // A server whose log found no room goes down a moment later.
                            Err(InboxError::Store(gone)) => {
                                assert!(
                                    failure.place.starts_with("PostgreSQL")
                                        && gone.trouble == Trouble::Unreachable,
                                    "{gone}"
                                );
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    return failure.to_string();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    panic!("{} reports of 16 kB fit on a small disk", kept.len())
}

/// R105 with real concurrency: two hubs with pools of their own, each with claimers of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_claimers_of_two_hubs_take_the_same_alert() {
    const ALERTS: usize = 1_500;
    let Some((_server, dsn)) = migrated("two hubs claim at once").await else { return };
    let hubs = [inbox(&dsn, PATIENT).await, inbox(&dsn, PATIENT).await];
    let drafts = (0..ALERTS).map(|number| {
        let mut draft = draft("claims", "many");
        draft.fingerprint = Some(number.to_string());
        draft
    });
    for answer in hubs[0].ingest_all(drafts.collect()).await {
        answer.expect("accepted");
    }
    let claimers = (0..8).map(|number| {
        let inbox = hubs[number % 2].clone();
        tokio::spawn(async move {
            let owner = format!("loop-{number}");
            let mut mine = Vec::new();
            loop {
                let claimed = inbox.claim(&claim(&owner, 7)).await.expect("a claim").alerts;
                if claimed.is_empty() {
                    return mine;
                }
                for alert in claimed {
                    let alert = alert.value;
                    match mine.len() % 3 {
                        0 => drop(inbox.ack(&alert.alert_ref, &ack(&owner)).await.expect("held")),
                        1 => {
                            let failed = failure(&owner, 3_600);
                            inbox.fail(&alert.alert_ref, &failed).await.expect("held");
                        }
                        _ => {}
                    }
                    mine.push(alert.alert_ref);
                }
            }
        })
    });
    let mut all = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        all.extend(claimer.await.expect("it ends"));
    }
    // A claimer that passes over locked rows may stop early; whatever is left is free for anybody.
    all.extend(rest(&hubs[0]).await);
    assert_eq!(all.len(), ALERTS, "none twice, none lost");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), ALERTS);
}

async fn rest(inbox: &Inbox) -> Vec<AlertRef> {
    let left = inbox.claim(&claim("last", 1_000)).await.expect("a claim").alerts;
    left.into_iter().map(|alert| alert.value.alert_ref).collect()
}

/// Two hubs get the same reports and convert alerts of one signature at once: one alert each, one incident.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hubs_make_one_alert_and_one_incident_of_the_same_thing() {
    let Some((_server, dsn)) = migrated("two hubs get the same reports").await else { return };
    let hubs = [inbox(&dsn, PATIENT).await, inbox(&dsn, PATIENT).await];
    let reporters = (0..8).map(|number| {
        let inbox = hubs[number % 2].clone();
        tokio::spawn(async move {
            let titles = ["a", "b", "c", "d", "e", "f"];
            let drafts = (0..60).map(|step| draft("shared", titles[(step + number) % 6]));
            for answer in inbox.ingest_all(drafts.collect()).await {
                answer.expect("accepted");
            }
        })
    });
    for reporter in reporters.collect::<Vec<_>>() {
        reporter.await.expect("it ends");
    }
    let everything = plumb_inbox::AlertQuery::since(jiff::Timestamp::UNIX_EPOCH, 1_000);
    let alerts = hubs[0].list(&everything).await.expect("a list");
    assert_eq!(alerts.len(), 6);
    assert!(alerts.iter().all(|alert| alert.occurrences == 80), "{alerts:?}");
    let converters = alerts.into_iter().enumerate().map(|(number, alert)| {
        let inbox = hubs[number % 2].clone();
        tokio::spawn(async move {
            inbox.to_incident(&alert.alert_ref, None, "oncall").await.expect("converted")
        })
    });
    for converter in converters.collect::<Vec<_>>() {
        converter.await.expect("it ends");
    }
    let all = IncidentQuery { service: None, with_closed: true, limit: 10 };
    let incidents = hubs[1].incidents(&all).await.expect("a list");
    let told: Vec<_> =
        incidents.iter().map(|incident| (incident.alerts, incident.entries)).collect();
    assert_eq!(told, [(6, 6)]);
}

/// This machine's clock is years away from the server's: leases begin and end by the server's.
#[tokio::test]
async fn clocks_of_claimers_do_not_matter() {
    let Some(world) = World::new(Of::Postgres, "claimers whose clocks are wrong").await else {
        return;
    };
    let (here, there) = (world.inbox().await, world.inbox().await);
    let drift = jiff::Timestamp::now().duration_since(at(0)).as_hours();
    assert!(drift > 24, "this test is about clocks that differ, they are {drift} h apart");
    let alert = taken(&here, draft("skew", "clock")).await;
    let held = here.claim(&claim("here", 1)).await.expect("a claim").alerts.remove(0).value;
    let State::Processing { lock_until, .. } = held.state() else { panic!("{held:?}") };
    assert_eq!(*lock_until, at(600));
    assert!(there.claim(&claim("there", 1)).await.expect("a claim").alerts.is_empty());
    world.wait(600).await;
    let taken = there.claim(&claim("there", 1)).await.expect("a claim").alerts;
    assert_eq!(taken[0].value.alert_ref, alert.alert_ref);
    assert!(there.store().durability().survives_restart);
}

/// A hub locks the rows it changes and then takes its turn; so does a statement that somebody types.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_by_hand_and_a_hub_wait_for_each_other_and_both_go_on() {
    let Some((_server, dsn)) = migrated("statements by hand beside a hub").await else { return };
    let inbox = inbox(&dsn, PATIENT).await;
    let first = taken(&inbox, draft("by-hand", "first")).await.alert_ref;
    let second = taken(&inbox, draft("by-hand", "second")).await.alert_ref;
    let place = inbox.tip().await.expect("a tip").place;
    let pool = sqlx::PgPool::connect(&dsn).await.expect("a server");
    let mut hub = pool.begin().await.expect("a transaction");
    sqlx::raw_sql("SELECT 1 FROM alerts WHERE fingerprint IS NOT NULL ORDER BY alert_ref DESC LIMIT 1 FOR UPDATE")
        .execute(&mut *hub)
        .await
        .expect("a row");
    let typed = {
        let pool = pool.clone();
        tokio::spawn(async move {
            sqlx::raw_sql("UPDATE alerts SET note = 'by hand'").execute(&pool).await
        })
    };
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%by hand%' AND pid <> pg_backend_pid())";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.expect("an answer") {
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("UPDATE alert_feed SET last = last + 1")
        .execute(&mut *hub)
        .await
        .expect("a turn");
    hub.commit().await.expect("committed");
    typed.await.expect("no panic").expect("it goes on after the hub");
    let heard = inbox.changes(Since::Place(&place), 10).await.expect("a page").alerts;
    let heard: BTreeSet<_> = heard.into_iter().map(|alert| alert.alert_ref).collect();
    assert_eq!(heard, BTreeSet::from([first, second]));
}

/// R142, R143, R145, R149: what people type at the server means what it says.
#[tokio::test]
async fn statements_of_the_troubleshooting_table_work_as_printed() {
    let Some((_server, dsn)) = migrated("statements by hand").await else { return };
    let inbox = inbox(&dsn, PATIENT).await;
    let stuck = taken(&inbox, draft("by-hand", "stuck")).await.alert_ref;
    let failed = taken(&inbox, draft("by-hand", "failed")).await.alert_ref;
    inbox.claim(&claim("loop", 2)).await.expect("a claim");
    inbox.fail(&failed, &failure("loop", 3_600)).await.expect("held");
    let pool = sqlx::PgPool::connect(&dsn).await.expect("a server");
    let place = inbox.tip().await.expect("a tip").place;
    sqlx::raw_sql("UPDATE alerts SET processing_lock_until = NOW() - INTERVAL '1 minute' WHERE status='processing'")
        .execute(&pool)
        .await
        .expect("time goes by");
    let stale: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM alerts WHERE status='processing' AND processing_lock_until < NOW()",
    )
    .fetch_one(&pool)
    .await
    .expect("as printed");
    assert_eq!(stale, 1);
    let errors: Vec<(String, String)> =
        sqlx::query_as("SELECT alert_ref, last_error FROM alerts WHERE status='failed'")
            .fetch_all(&pool)
            .await
            .expect("as printed");
    assert_eq!(errors, [(failed.to_string(), "gateway timeout".to_owned())]);
    sqlx::raw_sql("UPDATE alerts SET status='new', processing_lock_until=NULL WHERE status='processing' AND processing_lock_until < NOW()")
        .execute(&pool)
        .await
        .expect("as printed");
    assert_eq!(inbox.alert(&stuck).await.expect("there").status(), Status::New);
    // Whoever follows the inbox hears of what was done by hand.
    let heard = inbox.changes(Since::Place(&place), 10).await.expect("a page");
    let heard: Vec<_> = heard.alerts.iter().map(|it| (&it.alert_ref, it.status())).collect();
    assert_eq!(heard, [(&stuck, Status::New)]);
    let again = inbox.claim(&claim("loop", 2)).await.expect("a claim").alerts;
    assert_eq!(again[0].value.alert_ref, stuck);
    let place = inbox.tip().await.expect("a tip").place;
    sqlx::raw_sql("DELETE FROM alerts WHERE created_at < NOW() - INTERVAL '30 days'")
        .execute(&pool)
        .await
        .expect("as printed");
    let kept: bool = sqlx::query_scalar("SELECT COUNT(*) = 2 FROM alerts")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert!(kept);
    inbox.changes(Since::Place(&place), 10).await.expect("nothing was removed");
    sqlx::raw_sql("DELETE FROM alerts WHERE status = 'failed'").execute(&pool).await.expect("gone");
    let gone = inbox.changes(Since::Place(&place), 10).await;
    assert!(matches!(gone, Err(InboxError::NoPlace)), "{gone:?}");
}
