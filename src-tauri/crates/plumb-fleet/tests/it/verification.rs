//! Whether a node counts as verified, and decisions around a reload.

use plumb_fleet::{
    CheckOutcome, CheckSeen, DecisionCounts, NodeApi, NodeReport, SignatureReport, Snapshot,
    SnapshotBuilder, SnapshotId, Standing, Verification, Verified,
};
use plumb_testkit::{
    builders::{node_id, observed, reloaded, report, silent_report},
    clock::start,
};

fn with_checks(outcomes: &[CheckOutcome]) -> NodeReport {
    let checks = outcomes
        .iter()
        .map(|outcome| CheckSeen { name: "signature".to_owned(), outcome: *outcome, detail: None })
        .collect();
    let seen = Verification { checks, carried_by: None, origin: None, fallback: None };
    let mut report = silent_report("gw-1", NodeApi::Agent);
    report.verification = Some(observed(std::sync::Arc::new(seen)));
    report
}

#[test]
fn one_failed_check_outweighs_all_that_passed() {
    use CheckOutcome::{Failed, NotMade, Passed};
    for (outcomes, expected) in [
        (&[][..], Verified::NotTold),
        (&[NotMade], Verified::NotTold),
        (&[Passed, NotMade], Verified::Yes),
        (&[Passed, Failed, Passed], Verified::No),
    ] {
        assert_eq!(Verified::of(&with_checks(outcomes)), expected, "{outcomes:?}");
    }
    let mut unsigned = with_checks(&[Passed]);
    unsigned.signature = Some(Box::new(observed(SignatureReport::Unsigned)));
    assert_eq!(Verified::of(&unsigned), Verified::No);
    let signed = report("gw-1", NodeApi::Reload, "2.0.0", "two");
    assert_eq!(Verified::of(&signed), Verified::Yes, "a valid signature is enough");
}

/// One look after another at a node that was reloaded so often and answered so many decisions.
fn looks(all: &[(i64, u64, u64)]) -> Option<DecisionCounts> {
    let mut last: Option<Snapshot> = None;
    for (reloads, all, failed) in all {
        let mut told = report("gw-1", NodeApi::Agent, "2.0.0", "two");
        told.history = (0..*reloads).rev().map(|n| reloaded("2.0.0", 1_000 - n)).collect();
        let decisions = Some(DecisionCounts { all: *all, failed: *failed });
        told.standing = Some(Box::new(observed(Standing { decisions, ..Standing::default() })));
        let mut builder = SnapshotBuilder::new(
            plumb_fleet::FleetId::new("eu").expect("a name"),
            [node_id("gw-1")],
            last.as_ref(),
        );
        builder.report(told);
        last = Some(builder.finish(SnapshotId::from_bytes([0; 16]), start()));
    }
    let last = last?;
    let report = last.nodes[&node_id("gw-1")].report.as_deref()?;
    report.standing.as_ref()?.value.around_reload
}

#[test]
fn decisions_are_counted_between_the_looks_around_a_reload() {
    let counts = |all, failed| Some(DecisionCounts { all, failed });
    assert_eq!(looks(&[(1, 100, 0)]), None, "nothing was seen before");
    assert_eq!(looks(&[(1, 100, 0), (1, 200, 50)]), None, "no reload, no window");
    assert_eq!(looks(&[(1, 100, 0), (2, 1_100, 6)]), counts(1_000, 6));
    assert_eq!(looks(&[(1, 100, 0), (2, 1_100, 6), (2, 9_000, 500)]), counts(1_000, 6));
    assert_eq!(looks(&[(1, 100, 0), (2, 1_100, 6), (3, 1_200, 6)]), counts(100, 0));
    assert_eq!(looks(&[(1, 100, 0), (2, 7, 0)]), None, "the node started again");
}

#[test]
fn half_a_percent_may_fail() {
    let counts = |all, failed| DecisionCounts { all, failed };
    assert!(!counts(0, 0).too_many_failed());
    assert!(!counts(1_000, 5).too_many_failed());
    assert!(counts(1_000, 6).too_many_failed());
    assert!(counts(0, 1).too_many_failed());
}
