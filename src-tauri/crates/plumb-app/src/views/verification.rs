//! How a node verified what it runs, check by check, and its way back.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// Whether what a node runs, and what it was offered last, was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum VerifiedView {
    /// A check failed, or what runs carries no valid signature.
    No,
    /// The node tells neither checks nor a signature.
    Unknown,
    Yes,
}

/// What a node says of the newest verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct VerificationView {
    pub verified: VerifiedView,
    /// In the node's order.
    pub checks: Vec<CheckLine>,
    /// Key or certificate, log and time.
    pub carried_by: Option<String>,
    /// Where packs or bundles come from.
    pub origin: Option<String>,
    /// Why the node runs something else than it should.
    pub fallback: Option<String>,
    pub fallback_since_ms: Option<i64>,
    pub consecutive_failures: u32,
    /// When the newest check was made, by the node's clock.
    pub verified_at_ms: Option<i64>,
    /// The document this was read from, and when.
    pub source: String,
    pub at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CheckLine {
    pub name: String,
    pub outcome: CheckWord,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum CheckWord {
    Passed,
    Failed,
    NotMade,
}

/// A node's way back: proven before it is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ReadinessView {
    /// Path, digest and signature are known.
    pub ready: bool,
    /// How a rollback of this node would be done.
    pub driver: String,
    pub version: Option<String>,
    pub content: Option<String>,
    /// Of the file's bytes.
    pub digest: Option<String>,
    /// As the node sees it.
    pub path: Option<String>,
    /// What proved its signature here.
    pub verified_by: Option<String>,
    /// Where it is known from.
    pub source: Option<String>,
    /// Why it is not ready.
    pub problem: Option<String>,
}

/// A check that failed on some nodes of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FailedCheck {
    pub name: String,
    pub nodes: u32,
}
