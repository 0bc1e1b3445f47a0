//! What a journal proves: no edit goes unseen, and every prefix amounts to something.

mod certificate;
mod people;
mod portable;

use std::collections::BTreeMap;

use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_journal::{
    Bypass, ChainVerdict, CheckResult, CheckVerdict, EffectOutcome, Entry, Event, HaltCause, Head,
    LockState, NodePhase, Outcome, RunState, fold, head, verify,
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
        Just(Event::DesiredStarted { version: version("2.0.0"), content: None }),
        Just(Event::DesiredSet { version: version("2.0.0"), content: None }),
        Just(Event::PinsStarted {
            pins: PinChange { fleet: Some(PinTo::Lifted), nodes: BTreeMap::new() }
        }),
        Just(Event::PinsUnchanged { reason: "the store is read-only".to_owned() }),
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
        any_rollout_event(),
    ]
}

/// Events of runs in waves, in any order at all.
fn any_rollout_event() -> impl Strategy<Value = Event> {
    let by = || "ops@example".to_owned();
    let node = prop::sample::select(vec!["a", "b", "c"]);
    let branch = prop::sample::select(vec![Branch::Forward, Branch::Back]);
    let cause = prop::sample::select(vec![
        HaltCause::Gate,
        HaltCause::Failures,
        HaltCause::SetChanged,
        HaltCause::LockLost,
    ]);
    let check =
        CheckResult { verdict: CheckVerdict::NotMet, detail: "11 of at most 10".to_owned() };
    prop_oneof![
        (0_u32..4, 0_u32..5).prop_map(move |(wave, kind)| match kind {
            0 => Event::WaveStarted { wave, name: "canary".to_owned(), nodes: 1 },
            1 => Event::GateReached { wave },
            2 => Event::GateEvaluated { wave, checks: vec![check.clone()] },
            3 => Event::GatePassed { wave },
            _ => Event::GateFailed { wave, reason: "errors".to_owned() },
        }),
        (0_u32..4).prop_map(move |wave| Event::Attested { wave, by: by(), note: by() }),
        (0_u32..4).prop_map(move |wave| {
            let what = Bypass::Gate { wave };
            Event::Bypassed { what, by: by(), reason: "urgent".to_owned() }
        }),
        cause.prop_map(|cause| Event::Halted { cause, reason: "it did not go well".to_owned() }),
        prop::sample::select(vec![
            Event::Paused { by: by() },
            Event::Resumed { by: by() },
            Event::RollbackStarted { reason: "errors".to_owned(), by: None },
            Event::LockTaken { owner: by() },
            Event::LockLost { reason: "the lease ended".to_owned() },
            Event::LockReleased,
            Event::RunResumed { by: by() },
            Event::Bypassed { what: Bypass::Freeze, by: by(), reason: "urgent".to_owned() },
        ]),
        (node, branch, 0_u32..3, any::<bool>()).prop_map(|(node, branch, index, happened)| {
            let (node, detail) = (node_id(node), "seen".to_owned());
            Event::EffectSettled { node, index, branch, happened, detail }
        }),
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
            let failed = state.nodes.values().filter(|n| n.forward.phase == NodePhase::Failed);
            prop_assert_eq!(usize::try_from(state.failed), Ok(failed.count()));
            // One event at a time comes to the same as all at once.
            let mut stepwise = RunState::default();
            for entry in prefix {
                stepwise.apply(&entry.body.event, entry.body.at);
            }
            prop_assert_eq!(stepwise, state.clone());
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

/// The text of an event as journals held it before there were branches.
#[test]
fn an_event_without_a_branch_reads_and_hashes_as_ever() {
    let written = r#"{"effect":{"effect":"reload","path":"/srv/policies/payments-2.0.0.signed.json"},"event":"effect_started","index":0,"key":"run/a/0","node":"a"}"#;
    let read: Event = serde_json::from_str(written).expect("it reads");
    assert_eq!(read, effect("a", 0));
    assert_eq!(serde_json_canonicalizer::to_string(&read).expect("it serialises"), written);
    let proven_before = r#"{"arrived":true,"content":null,"detail":"runs 2.0.0","event":"node_proven","node":"a","version":"2.0.0"}"#;
    let read: Event = serde_json::from_str(proven_before).expect("it reads");
    assert_eq!(serde_json_canonicalizer::to_string(&read).expect("it serialises"), proven_before);
}

#[test]
fn what_was_under_way_when_a_program_ended_is_in_doubt() {
    let taken = Event::LockTaken { owner: "ops@laptop".to_owned() };
    let resumed = Event::RunResumed { by: "ops@example".to_owned() };
    let state = fold(&chain(vec![started(), taken, effect("a", 0), resumed]));
    let node = &state.nodes[&node_id("a")];
    assert_eq!((node.phase, node.forward.phase), (NodePhase::InDoubt, NodePhase::InDoubt));
    assert_eq!(node.forward.heard_at, Some(after(3)), "its deadline counts anew");
    assert_eq!((state.lock, state.resumed), (LockState::Free, 1));
}

#[test]
fn going_on_after_a_halt_accepts_what_failed_and_looks_at_the_gate_anew() {
    let refused = EffectOutcome::Refused { message: "bad signature".to_owned() };
    let failing = Event::GateFailed { wave: 0, reason: "errors".to_owned() };
    let halted = Event::Halted { cause: HaltCause::Gate, reason: "errors".to_owned() };
    let resumed = Event::Resumed { by: "ops@example".to_owned() };
    let state = fold(&chain(vec![
        started(),
        Event::WaveStarted { wave: 0, name: "canary".to_owned(), nodes: 1 },
        effect("a", 0),
        finished("a", refused),
        Event::GateReached { wave: 0 },
        failing,
        halted,
        resumed,
    ]));
    assert_eq!((state.failed, state.forgiven), (1, 1));
    assert_eq!(state.halted, None);
    let wave = &state.waves[0];
    assert_eq!((wave.reached_at, &wave.failed, wave.passed), (Some(after(7)), &None, false));
}

#[test]
fn a_wave_beyond_every_plan_fills_no_memory() {
    let far = Event::GatePassed { wave: u32::MAX };
    let state = fold(&chain(vec![started(), far]));
    assert!(state.waves.len() <= plumb_runbook::rollout::WAVES_MAX + 1);
}
