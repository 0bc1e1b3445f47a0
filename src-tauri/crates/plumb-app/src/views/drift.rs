//! The Drift screen: a baseline against groups of nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{fleet::DriftStateView, impact::ReadingView, verification::FailedCheck};

/// What nodes are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Baseline {
    Desired,
    /// The content most nodes run.
    Majority,
    Node {
        id: String,
    },
    /// A signed bundle of the catalogue, by content digest.
    Bundle {
        content: String,
    },
    /// What a node ran at a moment.
    Moment {
        id: String,
        at_ms: i64,
    },
}

/// The Drift screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DriftView {
    pub baseline: BaselineView,
    /// Baselines that can be chosen now.
    pub choices: Vec<BaselineChoice>,
    /// Largest group first.
    pub groups: Vec<GroupView>,
    /// Differences of the chosen group from the baseline; nothing when no group is chosen.
    pub diff: Option<PolicyDiffView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct BaselineView {
    pub label: String,
    pub version: Option<String>,
    pub content: Option<String>,
    /// Why its policies are not at hand, if so.
    pub unavailable: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct BaselineChoice {
    pub baseline: Baseline,
    pub label: String,
}

/// Moments of the past that nodes can be compared with, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct MomentsView {
    pub moments: Vec<MomentView>,
    /// There are older ones that are not listed.
    pub cut: bool,
}

/// A moment from which nodes ran another content than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct MomentView {
    /// The first of the nodes by name; it stands for all of them as a baseline.
    pub node: String,
    /// How many nodes were seen with this content first at this moment.
    pub nodes: u32,
    pub at_ms: i64,
    pub version: Option<String>,
    pub content: String,
    /// Its policies are kept here, so it can be compared policy by policy.
    pub readable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct GroupView {
    /// Stable key to ask for this group's diff.
    pub key: String,
    /// `A`, `B`, ... by size.
    pub letter: String,
    pub version: Option<String>,
    pub content: Option<String>,
    pub count: u32,
    /// The first names, at most 200.
    pub nodes: Vec<String>,
    pub state: DriftStateView,
    /// For example `same version, other content`.
    pub note: Option<String>,
    /// Nodes whose verification failed, or whose content carries no valid signature.
    pub unverified: u32,
    /// Nodes that tell of no verification.
    pub verification_unknown: u32,
    /// Checks that failed, most nodes first.
    pub failed_checks: Vec<FailedCheck>,
    /// How its nodes read conditions of first-match rules, each way once.
    pub readings: Vec<ReadingView>,
    pub is_baseline: bool,
}

/// Policies of a group against the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PolicyDiffView {
    pub group: String,
    pub from_content: Option<String>,
    pub to_content: Option<String>,
    pub added: u32,
    pub removed: u32,
    pub changed: u32,
    pub moved: u32,
    /// Differing policies first, then equal ones, in list order.
    pub policies: Vec<PolicyDiffLine>,
    pub unavailable: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PolicyDiffLine {
    pub id: String,
    pub change: PolicyChange,
    /// Also moved (for changed policies), or moved only.
    pub moved: bool,
    /// Positions counted from one.
    pub from_position: Option<u32>,
    pub to_position: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum PolicyChange {
    Added,
    Removed,
    Changed,
    Moved,
    Equal,
}

/// One policy side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct TextDiffView {
    pub policy: String,
    /// `json` or `rego`.
    pub language: String,
    pub rows: Vec<DiffRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DiffRow {
    pub kind: DiffRowKind,
    pub left: Option<DiffSide>,
    pub right: Option<DiffSide>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum DiffRowKind {
    Equal,
    Changed,
    Added,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DiffSide {
    pub number: u32,
    /// Pieces of the line; `emphasised` marks what differs inside it.
    pub pieces: Vec<DiffPiece>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DiffPiece {
    pub text: String,
    pub emphasised: bool,
}
