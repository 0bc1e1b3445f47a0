//! Alerts that sweeps and silence raise, as an operator reads them.

use std::collections::{BTreeMap, BTreeSet};

use plumb_alert::{
    Alert, DetectionRule, Disagreement, Draft, ExpectedSource, LeftFreeze, RoutingPolicy, Severity,
    Sweep, detect, lifted, over, quiet_sources,
};
use plumb_fleet::{NodeApi, NodeReport, ReloadEntry, SignatureReport, snapshot::LOAD_FAILING};
use plumb_testkit::{
    builders::{World, content, node_id, observed, reloaded, report},
    clock::after,
};

use crate::world::{at, taken};

fn sweep<'a>(world: &'a World, earlier: Option<&'a World>) -> Sweep<'a> {
    Sweep {
        env: &world.fleet.environment,
        snapshot: &world.snapshot,
        earlier: earlier.map(|earlier| &earlier.snapshot),
        assessment: &world.assessment,
        desired: &world.desired,
        disagreements: &[],
        freezes: Some(&[]),
        teller: "mira@laptop",
        now: world.now,
    }
}

#[test]
fn a_freeze_that_nobody_lifts_is_an_alert_until_somebody_does() {
    let world = World::new("prod-eu");
    let left = [LeftFreeze {
        run: "0192b3".to_owned(),
        step: "freeze".to_owned(),
        reason: "supersedes backfill".to_owned(),
        since: at(0),
        until: at(14_400),
        why: "its run ended at 03:00 (aborted) and did not lift it".to_owned(),
    }];
    let frozen = Sweep { freezes: Some(&left), ..sweep(&world, None) };
    let found = detect(&frozen);
    let [draft] = found.as_slice() else { panic!("one alert: {found:?}") };
    draft.check(None).expect("our own alerts are acceptable");
    assert_eq!((draft.kind.as_str(), draft.severity), ("FreezeLeftBehind", Severity::P1));
    assert!(draft.message.contains("plumb runbook unfreeze 0192b3"), "{}", draft.message);
    // Another run that leaves one is another thing that is wrong.
    let other = [LeftFreeze { run: "0192b4".to_owned(), ..left[0].clone() }];
    let twin = &detect(&Sweep { freezes: Some(&other), ..sweep(&world, None) })[0];
    assert_ne!(twin.fingerprint(), draft.fingerprint());
    let known = taken(draft, None, 1, 0).value.alert().clone();
    assert!(lifted(&frozen, std::slice::from_ref(&known), &found).is_empty());
    // That nobody could look for freezes lifts none.
    let unknown = Sweep { freezes: None, ..sweep(&world, None) };
    assert!(detect(&unknown).is_empty());
    assert!(lifted(&unknown, std::slice::from_ref(&known), &[]).is_empty());
    let over = lifted(&sweep(&world, None), &[known], &[]);
    assert!(matches!(over.as_slice(), [over] if over.resolved), "{over:?}");
}

fn drafts(world: &World, earlier: Option<&World>) -> Vec<Draft> {
    let found = detect(&sweep(world, earlier));
    for draft in &found {
        draft.check(None).expect("our own alerts are acceptable");
        assert_eq!(draft.env, "staging");
    }
    found
}

/// Rules with the nodes they name.
fn check(world: &World, earlier: Option<&World>) -> Vec<String> {
    let told = drafts(world, earlier);
    told.iter()
        .map(|draft| format!("{} {}: {}", draft.severity, draft.kind, draft.message))
        .collect()
}

fn fleet() -> World {
    World::new("detection")
        .signed("2026.11.2", "old")
        .signed("2026.11.3", "new")
        .desired("2026.11.3")
}

fn failed(seconds_ago: i64) -> ReloadEntry {
    ReloadEntry { success: false, ..reloaded("2026.11.3", seconds_ago) }
}

#[test]
fn a_fleet_in_order_raises_nothing() {
    let world =
        fleet().runs("gw-1", NodeApi::Agent, "2026.11.3", "new").dead("gw-2", NodeApi::Agent);
    assert_eq!(check(&world, Some(&world)), Vec::<String>::new());
}

/// R008, R042.
#[test]
fn nodes_on_another_version_are_one_alert_for_each_version() {
    let world = fleet()
        .runs("gw-1", NodeApi::Agent, "2026.11.2", "old")
        .runs("gw-2", NodeApi::Agent, "2026.11.2", "old")
        .runs("gw-3", NodeApi::Agent, "2026.11.3", "new");
    let told = check(&world, None);
    assert_eq!(
        told,
        [
            "P2 PolicyVersionMismatch: desired 2026.11.3; running 2026.11.2; 2 nodes of fleet payments-eu: gw-1, gw-2"
        ]
    );
    let behind = |count: usize| {
        (0..count).fold(fleet(), |world, number| {
            world.runs(&format!("gw-{number:03}"), NodeApi::Agent, "2026.11.2", "old")
        })
    };
    let (few, many) = (drafts(&behind(1), None), drafts(&behind(70), None));
    assert_eq!(few[0].fingerprint(), many[0].fingerprint(), "however many, it is one alert");
    assert!(many[0].message.ends_with("gw-049 and 20 more"), "{}", many[0].message);
    assert_eq!(many[0].details["count"], 70);
}

/// An OPA has no history: it says that what it follows could not be loaded, as long as that is so.
#[test]
fn a_bundle_that_could_not_be_loaded_is_told_while_it_stands() {
    let mut world = fleet().runs("gw-1", NodeApi::Opa, "2026.11.3", "new");
    let fine = check(&world, None);
    assert_eq!(fine, Vec::<String>::new());
    let report = world.snapshot.nodes.values_mut().next().and_then(|seen| seen.report.as_mut());
    let report = std::sync::Arc::make_mut(report.expect("a report"));
    report.config.insert(LOAD_FAILING.to_owned(), "bundle_error".to_owned());
    assert_eq!(check(&world, None), ["P3 ReloadFailed: 1 node of fleet payments-eu: gw-1"]);
}

/// R042, also where nobody said what is desired.
#[test]
fn nodes_of_one_fleet_on_different_versions_are_told_without_a_desired_one() {
    let world = |versions: &[&str]| {
        versions.iter().enumerate().fold(World::new("mixed"), |world, (number, version)| {
            world.runs(&format!("gw-{number}"), NodeApi::Agent, version, version)
        })
    };
    let none = Vec::<String>::new();
    assert_eq!(check(&world(&["1.0", "1.0"]), Some(&world(&["1.0", "1.0"]))), none);
    let mixed = world(&["1.1", "1.0", "1.1", "0.9"]);
    assert_eq!(
        check(&mixed, Some(&mixed)),
        [
            "P2 PolicyVersionMismatch: most run 1.1; running 0.9; 1 node of fleet payments-eu: gw-3",
            "P2 PolicyVersionMismatch: most run 1.1; running 1.0; 1 node of fleet payments-eu: gw-1",
        ]
    );
    let two = world(&["1.1", "1.0"]);
    let told = drafts(&two, Some(&two));
    assert_eq!(told.len(), 1, "of two, one is the other");
    // While something rolls out they differ for a while, and nobody is called for that.
    assert_eq!(check(&mixed, None), none);
    assert_eq!(check(&world(&["1.1", "1.1", "1.1", "1.0"]), Some(&world(&["1.0"; 4]))), none);
    assert!(told[0].title.contains("none is desired"), "{}", told[0].title);
    // Another bundle has versions of its own.
    let mut other = world(&["1.0", "7.0"]);
    let report =
        other.snapshot.nodes.values_mut().next_back().and_then(|seen| seen.report.as_mut());
    let report = std::sync::Arc::make_mut(report.expect("a report"));
    report.bundle_id = Some(observed("another".to_owned()));
    assert_eq!(check(&other, Some(&other)), none);
}

/// C1: two ages, never one.
#[test]
fn a_stale_digest_and_an_old_load_are_two_things() {
    let old = NodeReport {
        confirmed_at: Some(observed(after(-16 * 60))),
        loaded_at: Some(observed(after(-25 * 3_600))),
        ..report("gw-1", NodeApi::Agent, "2026.11.3", "new")
    };
    let kinds: Vec<String> =
        drafts(&fleet().reporting(old), None).into_iter().map(|draft| draft.kind).collect();
    assert_eq!(kinds, ["StaleDigest", "LoadAge"]);
}

/// C2: any failure is information, three in a row or more than three in ten minutes call people.
#[test]
fn failed_reloads_are_three_rules() {
    let told = |history: Vec<ReloadEntry>| {
        let report = NodeReport { history, ..report("gw-1", NodeApi::Agent, "2026.11.3", "new") };
        let told = drafts(&fleet().reporting(report), None);
        told.iter().map(|draft| format!("{} {}", draft.severity, draft.kind)).collect::<Vec<_>>()
    };
    let fine = reloaded("2026.11.3", 10);
    assert_eq!(told(vec![failed(301)]), Vec::<String>::new());
    assert_eq!(told(vec![failed(300)]), ["P3 ReloadFailed"]);
    assert_eq!(told(vec![failed(700), failed(800), failed(900)]), ["P0 ReloadFailsInARow"]);
    let in_turns = |last| vec![fine.clone(), failed(310), failed(320), failed(330), failed(last)];
    assert_eq!(told(in_turns(600)), ["P0 ReloadFailsOften"]);
    assert_eq!(told(in_turns(601)), Vec::<String>::new());
}

#[test]
fn signatures_poison_and_silent_drift_are_told_apart() {
    let invalid = NodeReport {
        signature: Some(Box::new(observed(SignatureReport::Invalid { reason: "bad".into() }))),
        ..report("gw-1", NodeApi::Agent, "2026.11.3", "new")
    };
    let kinds = |world: &World, earlier: Option<&World>| {
        drafts(world, earlier).into_iter().map(|draft| draft.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&fleet().reporting(invalid), None), ["SignatureInvalid"]);
    let poisoned = fleet()
        .runs("gw-1", NodeApi::Agent, "2026.11.2", "old")
        .with(|world| world.desired.refused = BTreeSet::from([content("old")]));
    assert_eq!(kinds(&poisoned, None), ["PoisonedDigestSeen"]);
    // Nothing is known of this version, so only the look before tells.
    let before = World::new("silent").runs("gw-1", NodeApi::Agent, "9.9", "was");
    let now = World::new("silent").runs("gw-1", NodeApi::Agent, "9.9", "is");
    assert_eq!(kinds(&now, Some(&before)), ["SilentDrift"]);
    assert_eq!(kinds(&now, Some(&now)), Vec::<String>::new());
    let asked_for = now.in_flight("gw-1", -10, 60);
    assert_eq!(kinds(&asked_for, Some(&before)), Vec::<String>::new());
    let other = World::new("silent").runs("gw-1", NodeApi::Agent, "9.10", "is");
    assert_eq!(kinds(&other, Some(&before)), Vec::<String>::new());
}

#[test]
fn what_is_over_is_told_as_over() {
    let behind = drafts(&fleet().runs("gw-1", NodeApi::Agent, "2026.11.2", "old"), None);
    let fine = drafts(&fleet().runs("gw-1", NodeApi::Agent, "2026.11.3", "new"), None);
    let told = over(&behind, &fine);
    assert_eq!(told.len(), 1);
    assert!(told[0].resolved && told[0].fingerprint() == behind[0].fingerprint());
    assert!(over(&behind, &behind).is_empty());
}

#[test]
fn an_alert_is_lifted_by_a_sweep_that_does_not_raise_it_but_not_by_silence() {
    let behind = drafts(&fleet().runs("gw-1", NodeApi::Agent, "2026.11.2", "old"), None);
    let alert = taken(&behind[0], None, 1, 0).value.alert().clone();
    let told = |now: &[Draft], unheard: &str| {
        let world = fleet().dead(unheard, NodeApi::Agent);
        lifted(&sweep(&world, None), std::slice::from_ref(&alert), now)
    };
    let over = told(&[], "gw-2");
    assert!(over.len() == 1 && over[0].resolved, "{over:?}");
    assert_eq!(over[0].fingerprint(), alert.fingerprint);
    assert!(told(&behind, "gw-2").is_empty());
    assert!(told(&[], "gw-1").is_empty(), "a node that is silent is not mended");
    let mut many = alert.clone();
    many.details.insert("count".to_owned(), 70.into());
    let silent = fleet().dead("gw-99", NodeApi::Agent);
    assert!(lifted(&sweep(&silent, None), &[many], &[]).is_empty());
    let mut done = alert.clone();
    done.resolved_at = Some(at(1));
    let mut of_others = alert.clone();
    of_others.source = "monitor@node1".to_owned();
    assert!(lifted(&sweep(&fleet(), None), &[done, of_others], &[]).is_empty());
}

/// Where two see that it is over, each takes back what it said, and the second one closes it.
#[test]
fn what_two_said_is_over_once_neither_says_it_any_more() {
    let behind = drafts(&fleet().runs("gw-1", NodeApi::Agent, "2026.11.2", "old"), None);
    let by = |teller: &str| Draft { told_by: Some(teller.to_owned()), ..behind[0].clone() };
    let first = taken(&by("mira@laptop"), None, 1, 0).value.alert().clone();
    let both = taken(&by("jo@laptop"), Some(&first), 2, 60).value.alert().clone();
    let fine = fleet().runs("gw-1", NodeApi::Agent, "2026.11.3", "new");
    let of = |teller: &'static str, alert: &Alert| {
        let sweep = Sweep { teller, now: at(90), ..sweep(&fine, None) };
        lifted(&sweep, std::slice::from_ref(alert), &[])
    };
    assert!(of("eve@laptop", &both).is_empty(), "who said nothing takes nothing back");
    let taken_back = of("mira@laptop", &both);
    let left = taken(&taken_back[0], Some(&both), 3, 90).value.alert().clone();
    assert_eq!(left.resolved_at, None);
    let seen = |alert: &Alert| (alert.occurrences, alert.last_seen_at);
    assert_eq!(seen(&left), seen(&both), "it was not seen once more");
    assert!(of("mira@laptop", &left).is_empty(), "it was taken back already");
    let taken_back = of("jo@laptop", &left);
    let over = taken(&taken_back[0], Some(&left), 4, 120).value.alert().clone();
    assert_eq!(over.resolved_at, Some(at(120)));
}

/// What lasts longer than a window has several alerts; it is over once.
#[test]
fn what_lasted_for_several_windows_is_told_as_over_once() {
    let behind = drafts(&fleet().runs("gw-1", NodeApi::Agent, "2026.11.2", "old"), None);
    let first = taken(&behind[0], None, 1, 0).value.alert().clone();
    let second = taken(&behind[0], Some(&first), 2, 3_600).value.alert().clone();
    assert_ne!(first.alert_ref, second.alert_ref, "the window is over");
    let fine = fleet().runs("gw-1", NodeApi::Agent, "2026.11.3", "new");
    for turned in [false, true] {
        let mut known = vec![first.clone(), second.clone()];
        if turned {
            known.reverse();
        }
        let over = lifted(&sweep(&fine, None), &known, &[]);
        assert_eq!(over.len(), 1, "{over:?}");
        let closed = taken(&over[0], Some(&second), 3, 3_660).value.alert().clone();
        assert!(closed.alert_ref == second.alert_ref && closed.resolved_at.is_some());
        let known = known.into_iter().filter(|alert| alert.alert_ref == first.alert_ref);
        let known: Vec<_> = known.chain([closed]).collect();
        assert!(lifted(&sweep(&fine, None), &known, &[]).is_empty(), "it was told already");
    }
}

#[test]
fn silent_drift_is_not_over_before_the_content_or_the_version_moves() {
    let runs = |version: &str, content: &str| {
        World::new("silent").runs("gw-1", NodeApi::Agent, version, content)
    };
    let (before, now) = (runs("9.9", "was"), runs("9.9", "is"));
    let drift = drafts(&now, Some(&before));
    let alert = taken(&drift[0], None, 1, 0).value.alert().clone();
    let over =
        |world: &World| lifted(&sweep(world, Some(&now)), std::slice::from_ref(&alert), &[]).len();
    assert_eq!(over(&now), 0, "the same foreign content runs");
    assert_eq!(over(&runs("9.9", "was")), 1);
    assert_eq!(over(&runs("9.10", "is")), 1);
    // It became the content that is wanted.
    let wanted = World::new("silent").signed("9.9", "is").desired("9.9");
    assert_eq!(over(&wanted.runs("gw-1", NodeApi::Agent, "9.9", "is")), 1);
}

/// What a node said before it went away is no news.
#[test]
fn an_unreachable_node_raises_nothing_of_its_past() {
    let world = fleet().runs("gw-1", NodeApi::Agent, "2026.11.2", "old").with(|world| {
        let seen = world.snapshot.nodes.get_mut(&node_id("gw-1")).expect("it is there");
        seen.failure =
            Some(plumb_testkit::builders::failure(plumb_fleet::FailureKind::TimedOut, "no answer"));
    });
    assert_eq!(check(&world, None), Vec::<String>::new());
}

/// R133.
#[test]
fn a_quiet_source_is_an_alert_until_it_talks() {
    let policy = "sources: [{source: monitor@node1, within_minutes: 60}]";
    let policy = RoutingPolicy::from_yaml(policy).expect("a policy");
    let told = |seen: &[(&str, i64)]| {
        let seen = seen.iter().map(|(source, s)| ((*source).to_owned(), at(*s))).collect();
        quiet_sources(&policy.sources, &seen, at(3_600)).remove(0)
    };
    let never = told(&[("monitor@node2", 3_600)]);
    assert!(!never.resolved && never.message.contains("nothing of it came within"));
    assert!(never.message.contains("tools.alerts.ingest"), "{}", never.message);
    assert_eq!(never.fingerprint(), told(&[("monitor@node1", -1)]).fingerprint());
    assert!(!told(&[("monitor@node1", -1)]).resolved && told(&[("monitor@node1", 0)]).resolved);
    let none: &[ExpectedSource] = &[];
    assert!(quiet_sources(none, &BTreeMap::new(), at(0)).is_empty());
    for bad in
        ["sources: [{source: '', within_minutes: 5}]", "sources: [{source: a, within_minutes: 0}]"]
    {
        assert!(RoutingPolicy::from_yaml(bad).is_err(), "{bad}");
    }
}

#[test]
fn nodes_with_one_content_that_answer_differently_are_told_until_they_agree() {
    let world = fleet().runs("gw-1", NodeApi::Agent, "2026.11.3", "new").runs(
        "gw-2",
        NodeApi::Agent,
        "2026.11.3",
        "new",
    );
    let found = [Disagreement {
        content: content("new"),
        nodes: vec![node_id("gw-2")],
        asked: 2,
        requests: 3,
        example: "db.read".to_owned(),
    }];
    let disagreeing = Sweep { disagreements: &found, ..sweep(&world, None) };
    let told = detect(&disagreeing);
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].check(None).expect("our own alerts are acceptable");
    assert_eq!(
        (told[0].kind.as_str(), told[0].severity.to_string().as_str()),
        ("DecisionsDisagree", "P1")
    );
    assert!(told[0].message.contains("1 node of fleet payments-eu: gw-2; 2 nodes"), "{told:?}");
    let agreeing = detect(&sweep(&world, None));
    assert!(over(&told, &agreeing)[0].resolved, "it is over once they agree");
}

#[test]
fn every_rule_has_a_kind_of_its_own() {
    let kinds: BTreeSet<&str> = DetectionRule::ALL.iter().map(|rule| rule.kind()).collect();
    assert_eq!(kinds.len(), DetectionRule::ALL.len());
}
