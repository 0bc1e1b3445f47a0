//! The Fleet screen: version bar, state counts, node matrix and one page of the table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::verification::VerifiedView;

/// What part of the table is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FleetPage {
    /// Filter line as typed after `/`; empty means every node.
    pub filter: String,
    pub sort: FleetSort,
    pub descending: bool,
    pub offset: u32,
    /// Rows wanted, at most [`super::PAGE_ROWS_MAX`].
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum FleetSort {
    /// Worst state first, then by name.
    State,
    Name,
    Version,
    Content,
    DigestAge,
    LoadAge,
    LastReload,
    Latency,
}

/// The Fleet screen.
#[derive(Debug, Clone, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FleetView {
    pub fleet: String,
    pub environment: String,
    pub read_only: bool,
    pub desired: Option<DesiredView>,
    pub thresholds: ThresholdsView,
    /// Largest share first.
    pub versions: Vec<VersionShare>,
    /// Every state, worst first, also with zero.
    pub counts: Vec<StateCount>,
    pub matrix: Matrix,
    /// Changes when nodes come or go; [`NodeNames`] are asked for again then.
    pub members: String,
    /// Nodes the filter lets through.
    pub matched: u32,
    pub total: u32,
    pub offset: u32,
    pub rows: Vec<NodeRow>,
    /// Why the filter could not be read, if so; then nothing is filtered.
    pub filter_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DesiredView {
    pub version: String,
    /// 64 hex digits, when bound to content.
    pub content: Option<String>,
    /// Who pinned it; nothing when it stands in the fleet file.
    pub pinned_by: Option<String>,
    pub since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ThresholdsView {
    pub digest_age_s: u32,
    pub load_age_s: u32,
}

/// Nodes that run one content under one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct VersionShare {
    pub version: Option<String>,
    pub content: Option<String>,
    pub count: u32,
    /// State most of these nodes are in.
    pub state: DriftStateView,
    /// Another content exists under the same version.
    pub same_version_other_content: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct StateCount {
    pub state: DriftStateView,
    pub count: u32,
}

/// Drift states with one meaning only; order is worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, JsonSchema,
)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum DriftStateView {
    Tampered,
    Poisoned,
    Diverged,
    Behind,
    Ahead,
    Stale,
    Unreachable,
    Unknown,
    Converging,
    InSync,
}

/// One cell a node, in order of names. Compact: a character a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct Matrix {
    /// State codes, one character a node: `t p d b a s u ? c .` in the order of the states.
    pub cells: String,
    /// `1` where the filter lets the node through, else `0`; empty where nothing is filtered.
    pub matched: String,
}

/// Ids of all nodes in the order of the matrix. Its own question: with 10,000 nodes it is most of the bytes,
/// and the fleet is painted without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct NodeNames {
    /// Of which members these are, as in [`FleetView::members`].
    pub members: String,
    pub ids: Vec<String>,
}

/// One row of the table. Times are milliseconds since the epoch; ages are computed where they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct NodeRow {
    pub id: String,
    pub api: String,
    pub labels: Vec<LabelView>,
    pub state: DriftStateView,
    /// The sentence that justifies the state.
    pub why: String,
    pub version: Option<String>,
    pub content: Option<String>,
    pub confirmed_at_ms: Option<i64>,
    pub loaded_at_ms: Option<i64>,
    pub last_reload: Option<ReloadView>,
    pub latency_ms: Option<u32>,
    /// Short word for a failed attempt, such as `timed out`.
    pub failure: Option<String>,
    /// When the node last gave a report.
    pub seen_at_ms: Option<i64>,
    /// It never gave one, up to the moment that is shown.
    pub no_answer_yet: bool,
    pub attempted_at_ms: Option<i64>,
    pub digest_age_over: bool,
    pub load_age_over: bool,
    /// What it runs, and was offered last, was verified.
    pub verified: VerifiedView,
    /// Why it counts as not verified.
    pub unverified: Option<String>,
    /// A reload needs no credential (R279).
    pub open_reload: bool,
    /// Other oddities, one sentence each.
    pub cautions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct LabelView {
    pub name: String,
    pub value: String,
}

/// One reload attempt.
#[derive(Debug, Clone, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ReloadView {
    pub at_ms: i64,
    pub version: Option<String>,
    pub success: bool,
    pub duration_ms: f64,
    pub policies: u32,
    pub error: Option<String>,
    /// Attempts before this one may be missing: the node's ring was replaced or the node restarted.
    pub gap_before: bool,
    /// Who asked, where the node tells: `poll`, `sync` and so on.
    pub trigger: Option<String>,
    pub origin: ReloadOrigin,
    /// It took more than three times what is documented for its size (R284).
    pub slow: Option<String>,
}

/// Who started a reload (R281).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum ReloadOrigin {
    /// A run of this console.
    Here,
    /// The node by itself: its start, a look at its source, a file that changed.
    Own,
    /// Somebody or something else: not started here.
    Elsewhere,
    /// Nobody looked, or the runs of that time are no longer listed.
    NotKnown,
}

impl Eq for ReloadView {}
