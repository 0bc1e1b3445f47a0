//! What is ready before a change of a fleet, and what shows it.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// The readiness checklist of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ChecklistView {
    pub fleet: String,
    /// A signed roster rules the fleet; without one nothing is required, and nobody can attest.
    pub ruled: bool,
    pub items: Vec<ChecklistItemView>,
    /// Required items that are not shown: nothing but a way back starts while there is one.
    pub open: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ChecklistItemView {
    /// Stable word such as `runbook_signed`.
    pub item: String,
    /// What is ready, in words.
    pub what: String,
    pub required: bool,
    /// Groups of which somebody must attest it; empty where a link is enough.
    pub by: Vec<String>,
    pub state: ChecklistState,
    /// Why evidence that was given does not count.
    pub why: Option<String>,
    /// A link, the name of a certificate, or what somebody attests to have seen.
    pub evidence: Option<String>,
    /// Who attested it, for which group; nothing for what is not signed.
    pub attested_by: Option<String>,
    pub expires_at: Option<String>,
    /// SHA-256 that approvals bind.
    pub digest: Option<String>,
    /// Who added it, and when.
    pub added_by: Option<String>,
    pub added_at_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum ChecklistState {
    Shown,
    /// There is evidence, but it does not count.
    Refused,
    Missing,
}
