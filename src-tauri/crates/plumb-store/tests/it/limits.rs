//! Full disks, old rows, and how much a month takes.

use plumb_fleet::Snapshot;
use plumb_store::{Kind, StoreError, contents, reloads, retention, snapshots, sweeps};

use crate::support::{
    Files, assessed, at, fleet, insert, latest, meta, node, reload, report, snapshot, version,
};

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let small = snapshot(1, 0, [report(&node(0), "v2", 0, vec![reload(-1_000, "v2")])]);
    insert(&cache, &small, None).await;
    let mut tx = cache.write().await.expect("begins");
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *tx).await.expect("counts");
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 4));
    sqlx::query(limit).execute(&mut *tx).await.expect("limits");
    let reports = (0..2_000).map(|n| report(&node(n), "v2", 30_000, vec![reload(-1_000, "v2")]));
    let large: Snapshot = snapshot(2, 30_000, reports);
    let assessment = assessed(&large);
    let full = snapshots::insert(&mut tx, &large, &assessment, None, meta(&large)).await;
    let Err(error @ StoreError::Full { .. }) = full else { panic!("{full:?}") };
    let text = error.to_string();
    assert!(text.contains("is full while"), "{text}");
    assert!(text.contains(&files.path(Kind::Cache).display().to_string()), "{text}");
    drop(tx);
    assert_eq!(latest(&cache).await, Some(small.clone()));
    assert_eq!(cache.quick_check().await.expect("checks"), Vec::<String>::new());
    // And it goes on once there is room.
    let mut tx = cache.write().await.expect("begins");
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&mut *tx).await.expect("makes room");
    drop(tx);
    insert(&cache, &large, Some(&small)).await;
    assert_eq!(latest(&cache).await, Some(large));
}

#[tokio::test]
async fn old_rows_go_and_what_still_holds_stays() {
    const DAY_MS: i64 = 86_400_000;
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let mut previous = None;
    for day in 0..20 {
        let ms = day * DAY_MS;
        let label = format!("v{day}");
        let told = report(&node(0), &label, ms, vec![reload(ms - 1, &label)]);
        // The other one changed on the first day only; a third was taken out of the fleet then.
        let mut reports = vec![told, report(&node(1), "v2", ms, vec![reload(-1, "v2")])];
        if day == 0 {
            reports.push(report(&node(2), "v2", ms, Vec::new()));
        }
        let next = snapshot(day.unsigned_abs() + 1, ms, reports);
        insert(&cache, &next, previous.as_ref()).await;
        previous = Some(next);
    }
    let horizon = at(15 * DAY_MS + 1);
    assert!(retention::expire(&cache, horizon).await.expect("expires") > 0);
    assert_eq!(retention::expire(&cache, horizon).await.expect("expires"), 0);
    assert_eq!(latest(&cache).await, previous);
    let mut tx = cache.read().await.expect("begins");
    let fleet = fleet();
    assert_eq!(sweeps::list(&mut tx, &fleet, 100).await.expect("lists").len(), 4);
    let changes = snapshots::changes(&mut tx, &fleet, &node(0), 100).await.expect("reads");
    assert_eq!(changes.len(), 5, "four later ones, and what held at the horizon");
    let ran = snapshots::content_at(&mut tx, &fleet, &node(0), horizon).await.expect("reads");
    assert_eq!(ran.and_then(|(label, _)| label), Some(version("v15")));
    assert_eq!(snapshots::changes(&mut tx, &fleet, &node(1), 9).await.expect("reads").len(), 1);
    let kept = reloads::of_node(&mut tx, &fleet, &node(0), 100).await.expect("reads");
    assert_eq!(kept.len(), 10, "as many as the node's ring may still hold");
}

#[tokio::test]
async fn contents_that_no_node_ran_go_with_their_texts() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let (used, unused) = (crate::support::content("v2"), crate::support::content("v1"));
    let mut tx = cache.write().await.expect("begins");
    for digest in [used, unused] {
        let policy = plumb_fleet::Policy {
            id: "allow".to_owned(),
            digest: digest.0,
            text: format!("allow if {digest}"),
        };
        let content = plumb_fleet::Content {
            digest,
            ordering: plumb_fleet::Ordering::Unordered,
            policies: vec![policy],
        };
        contents::insert(&mut tx, &content, at(0)).await.expect("inserts");
    }
    tx.commit().await.expect("commits");
    let next = snapshot(1, 0, [report(&node(0), "v2", 0, Vec::new())]);
    insert(&cache, &next, None).await;
    retention::expire(&cache, at(0)).await.expect("expires");
    let mut tx = cache.read().await.expect("begins");
    assert!(contents::get(&mut tx, unused).await.expect("reads").is_some(), "not old enough");
    drop(tx);
    assert_eq!(
        retention::expire(&cache, at(1)).await.expect("expires"),
        3,
        "itself, list and text"
    );
    let mut tx = cache.read().await.expect("begins");
    assert_eq!(contents::get(&mut tx, unused).await.expect("reads"), None);
    assert!(contents::get(&mut tx, used).await.expect("reads").is_some());
}

/// 30 days of 1,000 nodes with 10 changes a node a day stay under 200 MB: here a two-hundredth of the sweeps, changes and
/// nodes, under a two-hundredth of the bytes. In full: `cargo run --release --example speed -- month`.
#[tokio::test]
async fn a_month_of_a_thousand_nodes_fits() {
    const PART: u64 = 200;
    const SWEEPS: u64 = 30 * 24 * 120 / PART;
    const CHANGES: u64 = 1_000 * 30 * 10 / PART;
    const NODES: usize = 5;
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let mut rings = vec![vec![reload(-1_000, "v0")]; NODES];
    let (mut changes, mut previous) = (0, None);
    for sweep in 0..SWEEPS {
        let ms = i64::try_from(sweep).expect("small") * 30_000;
        while changes * SWEEPS < sweep * CHANGES {
            let ring = &mut rings[usize::try_from(changes).expect("small") % NODES];
            ring.insert(0, reload(ms - 1_000, &format!("v{}", changes % 97)));
            ring.truncate(10);
            changes += 1;
        }
        let reports = rings.iter().enumerate().map(|(n, ring)| {
            let label = ring[0].version.as_ref().expect("there").as_str();
            report(&node(n), label, ms, ring.clone())
        });
        let next = snapshot(sweep, ms, reports);
        insert(&cache, &next, previous.as_ref()).await;
        previous = Some(next);
    }
    cache.close().await;
    let bytes = std::fs::metadata(files.path(Kind::Cache)).expect("there").len();
    assert!(bytes < 200_000_000 / PART, "{bytes} bytes for {changes} changes in {SWEEPS} sweeps");
}
