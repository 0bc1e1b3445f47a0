//! What a certificate says of targets that stand, and of those that do not.

use std::collections::BTreeSet;

use plumb_fleet::NodeApi;
use plumb_journal::{
    Bypass, Certificate, Event, Head, Outcome, RunState,
    certificate::{Seen, TooEarly, due},
    fold,
};
use plumb_runbook::{Action, NodePlan, Plan, plan};
use plumb_testkit::{
    builders::{World, content, node_id, version},
    clock::after,
};
use plumb_trust::dsse::{Algorithm, Envelope, NewKey};

use crate::{chain, ended, run, started};

/// The run ended two seconds after its start.
const ENDED_S: i64 = 2;

/// Two nodes that are brought to the second version.
fn sync() -> Plan {
    let world = World::new("certificate")
        .signed("2.0.0", "second")
        .desired("2.0.0")
        .runs("gw-1", NodeApi::Agent, "1.0.0", "first")
        .runs("gw-2", NodeApi::Agent, "1.0.0", "first");
    plan(&Action::Sync { force: false }, None, world.input()).expect("a plan")
}

fn state(outcome: Outcome) -> (RunState, Head) {
    let events = chain(vec![started(), crate::proven("gw-1", true), ended(outcome)]);
    (fold(&events), plumb_journal::head(run(), &events))
}

/// Looks after so many seconds; `straggler` runs the first version still.
fn certified(seconds: i64, straggler: Option<&str>) -> Result<Certificate, TooEarly> {
    let (state, head) = state(Outcome::Incomplete);
    let look = |target: &NodePlan| {
        let late = straggler == Some(target.node.as_str());
        Seen {
            content: Some(content(if late { "first" } else { "second" })),
            version: Some(version(if late { "1.0.0" } else { "2.0.0" })),
            straggles: late.then(|| "still runs 1.0.0".to_owned()),
        }
    };
    Certificate::new(&sync(), (&state, head), (after(seconds), after(seconds + 1)), look)
}

#[test]
fn what_a_run_passed_over_is_certified_with_it() {
    let bypassed = Event::Bypassed {
        what: Bypass::Approvals,
        by: "rick@desk".to_owned(),
        reason: "it denies everything".to_owned(),
    };
    let events = chain(vec![started(), bypassed, ended(Outcome::Succeeded)]);
    let (state, head) = (fold(&events), plumb_journal::head(run(), &events));
    let stands = |_: &NodePlan| Seen {
        content: Some(content("second")),
        version: Some(version("2.0.0")),
        straggles: None,
    };
    let times = (after(ENDED_S + 30), after(ENDED_S + 31));
    let certificate = Certificate::new(&sync(), (&state, head), times, stands).expect("made");
    let told: Vec<String> = certificate.bypasses.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["it began without approvals by rick@desk: it denies everything"]);
    let statement = certificate.clone().statement();
    assert_eq!(Certificate::of(statement), Some(certificate));
}

#[test]
fn targets_that_all_stand_as_planned_make_a_green_certificate() {
    let certificate = certified(ENDED_S + 30, None).expect("late enough");
    assert!(certificate.is_green());
    assert_eq!(certificate.contents(), BTreeSet::from([content("second")]));
    assert_eq!(certificate.plan, sync().hash());
    assert_eq!((certificate.ended_at, certificate.observed_at), (after(2), after(33)));
    let statement = certificate.clone().statement();
    let named: Vec<&str> = statement.subject.iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(named, ["plan", "journal", "content"]);
    assert_eq!(Certificate::of(statement), Some(certificate));
}

/// R212.
#[test]
fn after_a_rollback_targets_are_to_stand_as_before() {
    let (state, head) = state(Outcome::RolledBack);
    let certified = |runs: &'static str| {
        let look = |part: &NodePlan| {
            let late = part.after.content != Some(content(runs));
            let straggles = late.then(|| format!("still runs {runs}"));
            Seen { content: Some(content(runs)), version: None, straggles }
        };
        let times = (after(ENDED_S + 30), after(ENDED_S + 31));
        Certificate::new(&sync(), (&state, head), times, look).expect("late enough")
    };
    let back = certified("first");
    assert!(back.is_green());
    assert_eq!(back.contents(), BTreeSet::from([content("first")]));
    let not_back = certified("second");
    assert_eq!((not_back.is_green(), not_back.stragglers().count()), (false, 2));
    assert!(not_back.contents().is_empty(), "what was taken back is not proven");
    let statement = not_back.clone().statement();
    assert_eq!(Certificate::of(statement), Some(not_back));
}

#[test]
fn a_straggler_is_named_with_its_reason_and_proves_nothing() {
    let certificate = certified(ENDED_S + 30, Some("gw-2")).expect("late enough");
    assert!(!certificate.is_green());
    let stragglers: Vec<_> = certificate
        .stragglers()
        .map(|target| (target.node.as_str(), target.straggles.as_deref()))
        .collect();
    assert_eq!(stragglers, [("gw-2", Some("still runs 1.0.0"))]);
    assert_eq!(certificate.contents(), BTreeSet::from([content("second")]));
    let gone = certified(ENDED_S + 30, Some("gw-1")).expect("late enough");
    assert_eq!(gone.stragglers().next().map(|target| &target.node), Some(&node_id("gw-1")));
}

#[test]
fn nothing_is_certified_before_the_fleet_had_time_to_settle() {
    let early = certified(ENDED_S + 29, None);
    assert_eq!(early, Err(TooEarly::NotSettled { at: after(ENDED_S + 30) }));
    let running = fold(&chain(vec![started()]));
    assert_eq!(due(&running), None);
    let look = |_: &NodePlan| unreachable!("nobody is looked at");
    let span = (after(100), after(101));
    let none = Certificate::new(&sync(), (&running, Head::empty(run())), span, look);
    assert_eq!(none, Err(TooEarly::NotEnded));
}

#[test]
fn a_plan_without_targets_is_not_green() {
    let (state, head) = state(Outcome::Succeeded);
    let mut plan = sync();
    plan.waves.clear();
    let look = |_: &NodePlan| unreachable!("nobody is looked at");
    let span = (after(60), after(60));
    let certificate = Certificate::new(&plan, (&state, head), span, look).expect("late enough");
    assert!(!certificate.is_green());
    assert!(certificate.contents().is_empty());
}

#[test]
fn a_signed_certificate_reads_back_and_another_subject_does_not() {
    let key = NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing()).expect("a key");
    let certificate = certified(ENDED_S + 40, Some("gw-2")).expect("late enough");
    let mut statement = certificate.clone().statement();
    let bytes = Envelope::sign(&statement, &[&key]).expect("signs").to_bytes();
    let envelope = Envelope::read(&bytes).expect("an envelope");
    let read = envelope.verify([key.public()]).and_then(|v| v.statement()).expect("a statement");
    assert_eq!(Certificate::of(read), Some(certificate));
    statement.subject.pop();
    assert_eq!(Certificate::of(statement), None);
}
