//! The large fleets that are measured: plausible in size, spread and names.

use std::sync::Arc;

use plumb_fleet::{Digest, NodeApi, NodeReport, PolicyRef};
use plumb_testkit::builders::{World, observed, report, signed};

/// Nodes of the fleet that figures are promised for.
pub const NODES: usize = 10_000;
/// Policies that every node reports.
pub const POLICIES: usize = 500;
/// Signed bundles of a console that has seen a year of weekly releases.
const BUNDLES: usize = 52;

/// Ten thousand nodes, of which a tenth drifted in every way, each with its policies by digest.
pub fn drifted(seed: &str) -> World {
    let reports: Vec<NodeReport> = (0..NODES).map(node).collect();
    World::new(seed).desired(&label(BUNDLES - 1)).with(|world| {
        world.desired.catalogue.entries =
            (0..BUNDLES).map(|number| signed(&label(number), &label(number))).collect();
        // Nodes are added at once: judging the fleet after each would take longer than the benchmark.
        for report in reports {
            let one = World::new("one").reporting(report);
            world.fleet.nodes.extend(one.fleet.nodes);
            world.snapshot.nodes.extend(one.snapshot.nodes);
        }
        for (id, node) in &mut world.fleet.nodes {
            let region = id.as_str().split('-').next().unwrap_or_default();
            let labels = [("region", region), ("role", "gateway"), ("owner", "payments platform")];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
            Arc::make_mut(node).labels = Arc::new(labels.into());
        }
    })
}

fn label(number: usize) -> String {
    format!("2026.{}.{}", number / 4 + 1, number % 4)
}

fn node(number: usize) -> NodeReport {
    let api = [NodeApi::Agent, NodeApi::Reload, NodeApi::Opa][number % 3];
    let newest = BUNDLES - 1;
    let (runs, word) = match number % 100 {
        0..5 => (newest - 1 - number % 7, label(newest - 1 - number % 7)),
        5 => (newest, "changed in memory".to_owned()),
        6 => (newest, format!("changed on node {number}")),
        _ => (newest, label(newest)),
    };
    let name = format!("{}-gw-{number:05}", ["eu", "us", "ap"][number % 3]);
    let mut report = report(&name, api, &label(runs), &word);
    report.policies = Some(observed(policies(&word, number)));
    report
}

fn policies(word: &str, number: usize) -> Vec<PolicyRef> {
    let of_policy = |index: usize| {
        // One policy in a hundred differs between contents, as it does between releases.
        let text = if index.is_multiple_of(100) { word } else { "the same in every release" };
        PolicyRef {
            id: format!("payments.transfer.rule-{index:03}"),
            digest: Digest::of(format!("{index} {text}").as_bytes()),
        }
    };
    let mut policies: Vec<PolicyRef> = (0..POLICIES).map(of_policy).collect();
    if number.is_multiple_of(1_000) {
        policies.pop();
    }
    policies
}
