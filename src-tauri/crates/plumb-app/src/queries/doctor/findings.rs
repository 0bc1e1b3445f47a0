//! What each check finds about one node.

use jiff::Timestamp;
use plumb_alert::LeftFreeze;
use plumb_fleet::{Caution, NodeApi, NodeId, NodeReport, ReloadEntry, SignatureReport, cautions};

use super::Check;
use crate::{
    current::Current,
    queries::{
        reloads::{OurReloads, slow},
        verification::{readiness, unverified},
    },
    views::{convert::duration_words, fleet::ReloadOrigin},
};

/// Failures in a row that page (R198, conflict C2).
const CONSECUTIVE_MIN: u64 = 3;
/// More failures than this within [`RATE_WINDOW_S`] page.
const FAILURES_MAX: usize = 3;
const RATE_WINDOW_S: i64 = 600;
/// How long any single failure is told (R268).
const FAILURE_WINDOW_S: i64 = 300;
/// How far back reloads count that were not started here.
const FOREIGN_WINDOW_S: i64 = 24 * 3_600;

/// What the checks look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) current: &'a Current,
    /// The same with what reload nodes ran before.
    pub(super) earlier: &'a Current,
    pub(super) ours: &'a OurReloads,
    /// Freezes that were left behind, or why they could not be looked for.
    pub(super) freezes: Result<&'a [LeftFreeze], &'a str>,
    pub(super) now: Timestamp,
}

/// What a check finds about a node that reported.
pub(super) fn finding(check: Check, known: Known<'_>, report: &NodeReport) -> Option<String> {
    let odd = || cautions(report, known.current.fleet.thresholds, known.now);
    match check {
        Check::DigestAge => odd().iter().find_map(|caution| match caution {
            Caution::DigestAge { age_s } => {
                Some(format!("its source last confirmed the digest {} ago", duration_words(*age_s)))
            }
            _ => None,
        }),
        Check::LoadAge => odd().iter().find_map(|caution| match caution {
            Caution::LoadAge { age_s } => Some(format!("loaded {} ago", duration_words(*age_s))),
            _ => None,
        }),
        Check::ClockSkew => odd().iter().find_map(|caution| match caution {
            Caution::ClockSkew { skew_ms } => {
                let way = if *skew_ms < 0 { "behind" } else { "ahead of" };
                Some(format!("its clock is {} {way} ours", duration_words(skew_ms.abs() / 1_000)))
            }
            _ => None,
        }),
        Check::UnauthenticatedReload => report
            .unauthenticated_reload
            .then(|| "accepts a reload from anybody who reaches it".to_owned()),
        Check::ReloadFailures => any_failure(report, known.now),
        Check::ReloadFailuresConsecutive => consecutive(report),
        Check::ReloadFailureRate => rate(report, known.now),
        Check::ReloadErrors => server_errors(report),
        Check::ReloadDuration => slow_reload(report, known),
        Check::ForeignReloads => foreign(report, known),
        Check::Signature => match report.signature.as_ref().map(|seen| &seen.value) {
            Some(SignatureReport::Invalid { reason }) => Some(format!("invalid: {reason}")),
            Some(SignatureReport::Unsigned) => Some("what runs carries no signature".to_owned()),
            Some(SignatureReport::Valid { .. }) | None => None,
        },
        Check::Verification => unverified(report),
        Check::Fallback => fallback(report, known.now),
        Check::RollbackReadiness => not_ready(&report.node, known),
        Check::VersionConsistency
        | Check::ContentConsistency
        | Check::Reachability
        | Check::FreezeLeftBehind => None,
    }
}

/// By the node's own clock: its moments are compared with what it thinks the time is.
fn age_s(report: &NodeReport, at: Timestamp, now: Timestamp) -> i64 {
    let skew_ms = report.clock_skew_ms.unwrap_or(0);
    let node_now_ms = now.as_millisecond().saturating_add(skew_ms);
    node_now_ms.saturating_sub(at.as_millisecond()) / 1_000
}

fn failures_within(
    report: &NodeReport,
    now: Timestamp,
    window_s: i64,
) -> impl Iterator<Item = &ReloadEntry> {
    report
        .history
        .iter()
        .filter(move |entry| !entry.success && age_s(report, entry.at, now) < window_s)
}

fn why(entry: &ReloadEntry) -> &str {
    entry.error.as_deref().unwrap_or("the node does not say why")
}

/// The newest reload failed, or one did within five minutes.
fn any_failure(report: &NodeReport, now: Timestamp) -> Option<String> {
    let newest = report.history.first().filter(|entry| !entry.success);
    let failed = newest.or_else(|| failures_within(report, now, FAILURE_WINDOW_S).next())?;
    let age = duration_words(age_s(report, failed.at, now).max(0));
    Some(format!("a reload failed {age} ago: {}", why(failed)))
}

fn consecutive(report: &NodeReport) -> Option<String> {
    let told = report.standing.as_ref().map_or(0, |seen| seen.value.consecutive_failures);
    let shown = report.history.iter().take_while(|entry| !entry.success).count() as u64;
    let count = told.max(shown);
    if count < CONSECUTIVE_MIN {
        return None;
    }
    let last = report.history.first().filter(|entry| !entry.success);
    let last = last.map_or("the node does not say why", why);
    Some(format!("{count} reloads in a row failed, the last: {last}"))
}

fn rate(report: &NodeReport, now: Timestamp) -> Option<String> {
    let count = failures_within(report, now, RATE_WINDOW_S).count();
    (count > FAILURES_MAX).then(|| format!("{count} reloads failed within ten minutes"))
}

fn server_errors(report: &NodeReport) -> Option<String> {
    let counts = report.standing.as_ref()?.value.around_reload?;
    counts.too_many_failed().then(|| {
        format!(
            "{} of {} decisions around its newest reload were answered with a server error",
            counts.failed, counts.all
        )
    })
}

fn slow_reload(report: &NodeReport, known: Known<'_>) -> Option<String> {
    let newest = report.history.iter().find(|entry| entry.success)?;
    let slow = slow(newest, &known.current.desired, &report.node)?;
    Some(format!("its newest reload {}", slow.sentence()))
}

fn foreign(report: &NodeReport, known: Known<'_>) -> Option<String> {
    let mut found = report
        .history
        .iter()
        .filter(|entry| age_s(report, entry.at, known.now) < FOREIGN_WINDOW_S)
        .filter(|entry| {
            let origin = known.ours.origin(&report.node, entry, report.clock_skew_ms);
            origin == ReloadOrigin::Elsewhere
        });
    let newest = found.next()?;
    let count = 1 + found.count();
    let age = duration_words(age_s(report, newest.at, known.now).max(0));
    let asked = newest.trigger.map_or("the node does not tell who asked", |trigger| trigger.name());
    let word = if count == 1 { "1 reload was" } else { &format!("{count} reloads were") };
    Some(format!("{word} not started here in the last day, the newest {age} ago ({asked})"))
}

fn fallback(report: &NodeReport, now: Timestamp) -> Option<String> {
    let reason = report.verification.as_ref()?.value.fallback.as_deref()?;
    let since = report.standing.as_ref().and_then(|seen| seen.value.fallback_since);
    let since = since.map(|at| duration_words(age_s(report, at, now).max(0)));
    let since = since.map(|age| format!(" for {age}")).unwrap_or_default();
    Some(format!("runs a fallback{since}: {reason}"))
}

/// Nodes that can be rolled back from nowhere, and that their API says so of, are no finding.
fn not_ready(id: &NodeId, known: Known<'_>) -> Option<String> {
    let node = known.current.fleet.nodes.get(id)?;
    if node.api == NodeApi::Opa {
        return None;
    }
    readiness(known.current, node, known.earlier.report(id)?).problem
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use plumb_fleet::{Catalogue, DecisionCounts, Desired, Standing, Thresholds};
    use plumb_testkit::{
        builders::{node_id, observed, reloaded, report},
        clock::start,
    };

    use super::*;
    use crate::queries::reloads::Slow;

    fn with_failures(seconds_ago: impl IntoIterator<Item = i64>) -> NodeReport {
        let failed = |ago| ReloadEntry {
            success: false,
            error: Some("disk full".to_owned()),
            ..reloaded("2.0.0", ago)
        };
        let history = seconds_ago.into_iter().map(failed).chain([reloaded("1.0.0", 700)]);
        NodeReport { history: history.collect(), ..report("gw-1", NodeApi::Agent, "1.0.0", "one") }
    }

    fn with_standing(standing: Standing) -> NodeReport {
        let standing = Some(Box::new(observed(standing)));
        NodeReport { standing, ..report("gw-1", NodeApi::Agent, "1.0.0", "one") }
    }

    /// R198, conflict C2: three in a row, by the history or by what the node counts itself.
    #[test]
    fn three_failures_in_a_row_are_told() {
        assert_eq!(consecutive(&with_failures([60, 120])), None);
        let told = consecutive(&with_failures([60, 120, 180])).expect("told");
        assert_eq!(told, "3 reloads in a row failed, the last: disk full");
        let counted = |consecutive_failures| {
            consecutive(&with_standing(Standing { consecutive_failures, ..Standing::default() }))
        };
        assert_eq!(counted(2), None);
        assert!(counted(3).expect("told").starts_with("3 reloads in a row failed"));
    }

    /// R185, conflict C2: more than three within ten minutes, by the node's own clock.
    #[test]
    fn more_than_three_failures_within_ten_minutes_are_told() {
        assert_eq!(rate(&with_failures([1, 2, 3]), start()), None);
        assert_eq!(rate(&with_failures([1, 2, 3, 600]), start()), None, "ten minutes ago");
        let four = with_failures([1, 2, 3, 599]);
        assert_eq!(rate(&four, start()).as_deref(), Some("4 reloads failed within ten minutes"));
        let ahead = NodeReport { clock_skew_ms: Some(2_000), ..four };
        assert_eq!(rate(&ahead, start()), None, "601 s ago where the node stands");
    }

    /// R268: any failure of the last five minutes, and the newest reload whenever it was.
    #[test]
    fn a_failure_is_told_while_it_is_new_or_the_last_word() {
        assert_eq!(any_failure(&with_failures([]), start()), None);
        assert!(any_failure(&with_failures([86_400]), start()).is_some());
        let mut since = with_failures([299]);
        since.history.insert(0, reloaded("2.0.0", 10));
        assert!(any_failure(&since, start()).is_some());
        let mut long_since = with_failures([300]);
        long_since.history.insert(0, reloaded("2.0.0", 10));
        assert_eq!(any_failure(&long_since, start()), None);
    }

    /// R199, R275: more than 0.5 % of the decisions around the newest reload.
    #[test]
    fn server_errors_around_a_reload_are_told_above_half_a_percent() {
        let around = |failed| {
            let around_reload = Some(DecisionCounts { all: 1_000, failed });
            server_errors(&with_standing(Standing { around_reload, ..Standing::default() }))
        };
        assert_eq!(around(5), None);
        let told = around(6).expect("told");
        assert!(told.starts_with("6 of 1000 decisions around its newest reload"), "{told}");
        assert_eq!(server_errors(&with_standing(Standing::default())), None);
    }

    /// R272, R284: three times what is documented for its size.
    #[test]
    fn a_reload_above_three_times_its_documented_time_is_told() {
        let desired = Desired {
            fleet: None,
            nodes: BTreeMap::new(),
            bundles: BTreeMap::new(),
            catalogue: Catalogue::default(),
            refused: BTreeSet::new(),
            thresholds: Thresholds::default(),
            in_flight: BTreeMap::new(),
        };
        let took = |duration_us| {
            let entry = ReloadEntry { duration_us, policies: 500, ..reloaded("2.0.0", 1) };
            slow(&entry, &desired, &node_id("gw-1")).map(Slow::sentence)
        };
        assert_eq!(took(300_000), None, "500 policies take 100 ms");
        let told = took(300_001).expect("told");
        assert_eq!(told, "took 300 ms, where about 100 ms is documented for its size");
    }
}
