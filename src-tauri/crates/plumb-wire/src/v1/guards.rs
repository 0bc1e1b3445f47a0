//! What an agent holds changes to by itself: plans that ran, refused content, approvals, the deployment lock.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agent holds changes to by itself, whatever a console says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guards {
    /// How long it remembers which plans ran: another run of one is refused.
    pub plans: PlansKept,
    /// The roster by which it judges what is signed; nothing where it was given none, and then it knows of
    /// no refused list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governed: Option<GovernedBy>,
    /// Who holds the deployment lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockHeld>,
}

/// How long plans that ran are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlansKept {
    /// In the state folder.
    Durably,
    /// There is no state folder.
    UntilItEnds,
}

/// The signed documents an agent goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GovernedBy {
    pub fleet: String,
    /// Its own name in the plans of that fleet.
    pub node: String,
    pub roster_version: u32,
    /// Version of the refused list in force; nothing while it has none.
    pub refused_version: Option<u32>,
    /// It takes no change that no approved plan asks for.
    pub requires_approval: bool,
}

/// The refused list of an agent: `GET refused` and the answer to `PUT refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedHeld {
    pub fleet: String,
    /// Nothing while it has no list, as the two below.
    pub version: Option<u32>,
    pub digest: Option<String>,
    /// The signed list, as it came.
    pub envelope: Option<String>,
}

/// The answer to `PUT roster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RosterHeld {
    pub version: u32,
    pub digest: String,
}

/// A plan with its approvals, before its first change: `POST plans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSubmission {
    /// The plan's canonical JSON, whose SHA-256 is its hash.
    pub plan: String,
    /// Signed requests and approvals, one DSSE envelope each.
    pub envelopes: Vec<String>,
    /// What the approvals are bound to beside the plan: bundles, dry run, readiness.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub evidence: serde_json::Value,
    /// Who starts it.
    pub operator: String,
    /// Why it starts without approvals, where the rule allows that at night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night_reason: Option<String>,
}

/// The answer to `POST plans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanAccepted {
    /// Its hash, in hex.
    pub plan: String,
}

/// Asks for the deployment lock, or for a longer lease: `POST lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockRequest {
    /// The run that holds it.
    pub run: String,
    /// Who that is, for people.
    pub owner: String,
    /// How long from now, in seconds; 0 gives it back.
    pub ttl_s: u32,
}

/// The answer to `POST lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockAnswer {
    /// Whether whoever asked holds it now.
    pub granted: bool,
    /// Who holds it now; nothing once it was given back.
    pub held: Option<LockHeld>,
}

/// The deployment lock of a node: `GET lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockState {
    pub held: Option<LockHeld>,
}

/// Who holds the deployment lock, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockHeld {
    pub run: String,
    pub owner: String,
    pub until: Timestamp,
    pub left_ms: u64,
}
