//! The way back of a node as effects: made with the plan, so that a rollback decides nothing.

use plumb_fleet::{DesiredVersion, NamedContent};
use serde::{Deserialize, Serialize};

use crate::{
    effect::Effect,
    plan::{self, NodePlan, PlanInput, resolved},
    undo::Undo,
};

/// Which part of a node's plan is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    #[default]
    Forward,
    /// The way back.
    Back,
}

impl Branch {
    pub const fn is_forward(&self) -> bool {
        matches!(self, Self::Forward)
    }
}

/// The effects that bring a node back, from wherever its own effects left it: each of them leads to
/// the same place whether the ones of the plan happened or not.
pub(crate) fn expand(target: &NodePlan, input: PlanInput<'_>) -> Vec<Effect> {
    match &target.undo {
        Undo::Restore { runs, pinned } => {
            let mut effects = vec![pin(runs), Effect::Sync { force: false }];
            match pinned {
                Some(pinned) if pinned == runs => {}
                Some(pinned) => effects.push(pin(pinned)),
                None => effects.push(Effect::Unpin { from: Some(runs.clone()) }),
            }
            effects
        }
        Undo::Load { runs } => load(target, runs, input),
        Undo::Pin { pinned: Some(pinned) } => vec![pin(pinned)],
        Undo::Pin { pinned: None } => vec![Effect::Unpin { from: None }],
        Undo::SetConfig { key, value } => {
            let set = target.effects.iter().find_map(|effect| match effect {
                Effect::SetConfig { key: set, value, .. } if set == key => Some(value.clone()),
                _ => None,
            });
            vec![Effect::SetConfig { key: key.clone(), value: value.clone(), before: set }]
        }
        Undo::RollBackTo { version } => vec![Effect::Rollback { to: Some(version.clone()) }],
        Undo::Nothing | Undo::Impossible { .. } => Vec::new(),
    }
}

fn pin(named: &NamedContent) -> Effect {
    Effect::Pin { version: named.version.clone(), content: named.content }
}

fn load(target: &NodePlan, runs: &NamedContent, input: PlanInput<'_>) -> Vec<Effect> {
    let wanted = DesiredVersion {
        version: runs.version.clone(),
        content: Some(runs.content),
        pinned_by: None,
        since: None,
    };
    let offer = input.desired.catalogue.offer(None);
    let (Some(node), Ok(entry)) = (input.fleet.nodes.get(&target.node), resolved(&wanted, offer))
    else {
        return Vec::new();
    };
    plan::load(node, entry)
}

impl NodePlan {
    /// The way back as a part of its own; nothing where the plan holds none.
    pub fn way_back(&self) -> Option<Self> {
        (!self.back.is_empty()).then(|| self.taken_back())
    }

    /// As the node stands when nothing of the plan is left on it, by a way back or without any.
    #[must_use]
    pub fn taken_back(&self) -> Self {
        Self {
            node: self.node.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            effects: self.back.clone(),
            undo: Undo::Nothing,
            back: Vec::new(),
            deadline_s: self.deadline_s,
        }
    }
}
