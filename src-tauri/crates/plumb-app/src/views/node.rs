//! The node drawer.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

use super::{
    fleet::{DesiredView, NodeRow, ReloadView},
    verification::{ReadinessView, VerificationView},
};

/// Everything the store knows of one node.
#[derive(Debug, Clone, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct NodeView {
    pub row: NodeRow,
    /// Base URL; never with credentials.
    pub url: String,
    pub bundle_id: Option<String>,
    pub bundle_digest: Option<String>,
    pub desired: Option<DesiredView>,
    pub signature: Option<SignatureView>,
    pub verification: Option<VerificationView>,
    pub readiness: Option<ReadinessView>,
    /// How the content differs from what is desired, in words such as `1 changed, 1 moved`.
    pub difference: Option<String>,
    pub actions: Vec<NodeAction>,
    pub policies: Vec<PolicyLine>,
    /// Oldest first.
    pub reloads: Vec<ReloadView>,
    pub figures: Vec<Figure>,
    pub config: Vec<ConfigLine>,
    /// Documents of the newest report that could not be read.
    pub gaps: Vec<GapView>,
    pub previous: Option<String>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct SignatureView {
    /// `valid`, `invalid`, `unsigned`.
    pub verdict: String,
    pub detail: String,
}

/// One thing a node can or cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct NodeAction {
    /// `sync`, `pin`, `rollback`, `restart`, `logs`, `config`, `evaluate`, `verify`.
    pub kind: String,
    /// The reason it is disabled and the alternative.
    pub disabled: Option<String>,
    /// The same as a command line.
    pub cli: String,
    /// The same as curl, with `$PLUMB_TOKEN` for the token; empty where no single request does it.
    pub curl: Vec<String>,
    /// The same as a step of a runbook; nothing where no step says it.
    pub step: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PolicyLine {
    pub id: String,
    pub digest: String,
}

/// A figure with its source and age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct Figure {
    pub name: String,
    pub value: String,
    pub source: String,
    pub at_ms: i64,
    pub caution: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ConfigLine {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct GapView {
    pub source: String,
    pub message: String,
}

/// One answer as received, fetched on demand and not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RawAnswer {
    pub path: String,
    /// HTTP status; 0 where there was no answer and `body` says why.
    pub status: u16,
    /// Text with control characters escaped, cut at a limit.
    pub body: String,
    pub truncated: bool,
    pub at_ms: i64,
}

/// One log line of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct LogLine {
    pub at_ms: i64,
    pub level: String,
    pub message: String,
}
