//! What holds for the fleets of one environment: its rule, when nothing is changed, and what must be ready.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::FleetId;
use serde::{Deserialize, Serialize};

use super::{GroupId, Rule, label_is_bad};
use crate::{dsse::PublicKey, readiness::ReadinessItem};

/// Most freeze windows of one environment: one a week, for a year.
pub const FREEZE_WINDOWS_MAX: usize = 53;
/// Most consoles whose certificates count in one environment.
pub const CONSOLES_MAX: usize = 32;

/// What holds for the fleets of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub rule: Rule,
    /// The fleet on which a bundle is proven before it comes here.
    #[serde(default)]
    pub staging_fleet: Option<FleetId>,
    /// Public keys of the consoles whose certificates of that fleet count. Without any they are those of
    /// the console itself, and what somebody trusts there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<PublicKey>,
    /// When nothing is changed; a way back is open all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeWindow>,
    /// What must be ready before anything is changed, and who must attest it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readiness: BTreeMap<ReadinessItem, Requirement>,
}

/// A time in which nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    pub from: Timestamp,
    pub until: Timestamp,
    pub reason: String,
}

/// What is asked of the evidence of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Groups of which one person must have signed it; without any, a link is enough.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<GroupId>,
}

impl Environment {
    /// An environment of which only the rule is said.
    pub const fn of(rule: Rule) -> Self {
        Self {
            rule,
            staging_fleet: None,
            consoles: Vec::new(),
            freeze: Vec::new(),
            readiness: BTreeMap::new(),
        }
    }

    /// What contradicts itself beside the rule. `groups` are those that somebody is in.
    pub(super) fn problem(&self, groups: &BTreeSet<&GroupId>) -> Option<String> {
        if self.freeze.len() > FREEZE_WINDOWS_MAX {
            return Some(format!("more than {FREEZE_WINDOWS_MAX} freeze windows"));
        }
        for window in &self.freeze {
            if window.until <= window.from {
                return Some(format!(
                    "the freeze window from {} ends before it begins",
                    window.from
                ));
            }
            if label_is_bad(&window.reason) {
                return Some(format!("the freeze window from {} says no reason", window.from));
            }
        }
        let consoles: BTreeSet<_> = self.consoles.iter().map(PublicKey::id).collect();
        if consoles.len() != self.consoles.len() || consoles.len() > CONSOLES_MAX {
            return Some(format!("consoles are at most {CONSOLES_MAX}, each once"));
        }
        self.readiness.iter().find_map(|(item, requirement)| {
            let group = requirement.by.iter().find(|group| !groups.contains(group))?;
            Some(format!("nobody is in the group {group}, which must attest {item}"))
        })
    }
}
