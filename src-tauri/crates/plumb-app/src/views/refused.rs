//! The refused list of a fleet: what no node may take until a quorum signed it clean.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// What is refused in a fleet, and which nodes hold to it by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RefusedView {
    pub fleet: String,
    /// Version of the newest signed list; nothing while there is none.
    pub version: Option<u32>,
    /// SHA-256 of that list, in hex.
    pub digest: Option<String>,
    pub issued_at: Option<String>,
    /// Who of the roster signed that list, with keys that count now.
    pub signed_by: Vec<String>,
    pub refused: Vec<RefusedContentView>,
    /// What was refused once and signed clean.
    pub cleared: Vec<ClearedContentView>,
    /// Nodes that enforce this version by themselves.
    pub enforcing: u32,
    /// Nodes that would enforce it, and hold an older version or none.
    pub behind: Vec<String>,
    /// Nodes that cannot enforce a list: only this console keeps refused content from them.
    pub cannot: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RefusedContentView {
    /// Content digest, in hex.
    pub content: String,
    /// Versions of the catalogue that have this content.
    pub versions: Vec<String>,
    pub since: String,
    pub reason: String,
    /// The run that was rolled back.
    pub run: Option<String>,
    /// It stands in the signed list; else only this console knows.
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ClearedContentView {
    pub content: String,
    pub at: String,
    pub reason: String,
    /// Who of the roster signed that, with keys that count now.
    pub people: Vec<String>,
}

/// A clearing as far as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ClearingView {
    pub content: String,
    /// The refusal that it lifts: one of a later moment stays.
    pub since: String,
    /// Why it is clean.
    pub reason: String,
    /// Who signed it.
    pub people: Vec<String>,
    /// What is missing; nothing once it is lifted.
    pub missing: Option<String>,
    /// Where the envelope was written, for whoever signs next.
    pub file: Option<String>,
}

/// A clearing in a file that somebody was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ClearingFileView {
    /// SHA-256 of the file as it was read.
    pub file: String,
    pub clearing: ClearingView,
}

/// What became of a list that was pushed to nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RefusedPushView {
    pub fleet: String,
    pub version: u32,
    /// Nodes that hold it now.
    pub taken: Vec<String>,
    /// Nodes that did not take it, each with the reason.
    pub not_taken: Vec<NotTakenView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct NotTakenView {
    pub node: String,
    pub reason: String,
}
