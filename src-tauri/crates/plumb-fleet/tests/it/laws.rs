//! Laws of the drift states, over any fleet.

use plumb_fleet::{
    DriftState, FailureKind, NodeApi, SignatureReport, drift::order, group::majority,
};
use plumb_testkit::{
    builders::{World, content, desired, failure, node_id, observed, report, version},
    clock::after,
};
use proptest::prelude::*;

const WORDS: [&str; 4] = ["one", "two", "other", "changed"];
const VERSIONS: [&str; 4] = ["1.9.0", "2.0.0", "2.1.0", "odd label"];

/// What may be true of one node, all at once.
#[derive(Debug, Clone)]
struct Facts {
    version: Option<usize>,
    content: Option<usize>,
    signature: Option<bool>,
    failure: Option<bool>,
    reported: bool,
    confirmed_s_ago: Option<i64>,
    in_flight: Option<(i64, i64)>,
    own_version: Option<usize>,
}

fn facts() -> impl Strategy<Value = Facts> {
    (
        prop::option::of(0..VERSIONS.len()),
        prop::option::of(0..WORDS.len()),
        prop::option::of(any::<bool>()),
        prop::option::of(any::<bool>()),
        prop::bool::weighted(0.9),
        prop::option::of(0_i64..2_000),
        prop::option::of((-60_i64..5, -10_i64..60)),
        prop::option::of(0..VERSIONS.len()),
    )
        .prop_map(
            |(version, content, signature, failure, reported, confirmed_s_ago, in_flight, own)| {
                Facts {
                    version,
                    content,
                    signature,
                    failure,
                    reported,
                    confirmed_s_ago,
                    in_flight,
                    own_version: own,
                }
            },
        )
}

fn world() -> impl Strategy<Value = World> {
    let signed = prop::collection::vec((0..VERSIONS.len(), 0..WORDS.len()), 0..6);
    let refused = prop::collection::vec(0..WORDS.len(), 0..2);
    (prop::collection::vec(facts(), 0..12), signed, refused, prop::option::of(0..VERSIONS.len()))
        .prop_map(|(nodes, signed, refused, wanted)| {
            let mut world = World::new("laws");
            for (label, word) in signed {
                world = world.signed(VERSIONS[label], WORDS[word]);
            }
            for (number, facts) in nodes.iter().enumerate() {
                world = add(world, &format!("n{number}"), facts);
            }
            world.with(|w| {
                w.desired.refused.extend(refused.into_iter().map(|word| content(WORDS[word])));
                w.desired.fleet = wanted.map(|label| desired(VERSIONS[label], None));
            })
        })
}

fn add(world: World, name: &str, facts: &Facts) -> World {
    let mut report = report(name, NodeApi::Agent, "2.0.0", "two");
    report.version = facts.version.map(|label| observed(version(VERSIONS[label])));
    report.content = facts.content.map(|word| observed(content(WORDS[word])));
    report.confirmed_at = facts.confirmed_s_ago.map(|ago| observed(after(-ago)));
    report.signature = facts.signature.map(|valid| {
        Box::new(observed(if valid {
            SignatureReport::Unsigned
        } else {
            SignatureReport::Invalid { reason: "hash differs".to_owned() }
        }))
    });
    let mut world = world.reporting(report);
    if let Some((since, deadline)) = facts.in_flight {
        world = world.in_flight(name, since, deadline);
    }
    world.with(|w| {
        let seen = w.snapshot.nodes.get_mut(&node_id(name)).expect("just added");
        seen.failure = facts.failure.map(|silent| {
            failure(if silent { FailureKind::TimedOut } else { FailureKind::Malformed }, "no")
        });
        if !facts.reported {
            seen.report = None;
        }
        if let Some(label) = facts.own_version {
            w.desired.nodes.insert(node_id(name), desired(VERSIONS[label], None));
        }
    })
}

proptest! {
    #[test]
    fn every_node_has_one_state_and_counts_lose_nobody(world in world()) {
        let assessment = &world.assessment;
        prop_assert_eq!(assessment.nodes.len(), world.snapshot.nodes.len());
        prop_assert_eq!(assessment.counts.values().sum::<usize>(), world.snapshot.nodes.len());
        prop_assert_eq!(assessment.counts.len(), DriftState::ALL.len());
        let grouped: usize = assessment.groups.iter().map(|group| group.nodes.len()).sum();
        prop_assert_eq!(grouped, world.snapshot.nodes.len());
        for verdict in assessment.nodes.values() {
            prop_assert!(!verdict.why.is_empty());
        }
    }

    #[test]
    fn neither_silence_nor_a_change_in_flight_hides_an_outlaw(world in world(), silent: bool) {
        let before = world.assessment.nodes.clone();
        let after = world.with(|w| {
            for (id, seen) in &mut w.snapshot.nodes {
                if silent {
                    seen.failure = Some(failure(FailureKind::TimedOut, "no answer"));
                }
                let change = plumb_fleet::InFlight { since: after(-1), deadline: after(30) };
                w.desired.in_flight.insert(id.clone(), change);
            }
        });
        for (id, verdict) in before {
            if matches!(verdict.state, DriftState::Tampered | DriftState::Poisoned) {
                prop_assert_eq!(after.assessment.nodes[&id].state, verdict.state);
            }
        }
    }

    #[test]
    fn the_order_of_the_catalogue_decides_nothing(world in world()) {
        let before = world.assessment.clone();
        let after = world.with(|w| w.desired.catalogue.entries.reverse());
        prop_assert_eq!(after.assessment, before);
    }

    #[test]
    fn in_sync_means_the_content_of_a_signed_bundle_where_one_is_known(world in world()) {
        for (id, verdict) in &world.assessment.nodes {
            if verdict.state != DriftState::InSync {
                continue;
            }
            let report = world.snapshot.nodes[id].report.as_deref().expect("it answered");
            let (version, content) = (
                &report.version.as_ref().expect("known").value,
                report.content.as_ref().expect("known").value,
            );
            let mut known = world.desired.catalogue.of_version(version).peekable();
            if known.peek().is_some() {
                prop_assert!(known.any(|entry| entry.content == content));
            } else {
                prop_assert_eq!(majority(&world.snapshot)[version], content);
            }
        }
    }

    #[test]
    fn versions_are_ordered_one_way(a in "[v0-9.a-c]{1,8}", b in "[v0-9.a-c]{1,8}") {
        let catalogue = plumb_fleet::Catalogue::default();
        let (a, b) = (version(&a), version(&b));
        prop_assert_eq!(order(&a, &b, catalogue.offer(None)), order(&b, &a, catalogue.offer(None)).reverse());
        prop_assert_eq!(order(&a, &b, catalogue.offer(None)).is_eq(), a == b);
    }
}
