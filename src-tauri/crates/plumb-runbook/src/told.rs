//! What an agent is told and keeps: lifting its pin, changing a setting.

use plumb_fleet::Node;

use crate::{
    effect::Effect,
    plan::{ARRIVAL_DEADLINE_S, LeftOutReason, NodePlan, PlanInput, Running, Skip},
    undo::{Undo, pinned, pinned_label, undo_of_pin},
};

/// Lifts what a node itself was told to run.
pub(crate) fn unpin(node: &Node, before: Running, input: PlanInput<'_>) -> Result<NodePlan, Skip> {
    let report = input.report(&node.id);
    if pinned_label(report).is_none() {
        return Err((LeftOutReason::AsWanted, "has no pin of its own".to_owned()));
    }
    Ok(NodePlan {
        node: node.id.clone(),
        after: before.clone(),
        undo: undo_of_pin(node, &before, report, input.desired),
        before,
        effects: vec![Effect::Unpin { from: pinned(report).cloned() }],
        back: Vec::new(),
        deadline_s: ARRIVAL_DEADLINE_S,
    })
}

/// Changes a setting, unless it has the value already.
pub(crate) fn set_config(
    node: &Node,
    before: Running,
    key: &str,
    value: &str,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let now = input.report(&node.id).and_then(|report| report.config.get(key)).cloned();
    if now.as_deref() == Some(value) {
        return Err((LeftOutReason::AsWanted, format!("{key} is {value} already")));
    }
    let key = key.to_owned();
    let undo = match &now {
        Some(value) => Undo::SetConfig { key: key.clone(), value: value.clone() },
        None => Undo::Impossible { reason: format!("the former value of {key} is not known") },
    };
    Ok(NodePlan {
        node: node.id.clone(),
        after: before.clone(),
        before,
        effects: vec![Effect::SetConfig { key, value: value.to_owned(), before: now }],
        undo,
        back: Vec::new(),
        deadline_s: ARRIVAL_DEADLINE_S,
    })
}
