//! Files that were closed off: read up to a moment, and never changed again.

use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_store::{
    Horizon, JournalRow, Kind, desired, heads, history, horizon, journal, plans, reloads, runs,
    snapshots::NodeChange,
};

use crate::support::{Files, at, content, fleet, node, reload, version};

fn row(seq: u64, ms: i64, previous: Digest) -> JournalRow {
    let body = format!("{{\"seq\":{seq}}}");
    JournalRow { seq, at: at(ms), hash: Digest::of(body.as_bytes()), body, previous }
}

#[tokio::test]
async fn a_record_is_read_event_by_event_and_refuses_what_is_written() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let (run, plan) = (RunId::from_bytes([1; 16]), PlanHash(Digest::of(b"plan")));
    let mut tx = record.write().await.expect("begins");
    plans::insert(&mut tx, plan, &fleet(), at(0), "{}").await.expect("kept");
    runs::insert(&mut tx, run, plan, &fleet(), "mira", at(10)).await.expect("kept");
    let first = row(0, 10, Digest::from_bytes([0; 32]));
    // Two events of one millisecond are two steps.
    let second = row(1, 20, first.hash);
    let third = row(2, 20, second.hash);
    let all = [first, second, third];
    journal::append(&mut tx, run, &all).await.expect("appended");
    for events in [1, 3] {
        let head = heads::HeadRow { events, envelope: "{}".to_owned() };
        heads::add(&mut tx, run, &head).await.expect("kept");
    }
    runs::finish(&mut tx, run, at(20), "succeeded").await.expect("ended");
    desired::set(&mut tx, &fleet(), None, None, at(30)).await.expect("noted");
    horizon::close_off(&mut tx, Kind::Record).await.expect("closed off");
    tx.commit().await.expect("commits");

    let look = async |at_ms: i64, event: Option<u64>| {
        let mut tx = record.write().await.expect("begins");
        let horizon = Horizon { at: at(at_ms), event: event.map(|seq| (run, seq)) };
        horizon::look_to(&mut tx, &horizon).await.expect("moves");
        tx.commit().await.expect("commits");
        let mut conn = record.read().await.expect("begins");
        let events = journal::events(&mut conn, run).await.expect("reads").len();
        let signed = heads::newest(&mut conn, run).await.expect("reads");
        let ended = runs::get(&mut conn, run).await.expect("reads").map(|run| run.end.is_some());
        let wishes = desired::history(&mut conn, &fleet(), 9).await.expect("reads").len();
        (events, signed, ended, wishes)
    };
    assert_eq!(look(5, None).await, (0, None, None, 0));
    assert_eq!(look(10, Some(0)).await, (1, Some(1), Some(false), 0));
    assert_eq!(look(20, Some(1)).await.0, 2);
    assert_eq!(look(20, Some(2)).await, (3, Some(3), Some(true), 0));
    assert_eq!(look(99, None).await, (3, Some(3), Some(true), 1));
    // And back.
    assert_eq!(look(10, Some(0)).await, (1, Some(1), Some(false), 0));

    let mut tx = record.write().await.expect("begins");
    let event = row(1, 20, all[0].hash);
    journal::append(&mut tx, run, &[event]).await.expect_err("nothing can be added");
    desired::set(&mut tx, &fleet(), None, None, at(40)).await.expect_err("nothing can be added");
}

#[tokio::test]
async fn a_log_of_a_fleet_goes_from_one_file_into_another_and_is_read_as_of_a_moment() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let change = |n: usize, ms: i64, label: &str| history::FleetChange {
        node: node(n),
        change: NodeChange {
            at: at(ms),
            version: Some(version(label)),
            content: Some(content(label)),
            state: Some(plumb_fleet::DriftState::InSync),
            failure: None,
        },
    };
    let log = [change(1, 0, "v1"), change(1, 100, "v2"), change(2, 50, "v1")];
    let loaded = history::FleetReload {
        node: node(1),
        reload: reloads::KeptReload { entry: reload(100, "v2"), gap_before: true },
    };
    let mut tx = cache.write().await.expect("begins");
    history::replace_changes(&mut tx, &fleet(), &[change(3, 1, "old")]).await.expect("added");
    history::replace_changes(&mut tx, &fleet(), &log).await.expect("added");
    history::add_reloads(&mut tx, &fleet(), std::slice::from_ref(&loaded)).await.expect("added");
    let all = (at(-10), at(1_000));
    assert_eq!(history::changes(&mut tx, &fleet(), all, 99).await.expect("reads"), log);
    // What held at the beginning of a window belongs to it.
    let later = history::changes(&mut tx, &fleet(), (at(60), at(1_000)), 99).await.expect("reads");
    assert_eq!(later, log);
    let last = history::changes(&mut tx, &fleet(), (at(100), at(1_000)), 99).await.expect("reads");
    assert_eq!(last, log[1..]);
    assert_eq!(history::reloads(&mut tx, &fleet(), all, 99).await.expect("reads"), [loaded]);
    let then = history::standing(&mut tx, &fleet(), at(60)).await.expect("reads");
    let labels: Vec<_> = then.values().filter_map(|one| one.version.as_ref()).collect();
    assert_eq!(labels, [&version("v1"), &version("v1")]);

    horizon::close_off(&mut tx, Kind::Cache).await.expect("closed off");
    horizon::look_to(&mut tx, &Horizon { at: at(60), event: None }).await.expect("moves");
    let known = history::changes(&mut tx, &fleet(), all, 99).await.expect("reads");
    assert_eq!(known, [log[0].clone(), log[2].clone()]);
    assert_eq!(history::reloads(&mut tx, &fleet(), all, 99).await.expect("reads"), []);
    history::replace_changes(&mut tx, &fleet(), &[]).await.expect_err("it is closed off");
}
