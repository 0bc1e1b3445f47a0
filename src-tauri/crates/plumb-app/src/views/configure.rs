//! Settings of nodes, and changes that need no plan.

use schemars::JsonSchema;
use serde::Serialize;

use super::{node::ConfigLine, plan::ConfirmationView};

/// The settings of one node, as it tells them now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeConfigView {
    pub node: String,
    pub api: String,
    /// Whether settings can be changed here; else why not.
    pub read_only_reason: Option<String>,
    pub settings: Vec<ConfigLine>,
    /// Why the settings could not be read.
    pub failure: Option<String>,
}

/// What a change would do, before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangePreview {
    pub fleet: String,
    pub environment: String,
    pub title: String,
    pub nodes: Vec<NodeBefore>,
    /// Nodes that were named and will not be touched.
    pub left_out: Vec<super::plan::LeftOut>,
    pub curl: Vec<String>,
    pub confirmation: ConfirmationView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeBefore {
    pub node: String,
    /// The value now, where it could be read.
    pub before: Option<String>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeView {
    pub fleet: String,
    pub title: String,
    /// What changed in the console's own record, one sentence each.
    pub recorded: Vec<String>,
    pub nodes: Vec<NodeChange>,
    pub left_out: Vec<super::plan::LeftOut>,
    /// Every node that was asked did it.
    pub complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeChange {
    pub node: String,
    pub outcome: ChangeOutcome,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    Done,
    Refused,
    /// It may have arrived; look before trying again.
    InDoubt,
    NotSent,
}
