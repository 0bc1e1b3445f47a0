//! Settings of nodes.

use schemars::JsonSchema;
use serde::Serialize;

use super::node::ConfigLine;

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
