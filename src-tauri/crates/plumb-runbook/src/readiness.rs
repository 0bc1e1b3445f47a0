//! What must be ready beside a plan, and what stands around it: plain facts that others gathered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, Digest, FleetId, NodeId};
use serde::{Deserialize, Serialize};

/// What is known around a plan when it is examined. What is absent is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Who else holds the deployment lock.
    pub lock: Option<HeldLock>,
    pub promotion: Option<Promotion>,
    /// Whether what a node would go back to is there and verified.
    pub ways_back: BTreeMap<NodeId, WayBack>,
    /// The checklist of the fleet, where it keeps one.
    pub checklist: Option<Checklist>,
    /// Agents that verify plan and approvals themselves; nothing where it does not matter.
    pub enforcing: Option<BTreeSet<NodeId>>,
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

/// Four things that are ready before a rollout (R212-R215), each with its evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checklist {
    /// A dry run on staging that showed an automatic rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_rollback: Option<Evidence>,
    /// Alerts go to whoever is on call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_routed: Option<Evidence>,
    /// The runbook was signed by Security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_signed: Option<Evidence>,
    /// The health endpoint is scraped by the platform's monitoring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_scraped: Option<Evidence>,
}

/// What shows that an item is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    Link {
        url: String,
    },
    /// A signed attestation or certificate, by the digest of its bytes.
    Attestation {
        digest: Digest,
    },
}

impl Checklist {
    /// The items in order, with what they are about.
    pub fn items(&self) -> [(&'static str, Option<&Evidence>); 4] {
        [
            ("a staging run that showed an automatic rollback", self.staging_rollback.as_ref()),
            ("alerts that reach whoever is on call", self.alerts_routed.as_ref()),
            ("a runbook signed by Security", self.runbook_signed.as_ref()),
            ("a health endpoint that is scraped", self.health_scraped.as_ref()),
        ]
    }

    /// SHA-256 of its canonical bytes: what an approval binds.
    pub fn digest(&self) -> Digest {
        let bytes = serde_json_canonicalizer::to_vec(self).expect("a checklist always serialises");
        Digest::of(&bytes)
    }
}
