//! Each drift state, which one is said when several hold, and how versions are ordered.

use std::cmp::Ordering as Order;

use plumb_fleet::{
    Catalogue, DriftState, FailureKind, NodeApi, NodeReport, SignatureReport, drift::order,
};
use plumb_testkit::{
    builders::{World, content, desired, failure, node_id, observed, report, signed, version},
    clock::after,
};

/// State and sentence of the node `n` in a world.
#[track_caller]
fn check(world: &World, expected: DriftState, why: &str) {
    let verdict = &world.assessment.nodes[&node_id("n")];
    assert_eq!(verdict.state, expected, "{}", verdict.why);
    assert!(verdict.why.contains(why), "{}", verdict.why);
}

/// Two signed bundles, the newer one desired, and a node that runs something.
fn running(label: &str, word: &str) -> World {
    changed(report("n", NodeApi::Agent, label, word), |_| {})
}

fn changed(mut report: NodeReport, change: impl FnOnce(&mut NodeReport)) -> World {
    change(&mut report);
    World::new("drift")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .reporting(report)
}

fn current() -> NodeReport {
    report("n", NodeApi::Agent, "2.0.0", "two")
}

#[test]
fn every_state_is_said_with_its_reason() {
    check(&running("2.0.0", "two"), DriftState::InSync, "runs 2.0.0 with the desired content");
    check(&running("1.9.0", "one"), DriftState::Behind, "runs 1.9.0, desired is 2.0.0");
    check(&running("2.1.0", "new"), DriftState::Ahead, "runs 2.1.0, desired is 2.0.0");
    check(&running("2.0.0", "rules changed in memory"), DriftState::Tampered, "no signed bundle");
    check(&running("1.9.0", "two"), DriftState::Tampered, "known as 1.9.0");
    let two = running("2.0.0", "other").signed("2.0.0", "other");
    let bound = two.with(|w| w.desired.fleet = Some(desired("2.0.0", Some(content("two")))));
    check(&bound, DriftState::Diverged, "same version 2.0.0");
    let refused = running("1.9.0", "one").with(|w| {
        w.desired.refused.insert(content("one"));
    });
    check(&refused, DriftState::Poisoned, "runs the refused content");
    let stale = changed(current(), |r| r.confirmed_at = Some(observed(after(-901))));
    check(&stale, DriftState::Stale, "15 min ago");
    check(&stale.with(|w| w.now = after(-1)), DriftState::InSync, "");
    let dead = World::new("dead").desired("2.0.0").dead("n", NodeApi::Opa);
    check(&dead, DriftState::Unreachable, "no answer within 5 s");
    check(&running("1.9.0", "one").in_flight("n", -1, 30), DriftState::Converging, "in flight");
}

#[test]
fn a_signature_that_fails_is_tampered_whatever_runs() {
    let invalid = SignatureReport::Invalid { reason: "hash differs".to_owned() };
    let world = changed(current(), |r| r.signature = Some(Box::new(observed(invalid))));
    check(&world, DriftState::Tampered, "signature invalid: hash differs");
    check(&world.in_flight("n", -1, 30), DriftState::Tampered, "hash differs");
}

#[test]
fn unknown_names_what_is_missing() {
    check(&changed(current(), |r| r.version = None), DriftState::Unknown, "reports no version");
    check(&changed(current(), |r| r.content = None), DriftState::Unknown, "content could not be");
    check(
        &running("2.0.0", "two").with(|w| w.desired.fleet = None),
        DriftState::Unknown,
        "no desired",
    );
    let never = running("2.0.0", "two").with(|w| {
        let seen = w.snapshot.nodes.get_mut(&node_id("n")).unwrap();
        seen.report = None;
    });
    check(&never, DriftState::Unknown, "no answer yet");
    let refused = running("2.0.0", "two").with(|w| {
        let seen = w.snapshot.nodes.get_mut(&node_id("n")).unwrap();
        seen.failure = Some(failure(FailureKind::Auth, "the token was refused"));
    });
    check(&refused, DriftState::Unknown, "the token was refused");
}

#[test]
fn silence_hides_what_is_less_but_not_what_is_outlawed() {
    let silent = |world: World| {
        world.with(|w| {
            let seen = w.snapshot.nodes.get_mut(&node_id("n")).unwrap();
            seen.failure = Some(failure(FailureKind::Refused, "connection refused"));
        })
    };
    check(&silent(running("1.9.0", "one")), DriftState::Unreachable, "connection refused");
    check(&silent(running("2.0.0", "x")), DriftState::Tampered, "");
    let flying = silent(running("1.9.0", "one")).in_flight("n", -1, 30);
    check(&flying, DriftState::Converging, "");
}

#[test]
fn a_change_in_flight_counts_until_it_arrives_or_its_deadline() {
    check(&running("2.0.0", "two").in_flight("n", -1, 30), DriftState::InSync, "");
    // A report from before the change proves nothing of it.
    check(&running("2.0.0", "two").in_flight("n", 0, 30), DriftState::Converging, "");
    check(&running("1.9.0", "one").in_flight("n", -31, 0), DriftState::Behind, "");
}

#[test]
fn a_node_of_its_own_version_is_held_to_that() {
    let world = running("1.9.0", "one").with(|w| {
        w.desired.nodes.insert(node_id("n"), desired("1.9.0", None));
    });
    check(&world, DriftState::InSync, "1.9.0");
}

#[test]
fn without_a_signed_bundle_the_majority_is_expected() {
    let world = World::new("majority")
        .desired("3.0.0")
        .runs("a", NodeApi::Reload, "3.0.0", "most")
        .runs("b", NodeApi::Reload, "3.0.0", "most")
        .runs("n", NodeApi::Reload, "3.0.0", "few");
    check(&world, DriftState::Diverged, "same version 3.0.0");
}

#[test]
fn a_majority_that_is_not_signed_is_no_example() {
    let world = running("2.0.0", "two")
        .signed("2.0.0", "other")
        .runs("a", NodeApi::Reload, "2.0.0", "changed in memory")
        .runs("b", NodeApi::Reload, "2.0.0", "changed in memory");
    check(&world, DriftState::InSync, "");
    let counts = &world.assessment.counts;
    assert_eq!((counts[&DriftState::Tampered], counts[&DriftState::Diverged]), (2, 0));
}

#[test]
fn one_content_in_two_files_is_one_bundle() {
    let mut catalogue = Catalogue { entries: vec![signed("2.0.0", "two"), signed("2.0.0", "two")] };
    catalogue.entries[0].file = "z.signed.json".to_owned();
    let found = |catalogue: &Catalogue| {
        catalogue.offer(None).resolve(&desired("2.0.0", None)).map(|entry| entry.file.clone())
    };
    let first = found(&catalogue);
    assert_eq!(first.as_deref(), Some("payments-2.0.0-two.signed.json"));
    catalogue.entries.reverse();
    assert_eq!(found(&catalogue), first, "the order of the catalogue decides nothing");
    catalogue.entries.push(signed("2.0.0", "other"));
    assert_eq!(found(&catalogue), None, "two contents are ambiguous");
}

#[track_caller]
fn check_order(lower: &str, higher: &str) {
    let catalogue = Catalogue::default();
    let (lower, higher) = (version(lower), version(higher));
    assert_eq!(order(&lower, &higher, catalogue.offer(None)), Order::Less, "{lower} {higher}");
    assert_eq!(order(&higher, &lower, catalogue.offer(None)), Order::Greater, "{higher} {lower}");
}

#[test]
fn versions_are_ordered_as_people_mean_them() {
    check_order("1.9.0", "1.10.0");
    check_order("2.0.0-rc1", "2.0.0");
    check_order("v2.0.0", "2.0.1");
    check_order("v9", "v41");
    check_order("2026-03-09", "2026-03-14");
    check_order("release-9a", "release-10");
    check_order("2.0", "2.0-hotfix");
    check_order("00000000000000000000000000009", "18446744073709551616");
    check_order("abc", "abd");
}

#[test]
fn labels_that_mean_the_same_are_still_ordered_one_way() {
    check_order("1.0.0", "v1.0.0");
    check_order("01", "1");
}

#[test]
fn issue_times_outrank_labels() {
    let mut catalogue = Catalogue { entries: vec![signed("9.0.0", "a"), signed("1.0.0", "b")] };
    catalogue.entries[0].issued_at = Some(after(0));
    catalogue.entries[1].issued_at = Some(after(60));
    assert_eq!(order(&version("9.0.0"), &version("1.0.0"), catalogue.offer(None)), Order::Less);
    assert_eq!(order(&version("9.0.0"), &version("8.0.0"), catalogue.offer(None)), Order::Greater);
}

#[test]
fn a_version_of_another_bundle_is_not_a_nodes_own() {
    // Two bundles have a version 2.0.0; the node is to run the one called ledger.
    let of_ledger = |word: &str| {
        running("2.0.0", word).signed("2.0.0", "ledger two").with(|w| {
            let added = w.desired.catalogue.entries.last_mut().unwrap();
            "ledger".clone_into(&mut added.bundle_id);
            w.desired.bundles.insert(node_id("n"), "ledger".to_owned());
        })
    };
    check(&of_ledger("ledger two"), DriftState::InSync, "");
    // Validly signed, but as another bundle.
    check(&of_ledger("two"), DriftState::Diverged, "content");
    check(&of_ledger("changed in memory"), DriftState::Tampered, "");
    // Without a word in the fleet file nobody can tell which of the two is meant.
    let either = of_ledger("two").with(|w| w.desired.bundles.clear());
    check(&either, DriftState::InSync, "");
}

#[test]
fn nodes_of_another_bundle_are_no_majority() {
    let unsigned = |w: &mut World| w.desired.catalogue.entries.clear();
    let world = running("2.0.0", "ledger two")
        .runs("a", NodeApi::Reload, "2.0.0", "payments two")
        .runs("b", NodeApi::Reload, "2.0.0", "payments two")
        .with(unsigned);
    check(&world, DriftState::Diverged, "content");
    let named = world.with(|w| {
        w.desired.bundles.insert(node_id("n"), "ledger".to_owned());
    });
    check(&named, DriftState::InSync, "");
}
