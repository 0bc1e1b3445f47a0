//! Plans on paper.

use std::sync::Arc;

use insta::assert_snapshot;
use plumb_fleet::NodeApi;
use plumb_runbook::{Action, Plan};
use plumb_testkit::builders::{World, content, named, node_id, observed, report, version};

use crate::{SYNC, check, fleet, pin, planned, rollback};

#[test]
fn sync_brings_drifted_nodes_to_the_desired_version() {
    assert_snapshot!(check(&SYNC, &[], &fleet("sync")));
}

#[test]
fn sync_with_force_also_reloads_what_is_current() {
    let world = fleet("force");
    assert_snapshot!(check(
        &Action::Sync { force: true },
        &["agent-current", "reload-current"],
        &world
    ));
}

#[test]
fn pin_alone_touches_only_nodes_that_remember_pins() {
    assert_snapshot!(check(&pin("1.9.0", false), &[], &fleet("pin")));
}

#[test]
fn pin_and_sync_goes_to_the_named_version() {
    let world = fleet("pin_sync");
    assert_snapshot!(check(&pin("1.9.0", true), &["agent-current", "reload-current"], &world));
}

/// R293: a node without a rollback of its own loads the file that ran before.
#[test]
fn rollback_goes_to_last_known_good_or_what_the_history_names() {
    assert_snapshot!(check(&rollback(None), &[], &fleet("rollback")));
}

#[test]
fn rollback_to_a_named_version() {
    let world = fleet("rollback_to");
    assert_snapshot!(check(&rollback(Some("1.9.0")), &["agent-current", "reload-current"], &world));
}

#[test]
fn restart_is_for_agents_and_cannot_be_undone() {
    let world = fleet("restart");
    assert_snapshot!(check(&Action::Restart, &["agent-current", "reload-current"], &world));
}

#[test]
fn resolve_conflict_pins_and_syncs_who_differs() {
    let action = Action::ResolveConflict { to: version("1.9.0"), content: None };
    assert_snapshot!(check(&action, &[], &fleet("resolve")));
}

#[test]
fn why_there_is_no_plan() {
    let world = fleet("refusals").signed("2.0.0", "other");
    let bound = |word: &str| Action::Pin {
        version: version("2.0.0"),
        content: Some(content(word)),
        sync: true,
    };
    let read_only = fleet("refusals").with(|w| w.fleet.read_only = true);
    let lines = [
        check(&SYNC, &[], &read_only),
        check(&SYNC, &["nobody"], &world),
        check(&pin("3.0.0", true), &[], &world),
        check(&pin("2.0.0", true), &[], &world),
        check(&bound("nothing"), &[], &world),
        check(&SYNC, &[], &World::new("empty")),
    ];
    assert_snapshot!(lines.join("\n"));
    assert!(planned(&bound("other"), &[], &world).is_ok());
}

#[test]
fn an_ambiguous_desired_version_is_said_to_be_ambiguous() {
    let world = fleet("ambiguous").signed("2.0.0", "other");
    assert_snapshot!(check(&SYNC, &["agent-behind"], &world));
}

#[test]
fn a_rollback_to_an_ambiguous_version_picks_none() {
    let world = fleet("ambiguous").signed("1.9.0", "other");
    assert_snapshot!(check(&rollback(Some("1.9.0")), &["reload-current"], &world));
}

#[test]
fn an_undo_is_only_promised_where_the_version_names_what_ran() {
    let world = fleet("undo").signed("1.9.0", "other").with(|w| {
        w.desired.fleet = Some(plumb_testkit::builders::desired("2.0.0", Some(content("two"))));
    });
    assert_snapshot!(check(&SYNC, &["reload-behind"], &world));
}

#[test]
fn a_setting_is_changed_only_where_it_differs_and_can_be() {
    let lock = Action::SetConfig { key: "deployment.locking".to_owned(), value: "true".to_owned() };
    let locked = |name: &str, value: &str| {
        let mut report = report(name, NodeApi::Agent, "2.0.0", "two");
        report.config.insert("deployment.locking".to_owned(), value.to_owned());
        report
    };
    let world = fleet("setting")
        .reporting(locked("agent-locked", "true"))
        .reporting(locked("agent-open", "false"));
    assert_snapshot!(check(&lock, &[], &world));
}

#[test]
fn pins_are_lifted_here_and_on_nodes_that_hold_one() {
    let pinned = |name: &str| {
        let mut report = report(name, NodeApi::Agent, "2.0.0", "two");
        report.pinned = Some(Box::new(observed(named("2.0.0", "two"))));
        report
    };
    // Told a version without a content: there is no telling that again.
    let mut named_only = report("agent-by-name", NodeApi::Agent, "2.0.0", "two");
    named_only.config.insert("pinned.version".to_owned(), "2.0.0".to_owned());
    let world = fleet("unpin").reporting(pinned("agent-pinned")).reporting(named_only).with(|w| {
        let by = Some("ops@example".to_owned());
        let wanted = plumb_testkit::builders::desired("2.0.0", Some(content("two")));
        w.desired.fleet = Some(plumb_fleet::DesiredVersion { pinned_by: by, ..wanted });
    });
    assert_snapshot!(check(&Action::Unpin, &[], &world));
}

#[test]
fn an_undo_brings_agents_back_by_content_and_then_to_their_former_pin() {
    let mut agent = report("agent-behind", NodeApi::Agent, "1.9.0", "one");
    agent.pinned = Some(Box::new(observed(named("2.0.0", "two"))));
    let world = fleet("back").reporting(agent);
    let first = planned(&SYNC, &[], &world).expect("a plan");
    let nodes = first.targets().map(|target| (target.node.clone(), target.undo.clone()));
    let undo = Action::Undo {
        run: plumb_testkit::ids::SeededIds::new("back").run(),
        title: first.action.title(),
        nodes: nodes.collect(),
        pins: None,
    };
    let touched: Vec<&str> = first.targets().map(|target| target.node.as_str()).collect();
    let after = world.carried_out(&first);
    assert_snapshot!(check(&undo, &touched, &after));
}

#[test]
fn refused_content_does_not_come_back() {
    let world = fleet("refused").with(|w| {
        w.desired.refused.insert(content("one"));
    });
    assert_snapshot!(check(&pin("1.9.0", true), &["reload-current"], &world));
    assert_snapshot!(check(&rollback(None), &["reload-current"], &world));
}

#[test]
fn an_agent_that_runs_what_is_wanted_but_is_pinned_elsewhere_is_pinned() {
    let mut report = report("agent", NodeApi::Agent, "2.0.0", "two");
    report.pinned = Some(Box::new(observed(named("1.9.0", "one"))));
    assert_snapshot!(check(&SYNC, &["agent"], &fleet("pinned").reporting(report)));
}

#[test]
fn content_whose_signature_fails_is_loaded_anew() {
    let mut report = report("agent", NodeApi::Agent, "2.0.0", "two");
    let refused = plumb_fleet::SignatureReport::Invalid { reason: "hash differs".to_owned() };
    report.signature = Some(Box::new(observed(refused)));
    assert_snapshot!(check(&SYNC, &["agent"], &fleet("signature").reporting(report)));
}

#[test]
fn the_blast_radius_counts_nodes_by_what_they_run() {
    let plan = planned(&SYNC, &[], &fleet("blast")).expect("a plan");
    let lines: Vec<String> = plumb_runbook::blast_lines(&plan)
        .into_iter()
        .map(|(count, runs)| format!("{count} {runs}"))
        .collect();
    assert_eq!(lines[0], format!("2 1.9.0 {}", content("one").short()));
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_bundle_without_a_folder_is_looked_for_where_it_stands_here() {
    let world = fleet("path").with(|w| {
        let node = w.fleet.nodes.get_mut(&node_id("reload-behind")).expect("a node");
        Arc::make_mut(node).bundle_folder = None;
    });
    let shown = check(&SYNC, &["reload-behind"], &world);
    assert!(shown.contains("reload /home/ops/bundles/payments-2.0.0-two.signed.json"), "{shown}");
}

/// The fleet of other tests, in which the version 2.0.0 is one of two bundles and nodes run one each.
fn two_bundles(seed: &str) -> World {
    fleet(seed).signed("2.0.0", "ledger two").with(|w| {
        let ledger = w.desired.catalogue.entries.last_mut().expect("just added");
        "ledger".clone_into(&mut ledger.bundle_id);
        w.desired.bundles.insert(node_id("reload-behind"), "payments".to_owned());
        w.desired.bundles.insert(node_id("reload-current"), "ledger".to_owned());
    })
}

#[test]
fn each_node_is_given_its_own_bundle_of_a_version() {
    let world = two_bundles("bundles");
    let plan = planned(&SYNC, &["reload-behind", "reload-current"], &world).expect("a plan");
    let given: Vec<_> = plan.targets().map(|t| (t.node.as_str(), t.after.content)).collect();
    assert_eq!(
        given,
        [("reload-behind", Some(content("two"))), ("reload-current", Some(content("ledger two")))]
    );
    // A node of which the fleet file says nothing is still asked about.
    assert_snapshot!(check(&SYNC, &["agent-behind"], &world));
}

#[test]
fn a_pin_takes_the_bundle_that_all_its_nodes_run() {
    let world = two_bundles("pins");
    let plan = planned(&pin("2.0.0", true), &["reload-current"], &world).expect("a plan");
    assert_eq!(plan.desired.expect("a pin").content, Some(content("ledger two")));
    let mixed = planned(&pin("2.0.0", true), &["reload-behind", "reload-current"], &world);
    assert_eq!(
        mixed.expect_err("two bundles are meant").to_string(),
        "version 2.0.0 names 2 signed bundles; say which by its content digest"
    );
    let none = planned(&pin("1.9.0", true), &["reload-current"], &world);
    assert_eq!(
        none.expect_err("the ledger has none").to_string(),
        "no signed bundle of version 1.9.0 is known"
    );
}

#[test]
fn the_first_of_its_kind_has_the_bytes_it_always_had() {
    let first = planned(&Action::Restart, &["agent-current"], &fleet("again")).expect("a plan");
    let bytes = String::from_utf8(first.canonical_bytes()).expect("JSON");
    assert!(!bytes.contains("repeat"), "{bytes}");
    let second = Plan { repeat: 1, ..first.clone() };
    assert_ne!(first.hash(), second.hash());
    let read: Plan = serde_json::from_slice(&second.canonical_bytes()).expect("it reads back");
    assert_eq!(read, second);
}
