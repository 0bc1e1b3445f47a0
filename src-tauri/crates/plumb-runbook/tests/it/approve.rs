//! The ladder of confirmation, and what the gate refuses.

use plumb_fleet::{DesiredVersion, NodeApi};
use plumb_runbook::{
    Action, ApprovalError, Confirmation, Finding, FindingCode, Plan, Rung, Severity, approve,
    is_production, rung,
};
use plumb_testkit::builders::{World, content, desired, node_id};

use crate::{SYNC, fleet, found, pin, planned, rollback};

fn production(seed: &str) -> World {
    fleet(seed).with(|w| "production".clone_into(&mut w.fleet.environment))
}

fn typed(phrase: &str) -> Rung {
    Rung::Typed { phrase: phrase.to_owned() }
}

#[track_caller]
fn check(action: &Action, nodes: &[&str], world: &World, expected: &Rung) {
    assert_eq!(rung(&planned(action, nodes, world).expect("a plan")), *expected);
}

#[test]
fn the_rung_follows_risk() {
    check(&SYNC, &["reload-behind"], &fleet("rung"), &Rung::Undo);
    check(&SYNC, &["reload-behind", "agent-behind"], &fleet("rung"), &Rung::Dialog);
    check(&SYNC, &["reload-tampered"], &fleet("rung"), &typed("payments-eu 1"));
    check(&Action::Restart, &["agent-current"], &fleet("rung"), &typed("payments-eu 1"));
    check(&SYNC, &["reload-behind"], &production("rung"), &typed("payments-eu 1"));
    check(&SYNC, &["reload-behind", "agent-behind"], &production("r"), &typed("payments-eu 2"));
}

#[test]
fn a_pin_counts_the_nodes_it_is_set_for_not_only_those_it_touches() {
    let two = ["reload-behind", "reload-current"];
    check(&pin("1.9.0", false), &two, &fleet("pins"), &Rung::Dialog);
    check(&pin("1.9.0", false), &two, &production("pins"), &typed("payments-eu 2"));
    check(&pin("1.9.0", false), &["reload-current"], &fleet("pins"), &Rung::Dialog);
    check(&pin("1.9.0", false), &[], &production("pins"), &typed("payments-eu 7"));
}

#[test]
fn only_what_has_a_way_back_and_keeps_the_desired_version_starts_at_once() {
    let world = fleet("undo");
    check(&pin("1.9.0", true), &["agent-current"], &world, &Rung::Dialog);
    check(&pin("1.9.0", false), &["agent-current"], &world, &Rung::Dialog);
    // The desired version stays, and the undo brings the node's own pin back.
    let pinned = fleet("pin").with(|w| {
        let wanted = desired("1.9.0", Some(content("one")));
        w.desired.nodes.insert(node_id("agent-current"), wanted);
    });
    let plan = planned(&pin("1.9.0", false), &["agent-current"], &pinned).expect("a plan");
    assert_eq!((plan.desired.as_ref(), plan.targets().count()), (None, 1));
    assert_eq!(rung(&plan), Rung::Undo);
}

#[test]
fn lifted_pins_of_one_node_start_at_once_and_those_of_a_fleet_do_not() {
    let world = fleet("unpin").with(|w| {
        let wanted = DesiredVersion {
            pinned_by: Some("ops@example".to_owned()),
            ..desired("1.9.0", Some(content("one")))
        };
        w.desired.nodes.insert(node_id("reload-behind"), wanted.clone());
        w.desired.fleet = Some(wanted);
    });
    check(&Action::Unpin, &["reload-behind"], &world, &Rung::Undo);
    check(&Action::Unpin, &[], &world, &Rung::Dialog);
    let set = Action::SetConfig { key: "deployment.locking".to_owned(), value: "true".to_owned() };
    // The former value is not told here, so nothing leads back to it.
    check(&set, &["agent-current"], &world, &typed("payments-eu 1"));
}

#[test]
fn production_is_known_however_it_is_written() {
    for environment in ["production", "prod", "Production", " PROD ", "PRODUCTION\n"] {
        assert!(is_production(environment), "{environment:?}");
        let world = fleet("written").with(|w| environment.clone_into(&mut w.fleet.environment));
        check(&SYNC, &["reload-behind"], &world, &typed("payments-eu 1"));
    }
    for environment in ["", "staging", "pre-production", "prod-like", "product"] {
        assert!(!is_production(environment), "{environment:?}");
    }
}

fn confirmed(plan: &Plan, typed: Option<&str>) -> Confirmation {
    Confirmation {
        seen: plan.hash(),
        typed: typed.map(str::to_owned),
        operator: "ops@example".to_owned(),
    }
}

#[test]
fn exactly_the_plan_that_was_shown_is_approved() {
    let world = fleet("approve");
    let plan = planned(&SYNC, &["reload-behind"], &world).expect("a plan");
    let approved = approve(plan.clone(), &found(&plan, &world), &confirmed(&plan, None));
    let approved = approved.expect("nothing is wrong with it");
    assert_eq!((approved.plan(), approved.operator()), (&plan, "ops@example"));
    let other = planned(&SYNC, &["agent-behind"], &world).expect("a plan");
    assert_eq!(approve(other, &[], &confirmed(&plan, None)), Err(ApprovalError::Changed));
}

#[test]
fn a_plan_that_does_nothing_is_not_approved() {
    let plan = planned(&SYNC, &["reload-current"], &fleet("empty")).expect("a plan");
    assert!(plan.is_empty());
    assert_eq!(approve(plan.clone(), &[], &confirmed(&plan, None)), Err(ApprovalError::Empty));
}

#[test]
fn a_fatal_finding_is_not_overruled_by_a_phrase() {
    let world = production("fatal").runs("agent-new", NodeApi::Agent, "2.0.0", "two");
    let nodes = ["reload-current", "agent-new"];
    let plan = planned(&rollback(None), &nodes, &world).expect("a plan");
    let Rung::Typed { phrase } = rung(&plan) else { panic!("production is typed") };
    let findings = found(&plan, &world);
    let error = approve(plan.clone(), &findings, &confirmed(&plan, Some(&phrase)));
    assert_eq!(
        error.expect_err("a node has no earlier version").to_string(),
        "a finding forbids it: agent-new left out: its history names no earlier version; name one"
    );
    let fatal = findings.iter().find(|finding| finding.severity == Severity::Fatal).cloned();
    let two: Vec<Finding> = [fatal.clone(), fatal].into_iter().flatten().collect();
    let error = approve(plan.clone(), &two, &confirmed(&plan, Some(&phrase)));
    let said = error.expect_err("there are two now").to_string();
    assert!(said.starts_with("2 findings forbid it, the first: agent-new left out"), "{said}");
    let warning = Finding {
        severity: Severity::Warning,
        code: FindingCode::NoAnswer,
        node: None,
        message: "odd".to_owned(),
        remedy: "look".to_owned(),
    };
    assert!(approve(plan.clone(), &[warning], &confirmed(&plan, Some(&phrase))).is_ok());
}

#[test]
fn the_phrase_is_typed_exactly() {
    let plan = planned(&SYNC, &["reload-behind"], &production("phrase")).expect("a plan");
    for wrong in [None, Some(""), Some("payments-eu 2"), Some("Payments-EU 1"), Some("y")] {
        let error = approve(plan.clone(), &[], &confirmed(&plan, wrong));
        let phrase = "payments-eu 1".to_owned();
        assert_eq!(error, Err(ApprovalError::Phrase { phrase }), "{wrong:?}");
    }
    assert!(approve(plan.clone(), &[], &confirmed(&plan, Some("payments-eu 1"))).is_ok());
}
