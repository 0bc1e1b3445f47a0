//! Journals made up to fill memory or to spend time: what they come to is followed so far and no further.

use plumb_evidence::{
    Capture, CheckName, Outcome, RunPart, Verification,
    limits::{STATE_BYTES_MAX, STATE_WORK_MAX},
    manifest::{run_folder, states_of},
};
use plumb_fleet::{Version, fleet::NODES_MAX};
use plumb_journal::{
    Event, HaltCause, Head, StateHashes,
    certificate::JournalRef,
    portable::{Header, write_entry, write_header},
};
use plumb_redact::{Form, RuleSpec, Rules};
use plumb_runbook::{Branch, Effect};
use plumb_testkit::{builders::node_id, clock::after};

use crate::support::{Folder, TOKENS, about, console, run, said, sealed_of, sync, trust, verified};

fn proven(node: usize, detail: String) -> Event {
    Event::NodeProven {
        node: node_id(&format!("gw-{node}")),
        version: Version::new("2.0.0").ok(),
        content: None,
        arrived: true,
        detail,
        branch: Branch::Forward,
    }
}

/// A journal of these events, with the states that they come to.
fn check(events: impl IntoIterator<Item = Event>) -> Verification {
    let folder = Folder::new();
    let (draft, spec) = (folder.join("draft"), RuleSpec::default());
    let rules = Rules::compile(&spec).expect("good rules");
    let mut capture = Capture::begin(&draft, about(), spec, rules, TOKENS).expect("begins");
    let started = Event::RunStarted {
        plan: sync().hash(),
        fleet: sync().fleet,
        operator: "ops@example".to_owned(),
        targets: 2,
    };
    let (mut head, mut hashes) = (Head::empty(run()), StateHashes::default());
    let mut text = write_header(&Header::new(run(), sync().hash(), sync().fleet));
    let mut marks = String::new();
    for event in [started].into_iter().chain(events) {
        let entry = head.append(after(0), event);
        text.push_str(&write_entry(&entry.body.canonical(), entry.hash));
        let mark = serde_json::to_string(&hashes.take(&entry)).expect("marks always serialise");
        marks.push_str(&mark);
        marks.push('\n');
    }
    let journal = format!("{}/journal.jsonl", run_folder(run()));
    capture.composed(&journal, text.as_bytes()).expect("taken");
    capture.composed(&states_of(run()), marks.as_bytes()).expect("taken");
    capture.take("log", Form::Text, "console/log.txt", b"fine").expect("taken");
    let journal = Some(JournalRef { events: head.seq, head: head.hash });
    let part = RunPart { journal, outcome: None, plan: sync().hash(), run: run() };
    capture.run(part).expect("noted");
    let sealed = sealed_of(capture.finish().expect("ends"), &folder, console());
    verified(&std::fs::read(sealed.path).expect("it is there"), &trust())
}

#[track_caller]
fn refused(verification: &Verification, expected: &str) {
    let found = verification.finding(CheckName::States);
    assert_eq!(found.outcome, Outcome::Failed, "{}", said(verification));
    let journal = format!("{}/journal.jsonl", run_folder(run()));
    assert_eq!(found.entry.as_ref(), Some(&journal));
    assert_eq!(found.detail, format!("{journal}: {expected}"));
}

#[test]
fn a_run_over_more_nodes_than_a_fleet_has_is_not_followed() {
    let more = check((0..=NODES_MAX).map(|node| proven(node, String::new())));
    // The first event is the start of the run, and those after it were followed.
    let event = NODES_MAX + 2;
    refused(
        &more,
        &format!(
            "event {event} is about one more than the {NODES_MAX} nodes that a fleet may have"
        ),
    );
}

#[test]
fn a_run_of_which_more_is_known_than_fits_is_not_followed() {
    let piece = 15 << 20;
    let large = (0..5).map(|node| proven(node, "x".repeat(piece)));
    refused(
        &check(large),
        &format!(
            "event 6 leaves more to know of the run than the {STATE_BYTES_MAX} bytes that are held"
        ),
    );
}

#[test]
fn what_has_to_be_followed_again_with_every_event_is_not() {
    let reason = "x".repeat(400_000);
    let halted = Event::Halted { cause: HaltCause::Gate, reason };
    let more = (0..200).map(|_| Event::LockReleased);
    let verification = check([halted].into_iter().chain(more));
    let found = verification.finding(CheckName::States);
    let end = format!(
        "is not followed to: that takes more than {STATE_WORK_MAX} times the bytes of the whole journal"
    );
    assert!(found.outcome == Outcome::Failed && found.detail.ends_with(&end), "{}", found.detail);
}

#[test]
fn a_run_that_was_resumed_over_and_over_is_followed() {
    let acts = |node: usize| {
        let (node, branch) = (node_id(&format!("gw-{node}")), Branch::Forward);
        let key = "k".to_owned();
        Event::EffectStarted { node, index: 0, effect: Effect::Restart, key, branch }
    };
    let resumed = (0..3_000).map(|_| Event::RunResumed { by: "mira".to_owned() });
    let verification = check((0..1_000).map(acts).chain(resumed));
    assert!(verification.holds(), "{}", said(&verification));
    let found = verification.finding(CheckName::States);
    assert!(found.detail.contains("4001 states come out as recorded"), "{}", found.detail);
}
