//! A run that has ended, taken back by a plan of its own, as a person would afterwards.

use std::sync::Arc;

use plumb_fleet::RunId;
use plumb_journal::NodePhase;
use plumb_runbook::{Action, NodePlan};
use plumb_testkit::builders::{World, observed};

use crate::{console::Console, scenario::approved};

/// A console with the plan that takes a run back, where it touched anything that can be taken back.
pub(crate) fn of(console: &Console, run: RunId, world: &World) -> Option<Console> {
    let state = console.state();
    state.outcome?;
    let now = seen_now(console, world.clone());
    let touched = |target: &&NodePlan| {
        let phase = state.nodes.get(&target.node).map(|node| node.phase);
        !matches!(phase, None | Some(NodePhase::Waiting | NodePhase::Skipped))
    };
    let plan = console.plan();
    let action = Action::Undo {
        run: console.run,
        title: plan.action.title(),
        nodes: plan
            .targets()
            .filter(touched)
            .map(|target| (target.node.clone(), target.undo.clone()))
            .collect(),
        pins: plan.pins_before.clone().filter(|_| state.pins_may_differ()),
    };
    let undo = approved(&action, None, &now)?;
    let mut undoes = Console::new(&console.sim, "console-c", run, &undo);
    undoes.defect = console.defect;
    Some(undoes)
}

/// The fleet as a sweep sees it after everything settled.
fn seen_now(console: &Console, world: World) -> World {
    let outside = console.sim.lock();
    world.with(|world| {
        world.desired.refused.clone_from(&outside.refused);
        for (id, node) in &outside.nodes.by_id {
            let seen = world.snapshot.nodes.get_mut(id).expect("of the fleet");
            let Some(report) = seen.report_mut() else { continue };
            report.version = node.runs.as_ref().map(|runs| observed(runs.version.clone()));
            report.content = node.runs.as_ref().map(|runs| observed(runs.content));
            report.pinned = node.pinned.clone().map(|pin| Box::new(observed(pin)));
            report.config.clone_from(&node.settings);
        }
    })
}

/// Nodes that both runs say they changed and brought back are what they were before; says how many.
pub(crate) fn judge(undo: &Console, first: &Console, world: &World) -> usize {
    let state = undo.state();
    let outside = &mut *undo.sim.lock();
    let mut back = 0;
    for target in undo.plan().targets() {
        let node = &outside.nodes.by_id[&target.node];
        let ours = node.changed_by.iter().all(|run| [undo.run, first.run].contains(run));
        let arrived = state.nodes.get(&target.node).is_some_and(|n| n.phase == NodePhase::Arrived);
        if node.flipped || !ours || !arrived {
            continue;
        }
        back += 1;
        let report = world.snapshot.nodes[&target.node].report.as_ref().map(Arc::as_ref);
        let before = |report: &plumb_fleet::NodeReport| {
            let content = report.content.as_ref().map(|content| content.value);
            let pinned = report.pinned.as_ref().map(|pin| &pin.value);
            node.runs.as_ref().map(|runs| runs.content) == content
                && node.pinned.as_ref() == pinned
                && node.settings == report.config
        };
        if !report.is_some_and(before) {
            let (id, runs) = (&target.node, &node.runs);
            let (pinned, settings) = (&node.pinned, &node.settings);
            let what = format!(
                "{id} was not undone: it runs {runs:?} pinned to {pinned:?} with {settings:?}"
            );
            outside.checker.violation(what);
        }
    }
    back
}
