//! Pins in the console's own record that a plan sets or lifts one by one, and those it replaces.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{ContentDigest, Desired, DesiredVersion, NodeId, Version};
use serde::{Deserialize, Serialize};

use crate::plan::{DesiredChange, Plan};

/// Pins of the fleet and of nodes, each to be as it says; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<PinTo>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<NodeId, PinTo>,
}

/// Where a pin points, or that there is none and the fleet file counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pin", rename_all = "snake_case", deny_unknown_fields)]
pub enum PinTo {
    Lifted,
    Version { version: Version, content: Option<ContentDigest> },
}

impl PinChange {
    fn some(self) -> Option<Self> {
        (self.fleet.is_some() || !self.nodes.is_empty()).then_some(self)
    }

    /// One line each for a person.
    pub fn lines(&self) -> Vec<String> {
        let line = |whose: &str, pin: &PinTo| match pin {
            PinTo::Lifted => format!("lift the pin of {whose}"),
            PinTo::Version { version, content } => {
                let content = content.map(|content| format!(" {}", content.short()));
                format!("pin {whose} to {version}{}", content.unwrap_or_default())
            }
        };
        let fleet = self.fleet.iter().map(|pin| line("the fleet", pin));
        fleet.chain(self.nodes.iter().map(|(node, pin)| line(node.as_str(), pin))).collect()
    }
}

impl Plan {
    /// Pins of the console as they are once the plan changed them: those that it sets, and those that it
    /// lifts. Nothing where it changes none.
    pub fn pins_after(&self) -> Option<PinChange> {
        let Some(change) = &self.desired else { return self.pins.clone() };
        let pin = PinTo::Version { version: change.version.clone(), content: change.content };
        if let Some(nodes) = &change.nodes {
            let nodes = nodes.iter().map(|node| (node.clone(), pin.clone())).collect();
            return Some(PinChange { fleet: None, nodes });
        }
        let lifted = self.pins_before.iter().flat_map(|before| before.nodes.keys());
        let nodes = lifted.map(|node| (node.clone(), PinTo::Lifted)).collect();
        Some(PinChange { fleet: Some(pin), nodes })
    }
}

/// A pin has an author; what stands in the fleet file has none.
pub fn pin_of(wanted: Option<&DesiredVersion>) -> PinTo {
    match wanted {
        Some(DesiredVersion { version, content, pinned_by: Some(_), .. }) => {
            PinTo::Version { version: version.clone(), content: *content }
        }
        _ => PinTo::Lifted,
    }
}

fn pinned_nodes(desired: &Desired) -> impl Iterator<Item = (&NodeId, PinTo)> {
    let pins = desired.nodes.iter().map(|(node, wanted)| (node, pin_of(Some(wanted))));
    pins.filter(|(_, pin)| *pin != PinTo::Lifted)
}

/// Lifts the pins of nodes; without nodes those of all, and the fleet's.
pub(crate) fn lifted(selected: Option<&BTreeSet<NodeId>>, desired: &Desired) -> Option<PinChange> {
    let fleet = selected.is_none() && pin_of(desired.fleet.as_ref()) != PinTo::Lifted;
    let nodes = pinned_nodes(desired)
        .filter(|(node, _)| selected.is_none_or(|selected| selected.contains(*node)))
        .map(|(node, _)| (node.clone(), PinTo::Lifted))
        .collect();
    PinChange { fleet: fleet.then_some(PinTo::Lifted), nodes }.some()
}

/// What of a change is not so already.
pub(crate) fn remaining(change: &PinChange, desired: &Desired) -> Option<PinChange> {
    let now = before(change, desired);
    let nodes = change.nodes.iter().filter(|(node, pin)| now.nodes.get(*node) != Some(*pin));
    PinChange {
        fleet: change.fleet.clone().filter(|pin| now.fleet.as_ref() != Some(pin)),
        nodes: nodes.map(|(node, pin)| (node.clone(), pin.clone())).collect(),
    }
    .some()
}

/// The pins a change replaces.
pub(crate) fn before(change: &PinChange, desired: &Desired) -> PinChange {
    let pin = |node: &NodeId| (node.clone(), pin_of(desired.nodes.get(node)));
    PinChange {
        fleet: change.fleet.as_ref().map(|_| pin_of(desired.fleet.as_ref())),
        nodes: change.nodes.keys().map(pin).collect(),
    }
}

/// The pins another desired version replaces: a pin of the fleet lifts those of nodes.
pub(crate) fn replaced_by(change: &DesiredChange, desired: &Desired) -> PinChange {
    match &change.nodes {
        None => PinChange {
            fleet: Some(pin_of(desired.fleet.as_ref())),
            nodes: pinned_nodes(desired).map(|(node, pin)| (node.clone(), pin)).collect(),
        },
        Some(nodes) => {
            let pin = |node: &NodeId| (node.clone(), pin_of(desired.nodes.get(node)));
            PinChange { fleet: None, nodes: nodes.iter().map(pin).collect() }
        }
    }
}
