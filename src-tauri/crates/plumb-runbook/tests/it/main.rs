//! What an operator reads before anything happens, and what a plan promises.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{NodeApi, NodeId, NodeReport};
use plumb_runbook::{Action, Finding, Plan, findings, plan, rung};
use plumb_testkit::builders::{World, named, node_id, observed, reloaded, report, version};

mod action;
mod approve;
mod around;
mod document;
mod document_errors;
mod dry_run;
mod finding;
mod laws;
mod plan_shown;
mod rollout;
mod signed;

/// The plan of an action as it is shown, with its rung and what was found; or why there is none.
#[track_caller]
fn check(action: &Action, nodes: &[&str], world: &World) -> String {
    match planned(action, nodes, world) {
        Err(error) => error.to_string(),
        Ok(plan) => {
            let found = found(&plan, world);
            let found: Vec<String> = found.iter().map(line).collect();
            format!("{plan}rung   {:?}\n{}", rung(&plan), found.concat())
        }
    }
}

fn planned(
    action: &Action,
    nodes: &[&str],
    world: &World,
) -> Result<Plan, plumb_runbook::PlanError> {
    let selected: BTreeSet<NodeId> = nodes.iter().map(|name| node_id(name)).collect();
    let selected = (!selected.is_empty()).then_some(&selected);
    plan(action, selected, world.input())
}

fn found(plan: &Plan, world: &World) -> Vec<Finding> {
    findings(plan, &BTreeMap::new(), world.input(), world.now)
}

fn line(finding: &Finding) -> String {
    let node = finding.node.as_ref().map(|node| format!("{node} ")).unwrap_or_default();
    let (severity, code) = (finding.severity, finding.code.name());
    format!("{severity:?} {code}: {node}{}; {}\n", finding.message, finding.remedy)
}

const SYNC: Action = Action::Sync { force: false };

fn pin(label: &str, sync: bool) -> Action {
    Action::Pin { version: version(label), content: None, sync }
}

fn rollback(to: Option<&str>) -> Action {
    Action::Rollback { to: to.map(version) }
}

/// One node of each API and state that matters to a planner.
fn fleet(seed: &str) -> World {
    World::new(seed)
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .reporting(good(report("agent-behind", NodeApi::Agent, "1.9.0", "one")))
        .runs("agent-current", NodeApi::Agent, "2.0.0", "two")
        .reporting(earlier(report("reload-behind", NodeApi::Reload, "1.9.0", "one")))
        .reporting(earlier(report("reload-current", NodeApi::Reload, "2.0.0", "two")))
        .runs("reload-tampered", NodeApi::Reload, "2.0.0", "changed in memory")
        .runs("opa-behind", NodeApi::Opa, "1.9.0", "one")
        .dead("agent-dead", NodeApi::Agent)
}

fn good(mut report: NodeReport) -> NodeReport {
    report.last_known_good = Some(Box::new(observed(named("2.0.0", "two"))));
    report
}

fn earlier(mut report: NodeReport) -> NodeReport {
    report.history = vec![reloaded("2.0.0", 60), reloaded("1.9.0", 600)];
    report
}
