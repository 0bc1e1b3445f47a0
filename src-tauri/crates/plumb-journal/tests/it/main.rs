//! What a journal proves: no edit goes unseen, and every prefix amounts to something.

mod certificate;
mod portable;

use std::collections::BTreeMap;

use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_journal::{
    ChainVerdict, EffectOutcome, Entry, Event, Head, NodePhase, Outcome, fold, head, verify,
};
use plumb_runbook::{Branch, Effect, PinChange, PinTo};
use plumb_testkit::{
    builders::{content, node_id, version},
    clock::after,
    ids::SeededIds,
};
use proptest::prelude::*;

pub(crate) fn run() -> RunId {
    SeededIds::new("journal").run()
}

pub(crate) fn started() -> Event {
    Event::RunStarted {
        plan: PlanHash(content("plan").0),
        fleet: FleetId::new("payments-eu").expect("a name"),
        operator: "ops@example".to_owned(),
        targets: 2,
    }
}

pub(crate) fn effect(node: &str, index: u32) -> Event {
    Event::EffectStarted {
        node: node_id(node),
        index,
        effect: Effect::Reload { path: "/srv/policies/payments-2.0.0.signed.json".to_owned() },
        key: format!("run/{node}/{index}"),
        branch: Branch::Forward,
    }
}

fn finished(node: &str, outcome: EffectOutcome) -> Event {
    Event::EffectFinished { node: node_id(node), index: 0, outcome, branch: Branch::Forward }
}

fn accepted() -> EffectOutcome {
    EffectOutcome::Accepted { detail: "reloaded in 2 ms".to_owned() }
}

pub(crate) fn proven(node: &str, arrived: bool) -> Event {
    Event::NodeProven {
        node: node_id(node),
        version: Some(version("2.0.0")),
        content: None,
        arrived,
        detail: "runs 2.0.0".to_owned(),
        branch: Branch::Forward,
    }
}

pub(crate) fn ended(outcome: Outcome) -> Event {
    Event::RunEnded { outcome }
}

pub(crate) fn chain(events: Vec<Event>) -> Vec<Entry> {
    let mut head = Head::empty(run());
    (0_i64..).zip(events).map(|(second, event)| head.append(after(second), event)).collect()
}

fn any_event() -> impl Strategy<Value = Event> {
    let node = prop::sample::select(vec!["a", "b", "c"]);
    let outcome = prop_oneof![
        Just(accepted()),
        Just(EffectOutcome::Refused { message: "bad signature".to_owned() }),
        Just(EffectOutcome::Missing { message: "no such file".to_owned() }),
        Just(EffectOutcome::InDoubt { message: "no answer".to_owned() }),
    ];
    prop_oneof![
        Just(started()),
        Just(Event::DesiredSet { version: version("2.0.0"), content: None }),
        Just(Event::PinsChanged {
            pins: PinChange { fleet: Some(PinTo::Lifted), nodes: BTreeMap::new() }
        }),
        (node.clone(), 0_u32..3).prop_map(|(node, index)| effect(node, index)),
        (node.clone(), outcome).prop_map(|(node, outcome)| finished(node, outcome)),
        node.clone().prop_map(|node| Event::EffectSkipped {
            node: node_id(node),
            index: 0,
            reason: "aborted".to_owned(),
            branch: Branch::Forward,
        }),
        (node, any::<bool>()).prop_map(|(node, arrived)| proven(node, arrived)),
        "\\PC{0,8}".prop_map(|by| Event::AbortRequested { by }),
    ]
}

pub(crate) fn any_chain() -> impl Strategy<Value = Vec<Entry>> {
    (prop::collection::vec(any_event(), 1..10), any::<bool>()).prop_map(|(mut events, ends)| {
        if ends {
            events.push(ended(Outcome::Incomplete));
        }
        chain(events)
    })
}

fn is_broken(entries: &[Entry]) -> bool {
    matches!(verify(run(), entries), ChainVerdict::Broken { .. })
}

proptest! {
    #[test]
    fn no_flipped_bit_of_the_stored_text_goes_unseen(
        entries in any_chain(),
        place: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let mut text = serde_json::to_vec(&entries).expect("entries serialise");
        let at = place.index(text.len());
        text[at] ^= 1_u8 << bit;
        // An edit that means nothing, such as a hash in capitals, is none.
        if let Ok(read) = serde_json::from_slice::<Vec<Entry>>(&text) {
            prop_assert!(read == entries || is_broken(&read));
        }
    }

    #[test]
    fn no_removed_swapped_or_repeated_entry_goes_unseen(
        entries in any_chain(),
        first: prop::sample::Index,
        second: prop::sample::Index,
    ) {
        let (first, second) = (first.index(entries.len()), second.index(entries.len()));
        let mut removed = entries.clone();
        removed.remove(first);
        // What is cut off at the end leaves a shorter chain, which is what a prefix is.
        prop_assert_eq!(is_broken(&removed), first + 1 < entries.len());
        let mut swapped = entries.clone();
        swapped.swap(first, second);
        prop_assert_eq!(is_broken(&swapped), first != second);
        let mut repeated = entries.clone();
        repeated.insert(first, entries[second].clone());
        prop_assert!(is_broken(&repeated));
    }

    #[test]
    fn an_entry_of_another_run_does_not_fit(entries in any_chain()) {
        let other = SeededIds::new("other").run();
        let verdict = verify(other, &entries);
        prop_assert_eq!(
            verdict,
            ChainVerdict::Broken { at: 0, why: "belongs to another run".to_owned() }
        );
    }

    #[test]
    fn every_prefix_verifies_and_amounts_to_something(entries in any_chain()) {
        for length in 0..=entries.len() {
            let prefix = &entries[..length];
            prop_assert!(!is_broken(prefix));
            let state = fold(prefix);
            prop_assert!(state.nodes.len() <= 3);
            prop_assert_eq!(state.outcome.is_some(), state.ended_at.is_some());
            let mut resumed = head(run(), prefix);
            let mut longer = prefix.to_vec();
            if state.outcome.is_none() {
                longer.push(resumed.append(after(99), ended(Outcome::Aborted)));
                let events = u64::try_from(longer.len()).expect("short");
                prop_assert_eq!(verify(run(), &longer), ChainVerdict::Complete { events });
            }
        }
    }
}

#[test]
fn nothing_follows_the_end_of_a_run() {
    let entries = chain(vec![started(), ended(Outcome::Succeeded), proven("a", false)]);
    assert_eq!(
        verify(run(), &entries),
        ChainVerdict::Broken { at: 2, why: "follows the end of the run".to_owned() }
    );
    assert_eq!(verify(run(), &entries[..2]), ChainVerdict::Complete { events: 2 });
    assert_eq!(verify(run(), &[]), ChainVerdict::Prefix { events: 0 });
}

#[test]
fn an_unknown_field_is_refused() {
    let text = serde_json::to_string(&chain(vec![started()])).expect("entries serialise");
    for (place, with) in [("\"body\":{", "\"note\":1,"), ("\"event\":{", "\"note\":1,")] {
        let text = text.replacen(place, &format!("{place}{with}"), 1);
        assert!(serde_json::from_str::<Vec<Entry>>(&text).is_err(), "{text}");
    }
}

#[test]
fn a_node_was_acted_on_when_its_first_effect_started() {
    let events = [
        started(),
        effect("a", 0),
        finished("a", accepted()),
        effect("a", 1),
        proven("a", true),
        proven("b", false),
    ];
    let state = fold(&chain(events.to_vec()));
    assert_eq!(state.nodes[&node_id("a")].acted_at, Some(after(1)));
    assert_eq!(state.nodes[&node_id("b")].acted_at, None);
}

#[track_caller]
fn check_phase(events: Vec<Event>, expected: NodePhase, detail: &str) {
    let state = fold(&chain(events));
    let node = &state.nodes[&node_id("a")];
    assert_eq!((node.phase, node.detail.as_str()), (expected, detail));
}

#[test]
fn a_node_is_where_its_last_event_left_it() {
    let refused = EffectOutcome::Refused { message: "bad signature".to_owned() };
    let doubt = EffectOutcome::InDoubt { message: "no answer".to_owned() };
    let skipped = |reason: &str| Event::EffectSkipped {
        node: node_id("a"),
        index: 1,
        reason: reason.to_owned(),
        branch: Branch::Forward,
    };
    let reloading = "reload /srv/policies/payments-2.0.0.signed.json";
    check_phase(vec![effect("a", 0)], NodePhase::Acting, reloading);
    let done = |outcome| vec![effect("a", 0), finished("a", outcome)];
    check_phase(done(accepted()), NodePhase::Accepted, "reloaded in 2 ms");
    check_phase(done(refused.clone()), NodePhase::Failed, "bad signature");
    check_phase(done(doubt), NodePhase::InDoubt, "no answer");
    check_phase(vec![skipped("aborted")], NodePhase::Skipped, "aborted");
    check_phase(
        vec![finished("a", refused), skipped("aborted")],
        NodePhase::Failed,
        "bad signature",
    );
    check_phase(
        vec![finished("a", accepted()), proven("a", true)],
        NodePhase::Arrived,
        "runs 2.0.0",
    );
    check_phase(vec![proven("a", false)], NodePhase::Failed, "runs 2.0.0");
}
