//! What the frame around every screen shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::evidence::OpenEvidence;

/// The frame: fleets, the open one, its mode and its newest sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ShellView {
    pub version: String,
    pub fleets: Vec<FleetSummary>,
    /// Name of the open fleet; nothing on first run.
    pub fleet: Option<String>,
    pub mode: Mode,
    /// The evidence that is open, and the moment of it that is shown.
    pub evidence: Option<OpenEvidence>,
    pub sweep: Option<SweepView>,
    /// Sentences a person must read, for example that a damaged file was set aside.
    pub notices: Vec<String>,
    /// Whether `plumb demo` can be started from the first-run screen.
    pub demo_available: bool,
    pub now_ms: i64,
}

/// What a notification of the desktop was about: where the window goes when somebody clicks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum AboutView {
    Run {
        fleet: String,
        run: String,
    },
    /// A plan that somebody asks to be approved.
    Plan {
        fleet: String,
        plan: String,
    },
    /// An alert, or the inbox where it is about many.
    Alert {
        fleet: String,
        alert: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A sweep of this session has finished.
    Live,
    /// Nothing of this session yet: what is shown is the last known fleet.
    Cache,
    /// Evidence is shown as if it were its fleet; no node is asked, and nothing can be changed.
    Evidence,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FleetSummary {
    pub name: String,
    pub environment: String,
    /// The environment is production, however it is spelt.
    pub production: bool,
    pub read_only: bool,
    pub nodes: u32,
    /// Path of its file on this machine.
    pub file: String,
    /// Why the file could not be read, if so.
    pub error: Option<String>,
}

/// The newest sweep of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct SweepView {
    pub started_at_ms: i64,
    pub finished_at_ms: i64,
    pub answered: u32,
    pub total: u32,
    /// A sweep is under way now.
    pub running: bool,
}
