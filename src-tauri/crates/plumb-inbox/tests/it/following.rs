//! Whoever follows an inbox sees every change, each in the order in which it was kept, whatever several writers and the
//! clock do meanwhile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use plumb_alert::{Alert, AlertRef, Draft, Status};
use plumb_inbox::{Changes, Inbox, InboxError, Place, Since};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::task::JoinSet;

use crate::world::{Of, World, ack, draft, taken};

const WRITERS: u64 = 4;
const STEPS: u64 = 80;
const SEED: u64 = 20_261_130;
/// How far the clock steps in seconds, on and back.
const CLOCK_STEP: i64 = 40;

/// One change, and between which ticks of the test's own count it was kept.
#[derive(Debug, Clone)]
struct Kept {
    alert: Alert,
    begun: u64,
    done: u64,
}

/// Writes for a while with an inbox of its own; every change it was told.
async fn write(inbox: Inbox, writer: u64, ticks: Arc<AtomicU64>) -> Vec<Kept> {
    let mut random = StdRng::seed_from_u64(SEED + writer);
    let mut kept: Vec<Kept> = Vec::new();
    let mut own: Vec<(AlertRef, Draft)> = Vec::new();
    for step in 0..STEPS {
        let begun = ticks.fetch_add(1, Ordering::SeqCst);
        let changed: Vec<Alert> = match random.random_range(0..10) {
            0..5 => {
                let drafts: Vec<Draft> = (0..random.random_range(1..5))
                    .map(|nth| draft(&format!("writer-{writer}"), &format!("{step} {nth}")))
                    .map(|draft| Draft {
                        fingerprint: Some(draft.title.clone() + &draft.service),
                        ..draft
                    })
                    .collect();
                let answers = inbox.ingest_all(drafts.clone()).await;
                let answers =
                    answers.into_iter().map(|it| it.expect("accepted").value.alert().clone());
                let alerts: Vec<Alert> = answers.collect();
                own.extend(alerts.iter().map(|it| it.alert_ref.clone()).zip(drafts));
                alerts
            }
            5..8 if !own.is_empty() => {
                let (_, draft) = &own[random.random_range(0..own.len())];
                vec![taken(&inbox, draft.clone()).await]
            }
            _ if !own.is_empty() => {
                let (alert, _) = &own[random.random_range(0..own.len())];
                match inbox.ack(alert, &ack("mira")).await {
                    Ok(decided) => vec![decided.value],
                    Err(InboxError::Refused(_)) => Vec::new(),
                    Err(error) => panic!("{error}"),
                }
            }
            _ => Vec::new(),
        };
        let done = ticks.fetch_add(1, Ordering::SeqCst);
        kept.extend(changed.into_iter().map(|alert| Kept { alert, begun, done }));
    }
    inbox.close().await.expect("closes");
    kept
}

/// Reads page by page until nothing is left after everybody has written.
async fn follow(inbox: Inbox, place: Place, over: Arc<AtomicBool>) -> Vec<Alert> {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut seen, mut place) = (Vec::new(), place);
    loop {
        let last = over.load(Ordering::SeqCst);
        let limit = random.random_range(1..9);
        let Changes { alerts, next, more, .. } =
            inbox.changes(Since::Place(&place), limit).await.expect("a page");
        assert_eq!(alerts.is_empty(), next == place, "a place moves on with what is told");
        seen.extend(alerts);
        place = next;
        if last && !more {
            break;
        }
        tokio::task::yield_now().await;
    }
    inbox.close().await.expect("closes");
    seen
}

/// What an alert is like after each of its changes.
fn state(alert: &Alert) -> (AlertRef, u64, Status) {
    (alert.alert_ref.clone(), alert.occurrences, alert.status())
}

/// Everything that was kept was seen, unless the same alert changed again before anybody looked; nothing was seen twice,
/// and nothing before what was over when it began.
fn check(kept: &[Kept], seen: &[Alert]) {
    let by_state: BTreeMap<_, &Kept> = kept.iter().map(|kept| (state(&kept.alert), kept)).collect();
    let mut newest: BTreeMap<&AlertRef, u64> = BTreeMap::new();
    let mut began_latest = 0;
    let mut sights: BTreeMap<_, u64> = BTreeMap::new();
    for alert in seen {
        let change = by_state.get(&state(alert)).expect("nothing is seen that nobody kept");
        assert_eq!(change.alert, *alert);
        assert!(change.done > began_latest, "{} came after what it was before", alert.alert_ref);
        began_latest = began_latest.max(change.begun);
        let before = newest.insert(&alert.alert_ref, change.begun);
        assert!(before.is_none_or(|before| before < change.begun), "an alert goes on, not back");
        *sights.entry(state(alert)).or_default() += 1;
    }
    assert!(sights.values().all(|sights| *sights == 1), "nothing is seen twice");
    let mut last: BTreeMap<&AlertRef, &Kept> = BTreeMap::new();
    for kept in kept {
        let newer = last.get(&kept.alert.alert_ref).is_none_or(|last| last.begun < kept.begun);
        if newer {
            last.insert(&kept.alert.alert_ref, kept);
        }
    }
    for (alert, kept) in &last {
        assert_eq!(newest.get(*alert), Some(&kept.begun), "{alert} was seen as it is now");
    }
    let again = kept.len() - seen.len();
    eprintln!("{} changes of {} alerts, {again} overtaken before a look", kept.len(), last.len());
}

async fn followed(of: Of) {
    let test = format!("writers and a reader who follows them, on {of:?}");
    let Some(world) = World::new(of, &test).await else { return };
    let reader = world.inbox().await;
    let place = reader.tip().await.expect("a tip").place;
    let (ticks, over) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(world.inbox().await, writer, ticks.clone()));
    }
    let following = tokio::spawn(follow(reader, place, over.clone()));
    let clock = async {
        let mut random = StdRng::seed_from_u64(SEED);
        loop {
            let step = random.random_range(-CLOCK_STEP..=CLOCK_STEP);
            for step in [step, -step] {
                world.wait(step).await;
                tokio::task::yield_now().await;
            }
        }
    };
    let kept = tokio::select! {
        () = clock => unreachable!("a clock goes on"),
        kept = writers.join_all() => kept.into_iter().flatten().collect::<Vec<_>>(),
    };
    over.store(true, Ordering::SeqCst);
    let seen = following.await.expect("it reads to the end");
    check(&kept, &seen);
    // Whoever begins now reads the same in the order of the newest changes.
    let inbox = world.inbox().await;
    let (mut all, mut since) = (Vec::new(), None);
    loop {
        let from = since.as_ref().map_or(Since::START, Since::Place);
        let page = inbox.changes(from, 7).await.expect("a page");
        all.extend(page.alerts);
        if !page.more {
            break;
        }
        since = Some(page.next);
    }
    let mut once: Vec<&Alert> = Vec::new();
    for alert in seen.iter().rev() {
        if !once.iter().any(|known| known.alert_ref == alert.alert_ref) {
            once.push(alert);
        }
    }
    once.reverse();
    assert_eq!(all.iter().collect::<Vec<_>>(), once);
    inbox.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    followed(Of::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_sqlite() {
    followed(Of::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_the_consoles_own_record() {
    followed(Of::Console).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_postgres() {
    followed(Of::Postgres).await;
}

/// Two hubs of one database: who kept first and committed late is not overtaken.
#[tokio::test]
async fn a_change_that_is_made_durable_late_is_not_overtaken() {
    let test = "a change that is made durable late";
    let Some(world) = World::new(Of::Postgres, test).await else { return };
    let (one, two) = (world.inbox().await, world.inbox().await);
    let late = taken(&one, draft("late", "first")).await;
    let early = taken(&one, draft("late", "second")).await;
    let place = one.tip().await.expect("a tip").place;
    let mut rows = one.store().write().await.expect("begins");
    rows.put_alerts(std::slice::from_ref(&late)).await.expect("put");
    let other = early.clone();
    let store = two.store().clone();
    let mut overtaking = tokio::spawn(async move {
        let mut rows = store.write().await.expect("begins");
        rows.put_alerts(std::slice::from_ref(&other)).await.expect("put");
        rows.commit().await.expect("commits");
    });
    tokio::select! {
        done = &mut overtaking => panic!("it should wait: {done:?}"),
        () = world.somebody_waits() => {}
    }
    let none = two.changes(Since::Place(&place), 10).await.expect("a page");
    assert!(none.alerts.is_empty() && none.next == place, "nothing is told of both");
    rows.commit().await.expect("commits");
    overtaking.await.expect("it goes on");
    let both = two.changes(Since::Place(&place), 10).await.expect("a page");
    let both: Vec<_> = both.alerts.into_iter().map(|alert| alert.alert_ref).collect();
    assert_eq!(both, [late.alert_ref, early.alert_ref]);
}

const BEFORE: &str = "
    INSERT INTO alerts (alert_ref, source, service, env, kind, title, message, severity, fingerprint, signature, labels,
        details, occurrences, created_at, last_seen_at, claims, failures, requeues, status, changed_at)
    SELECT name, '', '', '', '', '', '', 'P1', name, '', '{}', '{}', 1, MOMENT, MOMENT, 0, 0, 0, 'new', MOMENT
    FROM (SELECT 'b' AS name, 3 AS at UNION SELECT 'a', 7 UNION SELECT 'd', 5 UNION SELECT 'c', 5) AS earlier;
";
const AFTER: &str = "SELECT alert_ref, change_number FROM alerts ORDER BY change_number";
const LAST: &str = "SELECT last FROM alert_feed WHERE length(name) = 16";
const NUMBERED: [(&str, i64); 4] = [("b", 1), ("c", 2), ("d", 3), ("a", 4)];

/// An inbox of an earlier version is read from its start in the order in which it changed.
#[tokio::test]
async fn an_earlier_inbox_gets_its_numbers() {
    let check = |rows: Vec<(String, i64)>, last: i64| {
        let rows: Vec<_> = rows.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!((&rows[..], last), (&NUMBERED[..], 4));
    };
    let statements = [
        include_str!("../../migrations/sqlite/0001_inbox.sql"),
        include_str!("../../migrations/sqlite/0002_followed.sql"),
        &BEFORE.replace("MOMENT", "at"),
        include_str!("../../migrations/sqlite/0003_feed.sql"),
    ];
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.expect("a file");
    for statement in statements {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
        done.execute(&mut conn).await.expect("it migrates");
    }
    let rows = sqlx::query_as(AFTER).fetch_all(&mut conn).await.expect("rows");
    check(rows, sqlx::query_scalar(LAST).fetch_one(&mut conn).await.expect("a feed"));

    let test = "an inbox of an earlier version";
    let Some(server) = plumb_testkit::postgres::Postgres::start(test) else { return };
    let statements = [
        include_str!("../../migrations/postgres/0001_inbox.sql"),
        include_str!("../../migrations/postgres/0002_followed.sql"),
        &BEFORE.replace("MOMENT", "to_timestamp(at)"),
        include_str!("../../migrations/postgres/0003_feed.sql"),
    ];
    let mut conn = PgConnection::connect(&server.dsn("postgres")).await.expect("it runs");
    for statement in statements {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
        done.execute(&mut conn).await.expect("it migrates");
    }
    let rows = sqlx::query_as(AFTER).fetch_all(&mut conn).await.expect("rows");
    check(rows, sqlx::query_scalar(LAST).fetch_one(&mut conn).await.expect("a feed"));
}
