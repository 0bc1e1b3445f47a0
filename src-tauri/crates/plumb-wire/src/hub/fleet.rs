//! What nodes should run, how it came there, and what they say of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the bytes of a version are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackFormat {
    /// The tar of the pack endpoint.
    Pack,
    /// A gzip tar as OPA downloads it.
    Opa,
}

/// One published version, which never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackVersion {
    pub version: String,
    pub digest: String,
    pub format: PackFormat,
    pub bytes: u64,
    /// A Sigstore bundle lies beside it.
    pub attested: bool,
    pub published_at: Timestamp,
    pub published_by: String,
}

/// A pack with its versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackView {
    pub pack: String,
    /// What the pack endpoint serves.
    pub serving: Option<String>,
    pub versions: Vec<PackVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackList {
    pub packs: Vec<PackView>,
}

/// How the storage of packs stands, looked at for this answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageStatus {
    pub place: String,
    /// Something was written and read back.
    pub writable: bool,
    /// Why not, where it was not.
    pub problem: Option<String>,
    pub versions: usize,
    pub bytes: u64,
    /// Published versions whose bytes are not there, or are damaged.
    pub missing: Vec<String>,
}

/// How a version is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    pub version: String,
    /// Whether the pack endpoint serves it from now on; it does where this is left out.
    #[serde(default)]
    pub serve: Option<bool>,
}

/// Which version of a pack, by label or digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhichVersion {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What some nodes of a fleet should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDesired {
    /// Any that has the digest, where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pack: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The whole fleet where it is empty, which lifts what was said of single nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    #[serde(default)]
    pub reason: String,
    /// The lease under which it is changed, where somebody holds the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// Takes back what was said of nodes, or of the whole fleet where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftDesired {
    #[serde(default)]
    pub nodes: Vec<String>,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// One version that should run, and who said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredVersion {
    pub pack: String,
    pub version: String,
    pub digest: String,
    pub by: String,
    pub at: Timestamp,
    pub reason: String,
}

/// What a fleet should run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Desired {
    /// Where a node is not named.
    pub fleet: Option<DesiredVersion>,
    #[serde(default)]
    pub nodes: BTreeMap<String, DesiredVersion>,
}

impl Desired {
    /// What one node should run.
    pub fn of(&self, node: &str) -> Option<&DesiredVersion> {
        self.nodes.get(node).or(self.fleet.as_ref())
    }
}

/// One change of what should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredChange {
    pub by: String,
    /// The whole fleet where it is empty.
    pub nodes: Vec<String>,
    /// Nothing, where it was taken back.
    pub to: Option<DesiredVersion>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredHistory {
    pub changes: Vec<DesiredHistoryEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredHistoryEntry {
    pub seq: i64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub change: DesiredChange,
}

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    Started,
    Succeeded,
    Failed,
    Halted,
    RolledBack,
    Aborted,
}

/// What a console tells of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentReport {
    /// The run's own id; later reports of it replace earlier ones in lists.
    pub id: String,
    pub fleet: String,
    #[serde(default)]
    pub pack: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub nodes: Vec<String>,
    pub status: DeploymentStatus,
    #[serde(default)]
    pub detail: String,
}

/// A report as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub by: String,
    #[serde(flatten)]
    pub report: DeploymentReport,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployments {
    pub deployments: Vec<DeploymentEntry>,
}

/// Which deployments, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentQuery {
    pub fleet: Option<String>,
    pub status: Option<DeploymentStatus>,
    pub last_minutes: Option<u32>,
    pub limit: Option<u32>,
    /// Only these runs, by their ids with commas between.
    pub runs: Option<String>,
}

/// What is said beside a refused list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefuseQuery {
    /// What the list calls the fleet, where that is not what the hub calls it.
    pub list_of: Option<String>,
}

/// Asks for the lock of a fleet, or for more time with the lease that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeLock {
    /// What it is for, such as the id of a run.
    pub purpose: String,
    pub ttl_s: u32,
    /// Whoever holds it for this very purpose lost the lease, in a crash, and is told it once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// Who holds the lock; the lease is told to the holder alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockView {
    pub held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    pub holder: Option<String>,
    pub purpose: Option<String>,
    pub until: Option<Timestamp>,
}

/// Which lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLock {
    pub lease: String,
}

/// One file in the mailbox of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailView {
    /// SHA-256 of the file.
    pub id: String,
    pub bytes: u64,
    pub at: Timestamp,
    pub by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mailbox {
    pub files: Vec<MailView>,
}

/// What a node says of its bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// `fleet/node` of its labels, or its id; what the teller's identity is bound to, where it is bound.
    pub node: String,
    /// Identity that pushed it.
    #[serde(default)]
    pub told_by: String,
    pub at: Timestamp,
    pub labels: BTreeMap<String, String>,
    pub bundles: BTreeMap<String, NodeBundle>,
}

/// One bundle of an OPA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NodeBundle {
    pub active_revision: String,
    pub last_successful_activation: Option<String>,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatuses {
    pub nodes: Vec<NodeStatus>,
}

/// A decision as its node told it, masked where the node masked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub node: String,
    pub event: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decisions {
    pub decisions: Vec<DecisionEntry>,
}

/// What became of a batch of decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionsTaken {
    pub taken: usize,
    /// Too large or no object.
    pub dropped: usize,
}
