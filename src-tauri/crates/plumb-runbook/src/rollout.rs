//! How a plan goes over its nodes: in which waves, past which gates, and what happens when one fails.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{Digest, Fleet, NodeId};
pub use plumb_trust::roster::FreezeWindow;
use serde::{Deserialize, Serialize};

use crate::{
    back,
    gate::Gate,
    plan::{NodePlan, Plan, PlanError, PlanInput, Wave},
};

/// Label that marks a node as the one to be changed first.
const CANARY: (&str, &str) = ("canary", "true");
/// Most waves a plan may have: one for each node of a fleet that is changed one by one.
pub const WAVES_MAX: usize = plumb_fleet::fleet::NODES_MAX;

/// The policy of a rollout. It is part of the plan, and therefore of what is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    pub shape: Shape,
    /// What must hold after a wave before the next one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How many nodes may fail before the run halts.
    #[serde(default)]
    pub failures_tolerated: u32,
    /// When nothing is changed; a way back is open all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeWindow>,
}

/// In which waves nodes are changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// One canary, then growing shares of the others; the last wave takes the rest.
    Shares {
        /// The node to begin with; without one it is a node labelled `canary=true`, or the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        canary: Option<NodeId>,
        /// Percent of all nodes that are changed when a wave is over, growing.
        percent: Vec<u8>,
    },
    /// One canary, then one wave for each value of a label; nodes without the label come last.
    ByLabel {
        label: String,
        /// The values to begin with, in this order; others follow by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        order: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        canary: Option<NodeId>,
    },
    /// The half that serves nobody, then the other half.
    BlueGreen {
        label: String,
        /// The value of the half to begin with.
        first: String,
    },
    #[default]
    OneByOne,
}

/// What a failing gate or one failed node too many leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing further is changed until somebody decides.
    #[default]
    Halt,
    /// Nodes that were touched are brought back as the plan says.
    RollBack,
}

impl Rollout {
    /// The window that forbids changes at a moment.
    pub fn frozen(&self, now: Timestamp) -> Option<&FreezeWindow> {
        self.freeze.iter().find(|window| window.from <= now && now < window.until)
    }
}

/// Splits the one wave of a plan by a policy, sets gates between them, and expands the way back of
/// every node. A rollback decides nothing: it is in the bytes that are approved.
pub fn roll_out(
    mut plan: Plan,
    rollout: &Rollout,
    input: PlanInput<'_>,
) -> Result<Plan, PlanError> {
    check(rollout)?;
    let mut targets: BTreeMap<NodeId, NodePlan> = plan
        .waves
        .drain(..)
        .flat_map(|wave| wave.nodes)
        .map(|target| (target.node.clone(), target))
        .collect();
    for target in targets.values_mut() {
        target.back = back::expand(target, input);
    }
    let nodes: BTreeSet<&NodeId> = targets.keys().collect();
    let split = waves(&rollout.shape, &nodes, input.fleet)?;
    let last = split.len().saturating_sub(1);
    plan.waves = split
        .into_iter()
        .enumerate()
        .map(|(number, (name, ids))| Wave {
            name,
            nodes: ids.iter().filter_map(|id| targets.remove(id)).collect(),
            gate: rollout.gate.as_ref().and_then(|gate| gate.after(number == last)),
        })
        .collect();
    plan.format = Plan::FORMAT_ROLLOUT;
    plan.rollout = Some(rollout.clone());
    Ok(plan)
}

fn check(rollout: &Rollout) -> Result<(), PlanError> {
    let wrong = |what: &str| Err(PlanError::Rollout { what: what.to_owned() });
    if let Shape::Shares { percent, .. } = &rollout.shape {
        let grows = percent.windows(2).all(|pair| pair[0] < pair[1]);
        if !grows || percent.iter().any(|share| !(1..=100).contains(share)) {
            return wrong("shares are whole percents from 1 to 100, each more than the one before");
        }
    }
    if rollout.freeze.iter().any(|window| window.until <= window.from) {
        return wrong("a freeze window ends after it begins");
    }
    rollout.gate.as_ref().map_or(Ok(()), |gate| gate.check().or_else(wrong))
}

type Split = Vec<(String, Vec<NodeId>)>;

/// The nodes of each wave, by name. The same on every machine, and each node in exactly one wave.
pub fn waves(shape: &Shape, nodes: &BTreeSet<&NodeId>, fleet: &Fleet) -> Result<Split, PlanError> {
    let split = match shape {
        Shape::Shares { canary, percent } => {
            let first = canary_of(canary.as_ref(), nodes, fleet)?;
            by_share(first, percent, nodes)
        }
        Shape::ByLabel { label, order, canary } => {
            let first = canary_of(canary.as_ref(), nodes, fleet)?;
            by_label(first, label, order, nodes, fleet)
        }
        Shape::BlueGreen { label, first } => blue_green(label, first, nodes, fleet)?,
        Shape::OneByOne => {
            nodes.iter().map(|node| (node.to_string(), vec![(*node).clone()])).collect()
        }
    };
    Ok(split.into_iter().filter(|(_, nodes)| !nodes.is_empty()).collect())
}

fn label<'a>(fleet: &'a Fleet, node: &NodeId, label: &str) -> Option<&'a str> {
    fleet.nodes.get(node)?.labels.get(label).map(String::as_str)
}

/// The node to begin with. One that was named must be among the targets: a canary that is not
/// changed proves nothing.
fn canary_of(
    named: Option<&NodeId>,
    nodes: &BTreeSet<&NodeId>,
    fleet: &Fleet,
) -> Result<Option<NodeId>, PlanError> {
    if let Some(named) = named {
        if nodes.is_empty() || nodes.contains(named) {
            return Ok(nodes.get(named).map(|node| (*node).clone()));
        }
        let what = format!("the canary {named} is not changed by this plan; name another");
        return Err(PlanError::Rollout { what });
    }
    let marked = nodes.iter().find(|node| label(fleet, node, CANARY.0) == Some(CANARY.1));
    Ok(marked.or(nodes.first()).map(|node| (*node).clone()))
}

/// Shares are drawn by the digest of the name, so that a share is spread over the fleet, and not
/// the one region that sorts first.
fn by_share(canary: Option<NodeId>, percent: &[u8], nodes: &BTreeSet<&NodeId>) -> Split {
    let Some(canary) = canary else { return Split::new() };
    let mut rest: Vec<(Digest, &NodeId)> = nodes
        .iter()
        .filter(|node| **node != &canary)
        .map(|node| (Digest::of(node.as_str().as_bytes()), *node))
        .collect();
    rest.sort_unstable();
    let total = nodes.len();
    let mut split = vec![("canary".to_owned(), vec![canary])];
    let mut taken = 0;
    for share in percent.iter().copied().filter(|share| *share < 100).chain([100]) {
        // Rounded up: a share of a small fleet is at least one node.
        let until = (total * usize::from(share)).div_ceil(100).saturating_sub(1).min(rest.len());
        if until > taken {
            let mut ids: Vec<NodeId> =
                rest[taken..until].iter().map(|(_, id)| (*id).clone()).collect();
            ids.sort_unstable();
            split.push((format!("{share} %"), ids));
            taken = until;
        }
    }
    split
}

fn by_label(
    canary: Option<NodeId>,
    name: &str,
    order: &[String],
    nodes: &BTreeSet<&NodeId>,
    fleet: &Fleet,
) -> Split {
    let mut values: BTreeMap<Option<&str>, Vec<NodeId>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| Some(**node) != canary.as_ref()) {
        values.entry(label(fleet, node, name)).or_default().push((*node).clone());
    }
    let mut split: Split =
        canary.map(|node| ("canary".to_owned(), vec![node])).into_iter().collect();
    let unlabelled = values.remove(&None);
    for value in order {
        if let Some(ids) = values.remove(&Some(value.as_str())) {
            split.push((format!("{name}={value}"), ids));
        }
    }
    for (value, ids) in values {
        split.push((format!("{name}={}", value.unwrap_or_default()), ids));
    }
    split.extend(unlabelled.map(|ids| (format!("without {name}"), ids)));
    split
}

fn blue_green(
    name: &str,
    first: &str,
    nodes: &BTreeSet<&NodeId>,
    fleet: &Fleet,
) -> Result<Split, PlanError> {
    let (begin, rest): (Vec<_>, Vec<_>) =
        nodes.iter().partition(|node| label(fleet, node, name) == Some(first));
    if begin.is_empty() && !rest.is_empty() {
        let what = format!("no node that is changed has the label {name}={first}");
        return Err(PlanError::Rollout { what });
    }
    let ids = |nodes: Vec<&&NodeId>| nodes.into_iter().map(|node| (*node).clone()).collect();
    Ok(vec![(format!("{name}={first}"), ids(begin)), (format!("not {name}={first}"), ids(rest))])
}
