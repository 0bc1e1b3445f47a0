//! What must be ready beside a plan, and what stands around it: plain facts that others gathered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, Digest, FleetId, NodeId};
use plumb_trust::{
    readiness::ReadinessItem,
    roster::{FreezeWindow, GroupId, Requirement},
};
use serde::{Deserialize, Serialize};

/// What is known around a plan when it is examined. What is absent is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Who else holds the deployment lock.
    pub lock: Option<HeldLock>,
    pub promotion: Option<Promotion>,
    /// Whether what a node would go back to is there and verified.
    pub ways_back: BTreeMap<NodeId, WayBack>,
    /// When nothing is changed, beside what the plan says itself.
    pub freeze: Vec<FreezeWindow>,
    /// The checklist of the fleet, where it keeps one.
    pub checklist: Option<Checklist>,
    /// Agents that verify plan and approvals themselves; nothing where it does not matter.
    pub enforcing: Option<BTreeSet<NodeId>>,
    /// How nodes stand to the refused list of the fleet; nothing where there can be none.
    pub refusing: Option<Refusing>,
}

/// Nodes that hold to a refused list by themselves; the others cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusing {
    pub enforcing: BTreeSet<NodeId>,
    /// Those that would, and hold another version than the newest, or none.
    pub behind: BTreeSet<NodeId>,
}

/// The deployment lock in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    pub owner: String,
    pub until: Timestamp,
}

/// What may be brought to a fleet for which a staging fleet is named: contents with a green certificate of
/// that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    pub staging_fleet: FleetId,
    pub certified: BTreeSet<ContentDigest>,
}

/// What was found of a node's last-known-good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way_back", rename_all = "snake_case", deny_unknown_fields)]
pub enum WayBack {
    Verified,
    Missing { reason: String },
}

impl WayBack {
    pub fn sentence(&self) -> String {
        match self {
            Self::Verified => "accepts what it would go back to".to_owned(),
            Self::Missing { reason } => format!("could not be rolled back: {reason}"),
        }
    }
}

/// What is known of everything that is ready before a change, item by item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checklist {
    pub items: BTreeMap<ReadinessItem, ItemState>,
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    /// Evidence that counts, by its digest: what an approval binds.
    Shown {
        digest: Digest,
    },
    /// There is evidence, but it does not count.
    Refused {
        why: String,
        required: bool,
    },
    Missing {
        required: bool,
    },
}

/// Evidence that was given for an item, already looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    pub digest: Digest,
    /// The group for which somebody of the roster signed it; nothing for what is not signed.
    pub role: Option<GroupId>,
    /// Why it does not count, whoever asks for it.
    pub problem: Option<String>,
}

impl Checklist {
    /// Judges what was given by what a roster requires. Every item has a state.
    pub fn judge(
        offered: &BTreeMap<ReadinessItem, Offered>,
        required: &BTreeMap<ReadinessItem, Requirement>,
    ) -> Self {
        let state = |item: &ReadinessItem| {
            let requirement = required.get(item);
            let asked = requirement.is_some();
            let Some(offered) = offered.get(item) else {
                return ItemState::Missing { required: asked };
            };
            match offered.problem.clone().or_else(|| unmet(offered, requirement)) {
                Some(why) => ItemState::Refused { why, required: asked },
                None => ItemState::Shown { digest: offered.digest },
            }
        };
        Self { items: ReadinessItem::ALL.iter().map(|item| (*item, state(item))).collect() }
    }

    /// What an approval binds: the digest of the evidence of each item that is shown.
    pub fn bound(&self) -> BTreeMap<String, Digest> {
        let shown = self.items.iter().filter_map(|(item, state)| match state {
            ItemState::Shown { digest } => Some((item.name().to_owned(), *digest)),
            ItemState::Refused { .. } | ItemState::Missing { .. } => None,
        });
        shown.collect()
    }
}

fn unmet(offered: &Offered, requirement: Option<&Requirement>) -> Option<String> {
    let by = &requirement?.by;
    if by.is_empty() || offered.role.as_ref().is_some_and(|role| by.contains(role)) {
        return None;
    }
    let groups: Vec<&str> = by.iter().map(GroupId::as_str).collect();
    Some(format!("somebody of {} must attest it", groups.join(" or ")))
}
