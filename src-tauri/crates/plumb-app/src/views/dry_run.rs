//! What a dry run of a plan found.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// The answers of every node of a plan. Nothing was changed for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DryRunView {
    pub plan: String,
    pub fleet: String,
    /// SHA-256 over verdicts and observed contents: what an approval binds.
    pub digest: String,
    pub at_ms: i64,
    /// Nodes with which the plan would not go as planned.
    pub hindered: u32,
    /// How many nodes gave which answers, most nodes first.
    pub summary: Vec<String>,
    pub nodes: Vec<DryRunNodeView>,
    /// What was found otherwise than by the dry run before, one node a line.
    pub changed: Vec<String>,
}

/// What one node answered, each verdict in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DryRunNodeView {
    pub node: String,
    pub verify: String,
    pub ready: String,
    pub precondition: String,
    pub way_back: String,
    pub has_way_back: bool,
    pub runs_version: Option<String>,
    pub runs_content: Option<String>,
    /// Why the plan would not go as planned here.
    pub hindrance: Option<String>,
}
