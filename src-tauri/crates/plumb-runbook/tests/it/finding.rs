//! What is found before anything happens.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use plumb_fleet::{BundleDigest, CatalogueEntry, NodeApi, ids::Digest};
use plumb_runbook::{Probe, bundle_of, findings};
use plumb_testkit::{
    builders::{World, node_id, report},
    clock::after,
};

use crate::{SYNC, fleet, line, planned};

#[track_caller]
fn check(probe: Option<Probe>, nodes: &[&str], world: &World) -> String {
    let plan = planned(&SYNC, nodes, world).expect("a plan");
    let probes: BTreeMap<_, _> =
        probe.into_iter().map(|probe| (node_id("reload-behind"), probe)).collect();
    findings(&plan, &probes, world.input(), world.now).iter().map(line).collect()
}

fn asked(probe: Probe) -> String {
    check(Some(probe), &["reload-behind"], &fleet("probes"))
}

#[test]
fn a_missing_file_says_what_to_copy_where() {
    assert_snapshot!(asked(Probe::Missing));
}

#[test]
fn a_missing_file_is_named_by_its_content_where_names_repeat() {
    let world = fleet("names").with(|w| {
        for entry in &mut w.desired.catalogue.entries {
            entry.file = "policies.signed.json".to_owned();
        }
    });
    assert_snapshot!(check(Some(Probe::Missing), &["reload-behind"], &world));
}

#[test]
fn other_answers_of_a_node_that_was_asked() {
    assert_eq!(asked(Probe::Verified), "");
    let refused = Probe::Refused { message: "signature mismatch".to_owned() };
    let silent = Probe::NoAnswer { message: "no answer within 5 s".to_owned() };
    assert_snapshot!(asked(refused));
    assert_snapshot!(asked(silent));
    assert_snapshot!(check(None, &["reload-behind"], &fleet("probes")));
}

#[test]
fn what_is_odd_about_nodes_and_the_plan() {
    let mut open = report("open", NodeApi::Reload, "1.9.0", "one");
    open.unauthenticated_reload = true;
    let world = fleet("odd").reporting(open).with(|w| {
        w.now = after(600);
        for entry in &mut w.desired.catalogue.entries {
            entry.bytes = 3 << 20;
        }
    });
    assert_snapshot!(check(None, &["open", "agent-dead", "opa-behind"], &world));
}

#[test]
fn a_plan_that_does_nothing_says_so() {
    assert_snapshot!(check(None, &["reload-current"], &fleet("nothing")));
}

#[test]
fn a_bundle_that_has_ended_or_is_about_to_is_found() {
    let ending = |after_s: i64| {
        let world = fleet("ends").with(|w| {
            let end = w.now + jiff::SignedDuration::from_secs(after_s);
            for entry in &mut w.desired.catalogue.entries {
                entry.expires_at = Some(end);
            }
        });
        check(Some(Probe::Verified), &["reload-behind"], &world)
    };
    assert_eq!(ending(24 * 60 * 60), "");
    assert_snapshot!(ending(24 * 60 * 60 - 1));
    assert_snapshot!(ending(0));
}

#[test]
fn a_node_is_bound_to_the_bundle_its_effects_name() {
    let world = fleet("twins");
    let plan = planned(&SYNC, &["reload-behind"], &world).expect("a plan");
    let target = plan.targets().next().expect("one node");
    let meant = bundle_of(target, &world.desired).expect("it is in the catalogue").clone();
    // The same policies in another envelope, met first.
    let twins = world.with(|w| {
        let digest = BundleDigest(Digest::of(b"signed anew"));
        let twin = CatalogueEntry { digest, file: "anew.signed.json".to_owned(), ..meant.clone() };
        w.desired.catalogue.entries.insert(0, twin);
    });
    assert_eq!(bundle_of(target, &twins.desired), Some(&meant));
}
