//! What nodes run, by version and content, and who they are.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    drift::{BaselineView, GroupView, PolicyDiffView},
    fleet::{DesiredView, LabelView, NodeRow, StateCount, VersionShare},
    shell::SweepView,
};

/// What some or all nodes of a fleet run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionsView {
    pub fleet: String,
    pub environment: String,
    /// Milliseconds since the epoch at which this was put together.
    pub now_ms: i64,
    /// The newest sweep over the whole fleet; nothing when there was none.
    pub sweep: Option<SweepView>,
    pub desired: Option<DesiredView>,
    /// Of the whole fleet, largest share first.
    pub versions: Vec<VersionShare>,
    /// Of the nodes below: every state, worst first, also with zero.
    pub counts: Vec<StateCount>,
    /// Worst state first, then by name.
    pub nodes: Vec<NodeRow>,
}

/// Groups of nodes by what they run, and how each differs from the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionDiffView {
    pub fleet: String,
    pub now_ms: i64,
    pub sweep: Option<SweepView>,
    pub baseline: BaselineView,
    /// Largest group first.
    pub groups: Vec<GroupView>,
    /// One for every group that runs another content of the baseline's bundle.
    pub diffs: Vec<PolicyDiffView>,
    /// Different versions among nodes that ever reported one.
    pub versions: u32,
    /// Different contents among nodes that ever reported one.
    pub contents: u32,
    /// Nodes of one bundle run one version and one content, as far as they ever reported.
    pub consistent: bool,
}

/// Who belongs to a fleet, as its file says. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MembersView {
    pub fleet: String,
    pub environment: String,
    pub read_only: bool,
    pub file: String,
    pub sweep_interval_s: u32,
    pub deadline_s: u32,
    pub desired: Option<DesiredView>,
    pub trusted_keys: Vec<String>,
    /// Validly signed bundles known for this fleet.
    pub bundles: Vec<KnownBundleView>,
    pub nodes: Vec<MemberView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KnownBundleView {
    pub version: String,
    pub content: String,
    pub digest: String,
    pub file: String,
    pub key: String,
    pub policies: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemberView {
    pub id: String,
    pub api: String,
    pub url: String,
    pub labels: Vec<LabelView>,
    /// Where its token is found, for example `keyring payments-eu`; never the token.
    pub credential: Option<String>,
}
