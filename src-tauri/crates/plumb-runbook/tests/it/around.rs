//! What is found around a plan before anything happens.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use plumb_fleet::{Digest, FleetId, NodeApi};
use plumb_runbook::{
    Action, Checklist, Circumstances, FindingCode, FreezeWindow, HeldLock, ItemState, Offered,
    OnFailure, Plan, Promotion, Refusing, Rollout, Severity, Shape, WayBack, findings_around, plan,
    roll_out,
};
use plumb_testkit::{
    builders::{World, content, node_id, report},
    clock::after,
};
use plumb_trust::{
    readiness::ReadinessItem,
    roster::{GroupId, Requirement},
};

use crate::{SYNC, fleet, line};

fn rolled(world: &World, on_failure: OnFailure) -> Plan {
    let freeze =
        [(-60, 60, "quarter close"), (600, 1_200, "freeze of the bank"), (-90, -60, "over")];
    let rollout = Rollout {
        shape: Shape::OneByOne,
        on_failure,
        freeze: freeze
            .map(|(from, until, reason)| FreezeWindow {
                from: after(from),
                until: after(until),
                reason: reason.to_owned(),
            })
            .to_vec(),
        ..Rollout::default()
    };
    let direct = plan(&SYNC, None, world.input()).expect("a plan");
    roll_out(direct, &rollout, world.input()).expect("a rollout")
}

#[track_caller]
fn check(plan: &Plan, around: &Circumstances, world: &World) -> String {
    let found = findings_around(plan, &BTreeMap::new(), around, world.input(), world.now);
    found.iter().map(line).collect::<Vec<_>>().concat()
}

fn production(world: World) -> World {
    world.with(|w| {
        "production".clone_into(&mut w.fleet.environment);
    })
}

/// Evidence of routed alerts, as a link, and of nothing else.
fn alerts_only(required: &BTreeMap<ReadinessItem, Requirement>) -> Checklist {
    let link =
        Offered { digest: Digest::of(b"https://oncall.example/rota"), role: None, problem: None };
    Checklist::judge(&BTreeMap::from([(ReadinessItem::AlertsRouted, link)]), required)
}

fn busy() -> Circumstances {
    let staging_fleet = FleetId::new("payments-staging").expect("a name");
    Circumstances {
        lock: Some(HeldLock { owner: "vera@desk".to_owned(), until: after(42) }),
        promotion: Some(Promotion { staging_fleet, certified: BTreeSet::from([content("one")]) }),
        ways_back: BTreeMap::from([(
            node_id("agent-behind"),
            WayBack::Missing { reason: "its last-known-good fails its signature".to_owned() },
        )]),
        checklist: Some(alerts_only(&BTreeMap::new())),
        freeze: Vec::new(),
        enforcing: Some(BTreeSet::from([node_id("agent-behind")])),
        refusing: Some(Refusing {
            enforcing: BTreeSet::from([node_id("agent-behind")]),
            behind: BTreeSet::new(),
        }),
    }
}

#[test]
fn everything_that_hinders_a_rollout_is_found() {
    let world = production(fleet("around"));
    let plan = rolled(&world, OnFailure::RollBack);
    assert_snapshot!(check(&plan, &busy(), &world));
}

#[test]
fn less_hinders_a_rollout_on_staging_that_halts() {
    let world = fleet("staging");
    let plan = rolled(&world, OnFailure::Halt);
    let around = Circumstances { promotion: None, ..busy() };
    assert_snapshot!(check(&plan, &around, &world));
}

/// R044.
#[test]
fn what_staging_certified_may_go_to_production() {
    let world = production(fleet("promoted"));
    let plan = rolled(&world, OnFailure::Halt);
    let mut around = busy();
    let certified = &mut around.promotion.as_mut().expect("there").certified;
    certified.insert(content("two"));
    assert!(!check(&plan, &around, &world).contains("not_promoted"));
}

/// R044, R267: what no staging fleet proved does not go to production.
#[test]
fn staging_is_asked_for_whatever_the_fleet_file_calls_the_environment() {
    let world = fleet("renamed");
    let plan = rolled(&world, OnFailure::Halt);
    assert!(check(&plan, &busy(), &world).contains("Fatal not_promoted"));
}

#[test]
fn staging_does_not_stand_in_the_way_back() {
    let behind = World::new("back").signed("1.9.0", "one").signed("2.0.0", "two").desired("2.0.0");
    let world = behind.runs("agent", NodeApi::Agent, "1.9.0", "one");
    let forward = plan(&SYNC, None, world.input()).expect("a plan");
    let mut around = busy();
    around.promotion.as_mut().expect("there").certified.clear();
    assert!(check(&forward, &around, &world).contains("Fatal not_promoted"));
    let back = Plan { action: Action::Rollback { to: None }, ..forward.clone() };
    assert!(!check(&back, &around, &world).contains("not_promoted"));
    let named = Action::Rollback { to: Some(plumb_testkit::builders::version("2.0.0")) };
    let named = Plan { action: named, ..forward };
    assert!(check(&named, &around, &world).contains("Fatal not_promoted"));
}

#[test]
fn a_lock_that_has_run_out_is_nobodys() {
    let world = fleet("lapsed");
    let plan = rolled(&world, OnFailure::Halt);
    let mut around = busy();
    around.lock.as_mut().expect("there").until = world.now;
    assert!(!check(&plan, &around, &world).contains("lock_held"));
}

#[test]
fn production_does_not_hide_in_a_plan_of_another_environment() {
    let labelled = |value: &str| {
        let labels = BTreeMap::from([("environment".to_owned(), value.to_owned())]);
        fleet("mixed").with(|w| {
            let node = w.fleet.nodes.get_mut(&node_id("agent-behind")).expect("there");
            std::sync::Arc::make_mut(node).labels = labels.into();
        })
    };
    let found = |value: &str| {
        let world = labelled(value);
        let plan = rolled(&world, OnFailure::Halt);
        let around = Circumstances::default();
        let found = findings_around(&plan, &BTreeMap::new(), &around, world.input(), world.now);
        let mixed = found.into_iter().find(|f| f.code == FindingCode::MixedEnvironments);
        mixed.map(|finding| finding.severity)
    };
    assert_eq!(found("Staging"), None);
    assert_eq!(found("test"), Some(Severity::Warning));
    assert_eq!(found("Production"), Some(Severity::Fatal));
}

#[test]
fn content_refused_after_it_was_planned_is_found() {
    let world = World::new("poisoned")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "1.9.0", "one");
    let planned = plan(&SYNC, None, world.input()).expect("a plan");
    let world = world.with(|w| {
        w.desired.refused.insert(content("two"));
    });
    let around = Circumstances::default();
    assert_snapshot!(check(&planned, &around, &world), @"Fatal poisoned_digest: content 3fc4ccfe7458 is refused in this fleet; name another version, or have it signed clean first");
    let again = plan(&SYNC, None, world.input()).expect("a plan");
    assert!(check(&again, &around, &world).contains("Fatal poisoned_digest: agent left out"));
}

#[test]
fn a_direct_action_says_no_more_than_before() {
    let world = fleet("direct");
    let direct = plan(&Action::Restart, None, world.input()).expect("a plan");
    let around = Circumstances { enforcing: None, refusing: None, lock: None, ..busy() };
    let plain = check(&direct, &Circumstances::default(), &world);
    assert_eq!(check(&direct, &around, &world), plain);
}

#[test]
fn what_a_roster_requires_stops_every_change_but_a_way_back() {
    let world = World::new("required")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "1.9.0", "one");
    let security = GroupId::new("security").expect("a name");
    let by = |groups: &[&GroupId]| Requirement { by: groups.iter().copied().cloned().collect() };
    let required = BTreeMap::from([
        (ReadinessItem::AlertsRouted, by(&[&security])),
        (ReadinessItem::PacksServed, by(&[])),
    ]);
    let checklist = alerts_only(&required);
    assert_eq!(checklist.bound(), BTreeMap::new(), "a link is not what security attests");
    let around = Circumstances { checklist: Some(checklist), ..Circumstances::default() };
    let direct = plan(&SYNC, None, world.input()).expect("a plan");
    assert_snapshot!(check(&direct, &around, &world), @r"
    Fatal checklist_open: the evidence of alerts that reach whoever is on call does not count: somebody of security must attest it; add a link or an attestation to the checklist: plumb readiness
    Fatal checklist_open: the checklist has no evidence of a pack endpoint with its attestations, in service; add a link or an attestation to the checklist: plumb readiness
    ");
    let back = Plan { action: Action::Rollback { to: None }, ..direct.clone() };
    assert_eq!(check(&back, &around, &world), "");

    let signed = |role: &str, problem: Option<&str>| Offered {
        digest: Digest::of(role.as_bytes()),
        role: Some(GroupId::new(role).expect("a name")),
        problem: problem.map(str::to_owned),
    };
    let state = |offered: Offered| {
        let given = BTreeMap::from([(ReadinessItem::AlertsRouted, offered)]);
        Checklist::judge(&given, &required).items[&ReadinessItem::AlertsRouted].clone()
    };
    let digest = Digest::of(b"security");
    assert_eq!(state(signed("security", None)), ItemState::Shown { digest });
    assert!(matches!(state(signed("storage", None)), ItemState::Refused { required: true, .. }));
    let expired = state(signed("security", Some("it expired")));
    assert_eq!(expired, ItemState::Refused { why: "it expired".to_owned(), required: true });
}

#[test]
fn a_window_of_the_roster_stops_direct_actions_too() {
    let world = World::new("frozen")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "1.9.0", "one");
    let window = |from: i64, until: i64| FreezeWindow {
        from: after(from),
        until: after(until),
        reason: "quarter close".to_owned(),
    };
    let direct = plan(&SYNC, None, world.input()).expect("a plan");
    let severity = |plan: &Plan, from: i64, until: i64| {
        let around =
            Circumstances { freeze: vec![window(from, until)], ..Circumstances::default() };
        let found = findings_around(plan, &BTreeMap::new(), &around, world.input(), world.now);
        let found = found.into_iter().find(|found| found.code == FindingCode::FreezeWindow);
        found.map(|found| (found.severity, found.message))
    };
    let (inside, message) = severity(&direct, 0, 60).expect("found");
    assert_eq!(inside, Severity::Fatal);
    assert!(message.contains(&after(60).to_string()), "it says when it ends: {message}");
    assert_eq!(severity(&direct, -60, 0), None, "over at its last moment");
    assert_eq!(severity(&direct, 1, 60).expect("found").0, Severity::Note);
    let back = Plan { action: Action::Rollback { to: None }, ..direct };
    assert_eq!(severity(&back, -60, 60).expect("found").0, Severity::Note);
}

#[test]
fn an_agent_that_does_not_say_that_it_remembers_plans_is_named() {
    let mut old = report("agent-old", NodeApi::Agent, "1.0.0", "one");
    old.config.clear();
    let world = fleet("old").reporting(old);
    let plan = rolled(&world, OnFailure::Halt);
    let found = check(&plan, &Circumstances::default(), &world);
    let line = found.lines().find(|line| line.contains("forgets_plans")).expect("a note");
    assert!(line.contains("agent-old") && !line.contains("agent-behind"), "{line}");
}

#[test]
fn a_node_that_would_take_refused_content_is_named_where_content_is_brought() {
    let world = fleet("refusing");
    let refusing = Refusing {
        enforcing: BTreeSet::from([node_id("reload-behind")]),
        behind: BTreeSet::from([node_id("agent-behind")]),
    };
    let around = Circumstances { refusing: Some(refusing), ..Circumstances::default() };
    let named = |plan: &Plan| {
        let found = check(plan, &around, &world);
        let named = found.lines().filter(|line| line.contains("refused_not_enforced"));
        named.collect::<Vec<_>>().join("\n") + "\n"
    };
    assert_snapshot!(named(&plan(&SYNC, None, world.input()).expect("a plan")), @r"
    Note refused_not_enforced: nodes that cannot enforce the refused list, so that only this console keeps refused content from them: 1 (reload-tampered); start agents with --roster where they should refuse content themselves
    Note refused_not_enforced: nodes that hold another refused list than the newest, or none: 1 (agent-behind); send it to them: plumb refused push
    ");
    let restart = plan(&Action::Restart, None, world.input()).expect("a plan");
    assert_eq!(named(&restart), "", "a restart brings nothing");
    let nothing = Circumstances { refusing: None, ..around.clone() };
    let direct = plan(&SYNC, None, world.input()).expect("a plan");
    assert!(!check(&direct, &nothing, &world).contains("refused_not_enforced"));
}
