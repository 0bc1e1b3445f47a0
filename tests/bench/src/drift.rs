//! Drift and groups of 10,000 nodes with 500 policies each.

use anyhow::{Result, ensure};
use plumb_fleet::{
    Assessment, Filter, FilterSubject, Node, NodeId, PolicyRef, Verdict, assess,
    group::{ContentDelta, delta},
};
use plumb_runbook::{Action, Gate, GateCheck, OnFailure, Plan, Rollout, Shape, plan, roll_out};
use plumb_testkit::builders::World;

use crate::{
    fleets::{NODES, POLICIES, drifted},
    report::{Report, best_of_five},
};

/// Milliseconds.
const ASSESS_MS: f64 = 100.0;
/// Promised for a plan of 10,000 nodes, in milliseconds.
const PLAN_MS: f64 = 100.0;
/// A filter is evaluated while somebody types.
const FILTER_MS: f64 = 5.0;

/// Measures the fleet that the figures are promised for.
pub fn run(report: &mut Report) -> Result<()> {
    let world = drifted("bench");
    let (assessment, deltas) = judged(&world);
    ensure!(assessment.counts.values().sum::<usize>() == NODES, "every node has a state");
    ensure!(deltas.iter().any(|delta| !delta.changed.is_empty()), "some groups differ");
    let drifted = assessment.nodes.values().filter(|verdict| verdict.state.is_drifted()).count();
    let name = format!("drift, {NODES} nodes x {POLICIES} policies");
    report.shown(&format!("{name}: nodes drifted"), drifted as f64, "nodes");
    report.shown(&format!("{name}: groups"), assessment.groups.len() as f64, "groups");
    report.timed(
        &format!("{name}: assess, groups, deltas"),
        best_of_five(|| judged(&world)),
        "ms",
        ASSESS_MS,
    );
    let sync = best_of_five(|| planned(&world).canonical_bytes());
    report.timed(&format!("plan of sync over {NODES} nodes, hashed"), sync, "ms", PLAN_MS);
    let waves = best_of_five(|| rolled(&world).canonical_bytes());
    report.timed(&format!("plan of a rollout over {NODES} nodes, hashed"), waves, "ms", PLAN_MS);
    let force = best_of_five(|| forced(&world).canonical_bytes());
    report.timed(&format!("plan of {NODES} forced reloads, hashed"), force, "ms", PLAN_MS);
    let subjects = subjects(&world);
    ensure!(filtered(&subjects) > 0, "the filter line finds nodes");
    let filter = best_of_five(|| filtered(&subjects));
    report.timed(&format!("filter line over {NODES} nodes"), filter, "ms", FILTER_MS);
    Ok(())
}

/// The assessment, and how every group's policies differ from those of the largest.
pub fn judged(world: &World) -> (Assessment, Vec<ContentDelta>) {
    let assessment = assess(&world.snapshot, &world.desired, world.now);
    let mut lists = assessment.groups.iter().filter_map(|group| {
        let seen = world.snapshot.nodes.get(group.nodes.first()?)?;
        Some(seen.report.as_deref()?.policies.as_ref()?.value.as_slice())
    });
    let baseline: &[PolicyRef] = lists.next().unwrap_or_default();
    let deltas = lists.map(|policies| delta(baseline, policies)).collect();
    (assessment, deltas)
}

/// The plan that brings every drifted node back.
pub fn planned(world: &World) -> Plan {
    let sync = Action::Sync { force: false };
    plan(&sync, None, world.input()).expect("a whole fleet can be planned")
}

fn forced(world: &World) -> Plan {
    let sync = Action::Sync { force: true };
    plan(&sync, None, world.input()).expect("a whole fleet can be planned")
}

/// The same nodes forced in waves, with a gate after each and a way back for each node.
fn rolled(world: &World) -> Plan {
    let gate = Gate {
        checks: vec![GateCheck::Convergence { percent_min: 100 }],
        soak_s: 60,
        patience_s: 60,
        every_s: 10,
    };
    let rollout = Rollout {
        shape: Shape::Shares { canary: None, percent: vec![1, 10, 50] },
        gate: Some(gate),
        on_failure: OnFailure::RollBack,
        ..Rollout::default()
    };
    roll_out(forced(world), &rollout, world.input()).expect("a whole fleet can be rolled out")
}

/// What the Fleet screen filters: made once for a sweep, looked at for every key that is typed.
fn subjects(world: &World) -> Vec<FilterSubject<'_>> {
    let subject = |(node, verdict): (&NodeId, &Verdict)| {
        let node: &Node = &world.fleet.nodes[node];
        let report = world.snapshot.nodes[&node.id].report.as_deref();
        FilterSubject {
            id: &node.id,
            api: node.api,
            labels: &node.labels,
            state: verdict.state,
            version: report.and_then(|r| r.version.as_ref()).map(|version| &version.value),
            content: report.and_then(|r| r.content.as_ref()).map(|content| content.value),
            last_reload_failed: false,
            verified: plumb_fleet::Verified::NotTold,
        }
    };
    world.assessment.nodes.iter().map(subject).collect()
}

fn filtered(subjects: &[FilterSubject<'_>]) -> usize {
    let filter = Filter::parse("gw !state:in_sync version:2026 region:eu").expect("a filter line");
    subjects.iter().filter(|subject| filter.matches(subject)).count()
}
