//! The way back: what a node was before its part of a plan, and the plan that leads there again.

use plumb_fleet::{
    Capability, Desired, DesiredVersion, DriftState, NamedContent, Node, NodeApi, NodeReport,
    Version, snapshot::PINNED_VERSION,
};
use serde::{Deserialize, Serialize};

use crate::{
    effect::Effect,
    plan::{
        self, ARRIVAL_DEADLINE_S, LeftOutReason, NodePlan, PlanInput, Running, Skip,
        arrival_deadline_s, not_refused, resolved, rollback_node,
    },
    told::set_config,
};

/// How a node's part of the plan is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case", deny_unknown_fields)]
pub enum Undo {
    /// Bring an agent back to what it ran, by content, and to what it was told to run.
    Restore {
        runs: NamedContent,
        pinned: Option<NamedContent>,
    },
    /// Load what a node without pins ran before, by content.
    Load {
        runs: NamedContent,
    },
    /// Tell an agent again what it was told to run, or lift the pin.
    Pin {
        pinned: Option<NamedContent>,
    },
    /// Set the former value.
    SetConfig {
        key: String,
        value: String,
    },
    /// Roll back to the version that ran before: only in plans older than `Restore`.
    RollBackTo {
        version: Version,
    },
    /// Nothing has to be taken back: only in plans older than `Pin`.
    Nothing,
    Impossible {
        reason: String,
    },
}

impl Undo {
    /// Whether there is a way back.
    pub const fn is_possible(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Impossible { .. })
    }
}

/// The way back to what a node runs and is told to run now.
pub(crate) fn undo_of(
    node: &Node,
    before: &Running,
    report: Option<&NodeReport>,
    desired: &Desired,
) -> Undo {
    let back = || {
        let runs = known(before, desired)?;
        if node.api == NodeApi::Agent {
            Ok(Undo::Restore { runs, pinned: former_pin(report, desired)? })
        } else {
            Ok(Undo::Load { runs })
        }
    };
    back().unwrap_or_else(|reason| Undo::Impossible { reason })
}

/// The way back of what only changes a pin: content that cannot come back is no hindrance to it.
pub(crate) fn undo_of_pin(
    node: &Node,
    before: &Running,
    report: Option<&NodeReport>,
    desired: &Desired,
) -> Undo {
    match (undo_of(node, before, report, desired), former_pin(report, desired)) {
        (Undo::Impossible { .. }, Ok(pinned)) => Undo::Pin { pinned },
        (undo, _) => undo,
    }
}

/// What ran before, where it can be loaded again by its content.
fn known(before: &Running, desired: &Desired) -> Result<NamedContent, String> {
    let Running { version: Some(version), content: Some(content) } = before else {
        return Err("what ran before is not known".to_owned());
    };
    let runs = NamedContent { version: version.clone(), content: *content };
    if desired.catalogue.offer(None).resolve(&wanted(&runs)).is_none() {
        Err(format!("what ran before as {version} is no signed bundle that is known here"))
    } else if desired.refused.contains(content) {
        Err(format!("what ran before as {version} is refused in this fleet"))
    } else {
        Ok(runs)
    }
}

fn former_pin(
    report: Option<&NodeReport>,
    desired: &Desired,
) -> Result<Option<NamedContent>, String> {
    match (pinned(report), pinned_label(report)) {
        (Some(pin), _) if desired.refused.contains(&pin.content) => {
            Err(format!("its pin to {} is refused in this fleet", pin.version))
        }
        (Some(pin), _) => Ok(Some(pin.clone())),
        (None, Some(label)) => {
            Err(format!("it was pinned to {label} without a content, which cannot be told again"))
        }
        (None, None) => Ok(None),
    }
}

/// What the node itself was told to run, with its content.
pub(crate) fn pinned(report: Option<&NodeReport>) -> Option<&NamedContent> {
    report.and_then(|report| report.pinned.as_ref()).map(|pinned| &pinned.value)
}

/// The version the node itself was told to run, also where it was told no content.
pub(crate) fn pinned_label(report: Option<&NodeReport>) -> Option<&str> {
    let named = pinned(report).map(|pin| pin.version.as_str());
    named.or_else(|| report?.config.get(PINNED_VERSION).map(String::as_str))
}

fn wanted(named: &NamedContent) -> DesiredVersion {
    DesiredVersion {
        version: named.version.clone(),
        content: Some(named.content),
        pinned_by: None,
        since: None,
    }
}

/// Takes one node back to where it was, as the plan of an earlier run kept it.
pub(crate) fn undo_node(
    node: &Node,
    before: Running,
    undo: Option<&Undo>,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let cannot = |reason: &str| (LeftOutReason::CannotDo, reason.to_owned());
    let needed = match undo {
        None => return Err(cannot("the run changed nothing here")),
        Some(Undo::Impossible { reason }) => return Err(cannot(reason)),
        Some(Undo::Nothing) => return Err(cannot("the run kept no way back")),
        Some(Undo::RollBackTo { .. }) => Capability::Rollback,
        Some(Undo::Restore { .. } | Undo::Load { .. }) => Capability::Sync,
        Some(Undo::Pin { .. }) => Capability::Pin,
        Some(Undo::SetConfig { .. }) => Capability::Config,
    };
    if let Some(reason) = input.fleet.capabilities(node.api).cannot.get(&needed) {
        return Err(cannot(reason));
    }
    match undo {
        Some(Undo::RollBackTo { version }) => rollback_node(node, before, Some(version), input),
        Some(Undo::SetConfig { key, value }) => set_config(node, before, key, value, input),
        Some(Undo::Restore { runs, pinned }) if node.api == NodeApi::Agent => {
            restore(node, before, Some(runs), pinned.as_ref(), input)
        }
        Some(Undo::Pin { pinned }) => restore(node, before, None, pinned.as_ref(), input),
        Some(Undo::Restore { runs, .. } | Undo::Load { runs }) => load(node, before, runs, input),
        None | Some(Undo::Nothing | Undo::Impossible { .. }) => Err(cannot("nothing to undo")),
    }
}

fn load(
    node: &Node,
    before: Running,
    runs: &NamedContent,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let entry = resolved(&wanted(runs), input.desired.catalogue.offer(None))?;
    not_refused(runs.content, input.desired)?;
    let after = Running::from(runs);
    if before == after {
        return Err((LeftOutReason::AsWanted, format!("runs {after} again already")));
    }
    let report = input.report(&node.id);
    Ok(NodePlan {
        node: node.id.clone(),
        undo: undo_of(node, &before, report, input.desired),
        before,
        after,
        effects: plan::load(node, entry),
        back: Vec::new(),
        deadline_s: arrival_deadline_s(node.api),
    })
}

/// An agent loads by its pin, so it is told what to load first, and its former pin after that.
fn restore(
    node: &Node,
    before: Running,
    runs: Option<&NamedContent>,
    former: Option<&NamedContent>,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    for named in runs.into_iter().chain(former) {
        not_refused(named.content, input.desired)?;
    }
    let report = input.report(&node.id);
    let state = input.assessment.nodes.get(&node.id).map(|verdict| verdict.state);
    let after = runs.map_or_else(|| before.clone(), Running::from);
    let mut pin = pinned(report).cloned();
    let mut told = pinned_label(report).is_some();
    let mut effects = Vec::new();
    let mut point_to = |effects: &mut Vec<Effect>, to: &NamedContent| {
        if pin.as_ref() != Some(to) {
            let (version, content) = (to.version.clone(), to.content);
            effects.push(Effect::Pin { version, content });
            pin = Some(to.clone());
        }
    };
    let tampered = state == Some(DriftState::Tampered);
    if let Some(runs) = runs
        && (before != after || tampered)
    {
        resolved(&wanted(runs), input.desired.catalogue.offer(None))?;
        point_to(&mut effects, runs);
        effects.push(Effect::Sync { force: tampered });
        told = true;
    }
    match former {
        Some(former) => point_to(&mut effects, former),
        None if told => effects.push(Effect::Unpin { from: pin }),
        None => {}
    }
    if effects.is_empty() {
        return Err((LeftOutReason::AsWanted, "is as it was before the run".to_owned()));
    }
    Ok(NodePlan {
        node: node.id.clone(),
        undo: undo_of_pin(node, &before, report, input.desired),
        before,
        after,
        effects,
        back: Vec::new(),
        deadline_s: ARRIVAL_DEADLINE_S,
    })
}
