//! History: what nodes ran over time, how they reloaded, how old digests were.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// The history of a fleet between two moments, in columns: a large fleet has many spans.
#[derive(Debug, Clone, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistoryView {
    pub fleet: String,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Versions and contents that occur: the wanted one first, then by how long nodes ran them.
    pub kinds: Vec<HistoryKind>,
    /// Nodes of a lane ran the same at the same time; the lane that most nodes are in stands first.
    pub lanes: Vec<HistoryLane>,
    pub reloads: Vec<HistoryReloads>,
    pub ages: Vec<HistoryAges>,
    /// A digest is stale above this age.
    pub age_limit_s: u32,
    /// There is more than is read at once: the oldest part is missing.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistoryKind {
    /// `A` for the first.
    pub letter: String,
    pub version: Option<String>,
    pub content: Option<String>,
    /// What the fleet should run now.
    pub wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistoryLane {
    pub nodes: Vec<String>,
    pub spans: Vec<HistorySpan>,
}

/// From its beginning to that of the next one, or to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistorySpan {
    pub at_ms: i64,
    /// Index into `kinds`; nothing where it is not known.
    pub kind: Option<u32>,
    /// The node did not answer: it may have run something else.
    pub answers: bool,
}

/// Reloads of some time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistoryReloads {
    pub at_ms: i64,
    pub to_ms: i64,
    pub succeeded: u32,
    pub failed: u32,
    /// Of those that succeeded.
    pub median_ms: Option<f64>,
    pub slowest_ms: Option<f64>,
}

/// How long ago sources had confirmed digests, over the nodes of a sweep that can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct HistoryAges {
    pub at_ms: i64,
    pub median_s: i64,
    pub highest_s: i64,
}
