//! What gates measure: counters of nodes since a wave began, and values of a Prometheus.

use std::collections::BTreeMap;

use plumb_clients::Durations;
use plumb_fleet::{DecisionCounts, NodeId};
use plumb_runbook::{GateCheck, Plan};

/// What nodes had counted before the newest wave.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub decisions: BTreeMap<NodeId, DecisionCounts>,
    pub durations: BTreeMap<NodeId, Durations>,
}

/// Whether a gate of a plan needs to know what nodes had counted before a wave.
pub(super) fn compares_decisions(plan: &Plan) -> bool {
    checks(plan).any(|check| matches!(check, GateCheck::ErrorRate { .. }))
}

/// The same for how long decisions took.
pub(super) fn compares_durations(plan: &Plan) -> bool {
    checks(plan).any(|check| matches!(check, GateCheck::Latency { .. }))
}

fn checks(plan: &Plan) -> impl Iterator<Item = &GateCheck> {
    let gates = plan.waves.iter().filter_map(|wave| wave.gate.as_ref());
    gates.flat_map(|gate| &gate.checks)
}

/// Failed decisions in a million since the wave began. A counter that fell was started anew.
pub(super) fn error_ppm(
    now: &BTreeMap<NodeId, DecisionCounts>,
    before: &BTreeMap<NodeId, DecisionCounts>,
) -> Result<i64, String> {
    let (mut all, mut failed) = (0_u64, 0_u64);
    for (node, now) in now {
        let Some(before) = before.get(node) else {
            return Err(format!("what {node} had counted before the wave is not known"));
        };
        let before = if before.all <= now.all { *before } else { DecisionCounts::default() };
        all += now.all - before.all;
        failed += now.failed.saturating_sub(before.failed);
    }
    if all == 0 {
        return Err("no decision was counted since the wave began".to_owned());
    }
    Ok(i64::try_from(u128::from(failed) * 1_000_000 / u128::from(all)).unwrap_or(i64::MAX))
}

/// The time within which 95 of 100 decisions since the wave began were answered, in microseconds: the
/// bound of a bucket, so never less than the truth. Beyond every bound it is the largest number.
pub(super) fn p95_us(
    now: &[(NodeId, Result<Durations, String>)],
    before: &BTreeMap<NodeId, Durations>,
) -> Result<i64, String> {
    let mut since = Durations::default();
    for (node, now) in now {
        let now = now.as_ref().map_err(Clone::clone)?;
        let Some(before) = before.get(node) else {
            return Err(format!("how long decisions of {node} took before the wave is not known"));
        };
        since = since.and(&now.since(before));
    }
    let bound = since.quantile(95);
    let bound = bound.ok_or_else(|| "no decision was counted since the wave began".to_owned())?;
    Ok(i64::try_from(bound).unwrap_or(i64::MAX))
}

/// A value in thousandths, rounded up, so that no limit is passed by rounding.
pub(super) fn milli(value: f64) -> i64 {
    let thousandths = value * 1_000.0;
    let nearest = thousandths.round();
    // 1.741 times a thousand is a hair more than 1741 in binary.
    let off = (thousandths - nearest).abs() <= 1e-9 * nearest.abs().max(1.0);
    saturated(if off { nearest } else { thousandths.ceil() })
}

#[expect(clippy::cast_possible_truncation, reason = "the cast ends at the largest and smallest")]
fn saturated(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(node: &str, all: u64, failed: u64) -> BTreeMap<NodeId, DecisionCounts> {
        [(NodeId::new(node).expect("a name"), DecisionCounts { all, failed })].into()
    }

    #[track_caller]
    fn check(before: &BTreeMap<NodeId, DecisionCounts>, now: (u64, u64)) -> Result<i64, String> {
        error_ppm(&counted("gw-1", now.0, now.1), before)
    }

    #[test]
    fn only_decisions_since_the_wave_began_count() {
        let before = counted("gw-1", 10_000_000, 40);
        assert_eq!(check(&before, (10_001_000, 540)), Ok(500_000));
        assert_eq!(check(&before, (200, 3)), Ok(15_000), "the node was started anew");
        assert!(check(&before, (10_000_000, 40)).is_err(), "nobody asked");
    }

    #[test]
    fn the_slowest_five_in_a_hundred_since_the_wave_began_are_left_out() {
        let counted = |fast: u64, all: u64| {
            Durations::new([(1_000, fast), (5_000, all), (Durations::BEYOND, all)].into())
        };
        let node = || NodeId::new("gw-1").expect("a name");
        let before = BTreeMap::from([(node(), counted(100, 1_000))]);
        let p95 = |now: Result<Durations, String>| p95_us(&[(node(), now)], &before);
        assert_eq!(p95(Ok(counted(195, 1_100))), Ok(1_000));
        assert_eq!(p95(Ok(counted(194, 1_100))), Ok(5_000));
        let nothing = Err("no decision was counted since the wave began".to_owned());
        assert_eq!(p95(Ok(counted(100, 1_000))), nothing);
        assert_eq!(p95(Err("gw-1 is silent".to_owned())), Err("gw-1 is silent".to_owned()));
        let unknown = p95_us(&[(node(), Ok(counted(1, 1)))], &BTreeMap::new());
        assert!(unknown.expect_err("not guessed").contains("is not known"));
    }

    #[test]
    fn no_limit_is_passed_by_rounding() {
        assert_eq!([0.05, 1.741, 2.0, -0.5].map(milli), [50, 1_741, 2_000, -500]);
        assert_eq!([0.0501, 0.050_000_1].map(milli), [51, 51]);
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY].map(milli), [i64::MAX, i64::MIN]);
    }

    #[test]
    fn what_was_counted_before_is_never_guessed() {
        let not_known = check(&BTreeMap::new(), (10_001_000, 540));
        let why = "what gw-1 had counted before the wave is not known".to_owned();
        assert_eq!(not_known, Err(why));
    }
}
