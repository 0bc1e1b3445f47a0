//! What a check of a run's journal found.

use schemars::JsonSchema;
use serde::Serialize;

/// The verdict over a chain of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalVerdictView {
    pub run: String,
    pub verdict: JournalVerdict,
    /// Events that hold together, from the first.
    pub events: u64,
    /// Hash of the newest event, 64 hex digits; empty when there is none.
    pub head: String,
    pub plan_hash: String,
    /// The kept plan has the hash that the run's first event names.
    pub plan_matches: bool,
    /// Why the chain is broken, and where; or what is missing.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalVerdict {
    /// The chain holds and the run ended.
    Complete,
    /// The chain holds; the run has not ended.
    Prefix,
    Broken,
}
