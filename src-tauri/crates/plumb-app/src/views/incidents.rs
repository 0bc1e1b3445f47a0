//! Incidents: what alerts became, and what happened to them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::alerts::AlertRow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum IncidentStateView {
    Open,
    Mitigating,
    Resolved,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct IncidentRow {
    pub incident: String,
    pub state: IncidentStateView,
    pub severity: String,
    pub title: String,
    pub service: String,
    pub env: String,
    pub signature: String,
    pub opened_at_ms: i64,
    pub last_alert_at_ms: i64,
    pub alerts: u64,
}

/// An incident with its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct IncidentView {
    pub row: IncidentRow,
    /// Newest last, as it was written.
    pub timeline: Vec<TimelineView>,
    /// Its alerts, at most 200.
    pub alerts: Vec<AlertRow>,
    /// Who closed it, and how it ended.
    pub closed: Option<String>,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct TimelineView {
    pub number: u64,
    pub at_ms: i64,
    pub by: String,
    pub kind: TimelineKind,
    /// One sentence.
    pub what: String,
    pub why: Vec<String>,
    /// What a triage froze, as JSON.
    pub frozen: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    Alert,
    Triage,
    Note,
    State,
    /// A safeguard was passed over.
    Bypass,
}

/// What is done with an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum IncidentAct {
    Note { text: String },
    Move { to: IncidentStateView },
    Close { resolution: String },
}
