//! Test requests asked of several nodes, and their answers side by side.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request to try; nothing of it is recorded as a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRequest {
    pub capability_id: String,
    #[serde(default)]
    pub context: BTreeMap<String, serde_json::Value>,
}

/// Requests, answers and where nodes disagree.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvaluationView {
    pub fleet: String,
    pub now_ms: i64,
    /// Every node that answered decided alike, and at least one answered.
    pub agreed: bool,
    /// Requests that were made up here, one for each policy anybody runs and one nobody has a policy for.
    pub built_in: u32,
    pub nodes: Vec<AskedNode>,
    pub requests: Vec<ComparedRequest>,
}

/// What became of asking one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedNode {
    pub node: String,
    pub api: String,
    pub outcome: AskOutcome,
    /// Version the node decided with, or why it did not decide.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskOutcome {
    Answered,
    /// Its node API cannot decide test requests.
    CannotDo,
    Failed,
}

/// One request with its different answers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ComparedRequest {
    pub capability_id: String,
    pub context: BTreeMap<String, serde_json::Value>,
    pub agreed: bool,
    /// Most common answer first.
    pub answers: Vec<AnswerGroup>,
}

/// Nodes that decided alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnswerGroup {
    pub allowed: bool,
    pub require_confirmation: bool,
    /// As one of these nodes worded it.
    pub reason: String,
    pub nodes: Vec<String>,
}
