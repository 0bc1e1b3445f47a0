//! What is odd about the figures a node reports.

use plumb_fleet::{NodeApi, NodeReport, ReloadEntry, ReloadStats, Thresholds, cautions};
use plumb_testkit::{
    builders::{observed, reloaded, report},
    clock::{after, start},
};

#[track_caller]
fn check(change: impl FnOnce(&mut NodeReport), expected: &str) {
    let mut report = report("n", NodeApi::Reload, "2.0.0", "two");
    change(&mut report);
    let found: Vec<String> = cautions(&report, Thresholds::default(), start())
        .iter()
        .map(|caution| format!("{caution:?}"))
        .collect();
    assert_eq!(found.join(", "), expected);
}

fn failed(count: usize) -> Vec<ReloadEntry> {
    (0..count).map(|_| ReloadEntry { success: false, ..reloaded("2.0.0", 60) }).collect()
}

#[test]
fn a_sound_report_gives_no_caution() {
    check(|_| {}, "");
    check(|r| r.confirmed_at = Some(observed(after(-900))), "");
    check(|r| r.loaded_at = Some(observed(after(-86_400))), "");
    check(|r| r.clock_skew_ms = Some(-5_000), "");
    check(|r| r.history = failed(2), "");
}

#[test]
fn ages_and_skew_past_their_limits_are_named() {
    check(|r| r.confirmed_at = Some(observed(after(-901))), "DigestAge { age_s: 901 }");
    check(|r| r.loaded_at = Some(observed(after(-86_401))), "LoadAge { age_s: 86401 }");
    check(|r| r.clock_skew_ms = Some(5_001), "ClockSkew { skew_ms: 5001 }");
    check(|r| r.clock_skew_ms = Some(i64::MIN), "ClockSkew { skew_ms: -9223372036854775808 }");
}

#[test]
fn counters_that_stop_at_the_ring_are_not_trusted() {
    let stats = |total| ReloadStats { total, succeeded: total, failed: 0, average_us: 1 };
    let full = |total| {
        move |r: &mut NodeReport| {
            r.history = (0..10).map(|n| reloaded("2.0.0", n)).collect();
            r.stats = Some(Box::new(observed(stats(total))));
        }
    };
    check(full(10), "SaturatedCounters");
    check(full(11), "");
    check(|r| r.stats = Some(Box::new(observed(stats(10)))), "");
}

#[test]
fn failures_in_a_row_and_slow_reloads_are_named() {
    check(|r| r.unauthenticated_reload = true, "UnauthenticatedReload");
    check(|r| r.history = failed(3), "ConsecutiveFailures { count: 3 }");
    check(
        |r| r.history = vec![ReloadEntry { duration_us: 1_000_001, ..reloaded("2.0.0", 1) }],
        "SlowReload { duration_ms: 1000 }",
    );
}
