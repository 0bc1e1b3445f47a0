//! The long history: merged from rings of ten, each reload once, gaps marked.

use plumb_fleet::{NodeReport, ReloadEntry};
use plumb_store::{Database, Kind, reloads};
use proptest::{collection::vec, prelude::*};

use crate::support::{Files, fleet, insert, node, reload, report, snapshot};

const RING: usize = 10;

async fn kept(cache: &Database) -> Vec<(ReloadEntry, bool)> {
    let mut tx = cache.read().await.expect("begins");
    let kept = reloads::of_node(&mut tx, &fleet(), &node(1), 1_000).await.expect("reads");
    kept.into_iter().map(|kept| (kept.entry, kept.gap_before)).collect()
}

/// Reloads with numbers from newest to oldest, as a node tells them.
fn ring(numbers: impl DoubleEndedIterator<Item = i64>) -> Vec<ReloadEntry> {
    numbers.rev().map(|n| reload(n * 1_000, "v2")).collect()
}

/// Sweeps a node once per ring, with its uptime, and prints `number` or `|number` where a gap stands before it.
async fn check(rings: &[(Vec<ReloadEntry>, u64)], remember: bool) -> String {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let mut previous = None;
    for (sweep, (history, uptime_s)) in (1_u64..).zip(rings) {
        let ms = i64::try_from(sweep).expect("small") * 30_000;
        let mut told: NodeReport = report(&node(1), "v2", ms, history.clone());
        told.uptime_s.as_mut().expect("there").value = *uptime_s;
        let next = snapshot(sweep, ms, [told]);
        insert(&cache, &next, previous.as_ref()).await;
        previous = remember.then_some(next);
    }
    let start = crate::support::at(0).as_millisecond();
    let words: Vec<String> = kept(&cache)
        .await
        .into_iter()
        .rev()
        .map(|(entry, gap)| {
            let number = (entry.at.as_millisecond() - start) / 1_000;
            format!("{}{number}", if gap { "|" } else { "" })
        })
        .collect();
    words.join(" ")
}

#[tokio::test]
async fn a_ring_that_moves_on_continues_the_history() {
    let rings = [(ring(1..=10), 60), (ring(4..=13), 90), (ring(4..=13), 120), (ring(5..=14), 150)];
    assert_eq!(check(&rings, true).await, "1 2 3 4 5 6 7 8 9 10 11 12 13 14");
    assert_eq!(check(&rings, false).await, "1 2 3 4 5 6 7 8 9 10 11 12 13 14");
}

#[tokio::test]
async fn a_ring_replaced_in_full_leaves_a_gap() {
    let rings = [(ring(1..=3), 60), (ring(20..=29), 90)];
    assert_eq!(check(&rings, true).await, "1 2 3 |20 21 22 23 24 25 26 27 28 29");
}

#[tokio::test]
async fn a_restart_leaves_a_gap() {
    let rings = [(ring(1..=3), 60), (ring(7..=7), 5), (ring(7..=8), 35)];
    assert_eq!(check(&rings, true).await, "1 2 3 |7 8");
    let emptied = [(ring(1..=3), 60), (Vec::new(), 5), (ring(9..=9), 35)];
    assert_eq!(check(&emptied, true).await, "1 2 3 |9");
    let before_the_first = [(Vec::new(), 60), (ring(9..=9), 5)];
    assert_eq!(check(&before_the_first, true).await, "|9");
}

#[tokio::test]
async fn what_came_before_the_first_sweep_is_no_gap() {
    assert_eq!(check(&[(ring(11..=20), 60)], true).await, "11 12 13 14 15 16 17 18 19 20");
    let filled = [(Vec::new(), 60), (ring(1..=2), 90)];
    assert_eq!(check(&filled, true).await, "1 2");
    let overfilled = [(Vec::new(), 60), (ring(1..=10), 90)];
    assert_eq!(check(&overfilled, true).await, "|1 2 3 4 5 6 7 8 9 10");
}

#[tokio::test]
async fn everything_a_node_tells_of_a_reload_is_kept() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let failed = ReloadEntry {
        at: "2026-02-28T23:59:58.123456789Z".parse().expect("a moment"),
        version: None,
        success: false,
        duration_us: u64::MAX,
        policies: u32::MAX,
        error: Some("signature\u{0} \"refused\" \u{1f512}".to_owned()),
        trigger: None,
    };
    // Two of one moment differ in their outcome; told twice, kept once.
    let worked = ReloadEntry { success: true, error: None, ..failed.clone() };
    let history = vec![worked.clone(), failed.clone(), failed.clone()];
    insert(&cache, &snapshot(1, 0, [report(&node(1), "v2", 0, history)]), None).await;
    assert_eq!(kept(&cache).await, [(worked, false), (failed, false)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any number of reloads between sweeps: nothing is kept twice, and a gap stands exactly where some were lost.
    #[test]
    fn a_gap_stands_exactly_where_reloads_were_lost(
        steps in vec(0_i64..25, 1..8),
        remember in any::<bool>(),
    ) {
        let mut rings = Vec::new();
        let mut expected = Vec::new();
        let (mut total, mut known) = (0, 0);
        for (sweep, step) in (0_u64..).zip(&steps) {
            total += step;
            let first = (total - i64::try_from(RING).expect("small") + 1).max(1);
            rings.push((ring(first..=total), 60 + sweep * 30));
            for number in first.max(known + 1)..=total {
                // A ring replaced exactly, with nothing lost, cannot be told from one that lost some.
                let gap = number == first && sweep > 0 && (known > 0 && first > known
                    || known == 0 && total - first + 1 == i64::try_from(RING).expect("small"));
                expected.push(format!("{}{number}", if gap { "|" } else { "" }));
            }
            known = total;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        prop_assert_eq!(runtime.block_on(check(&rings, remember)), expected.join(" "));
    }
}
