//! Journals: in order, chained, never changed, and whole up to a point after a crash.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_store::{Database, JournalRow, Kind, StoreError, journal, plans, runs};

use crate::support::{Files, at, fleet};

/// Names the folder in which a copy of this program writes until it is killed.
const CRASH_FOLDER: &str = "PLUMB_STORE_CRASH_FOLDER";
const EVENTS_BEFORE_KILL: usize = 25;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

/// Events of a journal, chained from the given one on.
fn events(from: u64, count: u64, mut previous: Digest) -> Vec<JournalRow> {
    (from..from + count)
        .map(|seq| {
            let body = format!("{{\"started\":{seq}}}");
            let hash = Digest::of(format!("{previous}{body}").as_bytes());
            let event = JournalRow {
                seq,
                at: "2026-03-01T08:00:00.123456789Z".parse().expect("a moment"),
                body,
                hash,
                previous,
            };
            previous = hash;
            event
        })
        .collect()
}

async fn with_run(record: &Database) {
    let mut tx = record.write().await.expect("begins");
    let plan = PlanHash(Digest::of(b"plan"));
    plans::insert(&mut tx, plan, &fleet(), at(0), "{}").await.expect("keeps");
    runs::insert(&mut tx, run(), plan, &fleet(), "mara", at(0)).await.expect("records");
    tx.commit().await.expect("commits");
}

async fn append(record: &Database, events: &[JournalRow]) {
    let mut tx = record.write().await.expect("begins");
    journal::append(&mut tx, run(), events).await.expect("appends");
    tx.commit().await.expect("commits");
}

async fn kept(record: &Database) -> Result<Vec<JournalRow>, StoreError> {
    let mut tx = record.read().await.expect("begins");
    journal::events(&mut tx, run()).await
}

#[tokio::test]
async fn a_journal_reads_back_as_it_was_appended() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_run(&record).await;
    let all = events(0, 5, Digest::of(b"plan"));
    append(&record, &all[..2]).await;
    append(&record, &all[2..]).await;
    append(&record, &[]).await;
    assert_eq!(kept(&record).await.expect("reads"), all);
}

#[tokio::test]
async fn a_journal_is_never_changed_and_a_gap_is_found() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_run(&record).await;
    append(&record, &events(1, 4, Digest::of(b"plan"))).await;
    let mut tx = record.write().await.expect("begins");
    for forbidden in [
        "UPDATE journal_event SET body = '{}'",
        "DELETE FROM journal_event",
        "INSERT INTO journal_event SELECT run_id, 9, 0, 0, '', hash, hash FROM journal_event LIMIT 1",
    ] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
    // Somebody with the file in an editor.
    for hand in
        ["DROP TRIGGER journal_event_is_never_removed", "DELETE FROM journal_event WHERE seq = 2"]
    {
        sqlx::query(hand).execute(&mut *tx).await.expect("is done");
    }
    tx.commit().await.expect("commits");
    let broken = kept(&record).await;
    assert!(matches!(broken, Err(StoreError::JournalBroken { seq: 3, .. })), "{broken:?}");
    let mut tx = record.write().await.expect("begins");
    let broken = journal::append(&mut tx, run(), &[]).await;
    assert!(matches!(broken, Err(StoreError::JournalBroken { .. })), "{broken:?}");
}

#[tokio::test]
#[should_panic(expected = "in order and without a gap")]
async fn skipping_an_event_is_a_bug() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_run(&record).await;
    let all = events(1, 3, Digest::of(b"plan"));
    append(&record, &[all[0].clone(), all[2].clone()]).await;
}

/// Not a test of its own: what the killed process below does. Without the folder it does nothing.
#[tokio::test]
async fn appends_until_it_is_killed() {
    let Ok(folder) = env::var(CRASH_FOLDER) else { return };
    let path = Path::new(&folder).join(Kind::Record.file_name());
    let record = Database::open(&path, Kind::Record).await.expect("opens").database;
    let mut previous = Digest::of(b"plan");
    for batch in 0_u64.. {
        let some = events(1 + batch * 3, 3, previous);
        append(&record, &some).await;
        previous = some[2].hash;
        println!("committed {}", some[2].seq);
    }
}

#[tokio::test]
async fn a_killed_process_leaves_every_event_it_committed_and_no_gap() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_run(&record).await;
    record.close().await;
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["journal::appends_until_it_is_killed", "--exact", "--nocapture"])
        .env(CRASH_FOLDER, files.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    // Read on until the end: a closed pipe would end the child by a panic before it is killed.
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let committed: u64 = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("committed ")?.1.trim().parse().ok())
        .take(EVENTS_BEFORE_KILL)
        .last()
        .expect("it committed");
    child.kill().expect("is killed in the middle of something");
    child.wait().expect("is gone");
    let record = files.open(Kind::Record).await;
    let kept = kept(&record).await.expect("reads");
    let last = kept.last().expect("not empty").seq;
    assert!(last >= committed, "kept up to {last}, told to be durable up to {committed}");
    assert!(last.is_multiple_of(3), "a batch is kept whole or not at all");
    assert_eq!(kept, events(1, last, Digest::of(b"plan")));
    assert_eq!(record.quick_check().await.expect("checks"), Vec::<String>::new());
    append(&record, &events(last + 1, 1, kept.last().expect("not empty").hash)).await;
}
