//! Checks of a fleet, each with its evidence.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

use super::shell::SweepView;

/// What the checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DoctorView {
    pub fleet: String,
    pub now_ms: i64,
    pub sweep: Option<SweepView>,
    /// No check failed.
    pub passed: bool,
    pub checks: Vec<CheckView>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CheckView {
    /// For example `check.policy.version-consistency`.
    pub name: String,
    pub title: String,
    /// How urgent it is where it did not pass (conflict C2).
    pub severity: CheckSeverity,
    pub result: CheckResult,
    /// One sentence.
    pub summary: String,
    pub evidence: Vec<EvidenceLine>,
    /// What to do, where it did not pass.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Passed,
    /// Odd, and to be looked at; the exit code does not change.
    Warning,
    Failed,
    /// Nothing is known to judge by.
    NotKnown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum CheckSeverity {
    Info,
    Warning,
    /// Somebody has to be called.
    Page,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceLine {
    /// The node it is about; nothing when it is about several.
    pub node: Option<String>,
    pub detail: String,
}
