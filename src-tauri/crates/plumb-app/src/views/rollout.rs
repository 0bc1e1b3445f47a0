//! A rollout: how a plan goes over its nodes, and how a run of it stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How an action is rolled out: in waves, past gates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    pub shape: ShapeRequest,
    /// What must hold after a wave before the next one begins.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub gate: Option<GateRequest>,
    /// Bring nodes that were touched back when a gate stays shut or too many nodes fail, instead of halting.
    #[serde(default)]
    pub roll_back_on_failure: bool,
    /// How many nodes may fail before the run stops itself.
    #[serde(default)]
    pub failures_tolerated: u32,
}

/// In which waves nodes are changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShapeRequest {
    /// One canary, then growing shares of the others in percent; the last wave takes the rest.
    Shares {
        #[serde(default)]
        #[ts(optional = nullable)]
        canary: Option<String>,
        percent: Vec<u8>,
    },
    /// One canary, then one wave for each value of a label.
    ByLabel {
        label: String,
        /// Values to begin with; others follow by name.
        #[serde(default)]
        order: Vec<String>,
        #[serde(default)]
        #[ts(optional = nullable)]
        canary: Option<String>,
    },
    /// Nodes with this value of a label, then the others.
    BlueGreen {
        label: String,
        first: String,
    },
    OneByOne,
}

/// Conditions after a wave; an absent one is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(default, deny_unknown_fields)]
pub struct GateRequest {
    /// Share of the changed nodes that run the wanted content.
    #[ts(optional = nullable)]
    pub convergence_percent: Option<u8>,
    /// Failed decisions in a million since the wave began.
    #[ts(optional = nullable)]
    pub errors_ppm: Option<u32>,
    /// 95 of 100 decisions since the wave began took at most so long, in microseconds.
    #[ts(optional = nullable)]
    pub p95_us: Option<u64>,
    /// Changed nodes answer the requests of the comparison as their new content does.
    #[serde(default)]
    pub decisions: bool,
    /// Values of Prometheus queries.
    pub prometheus: Vec<QueryRequest>,
    /// What somebody has to look at and attest.
    #[ts(optional = nullable)]
    pub attest: Option<String>,
    /// How long a wave is watched at least, in seconds.
    pub soak_s: u32,
}

/// The one value of a Prometheus query, and its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    pub query: String,
    /// In thousandths: 50 is 0.05.
    #[ts(type = "number")]
    pub at_most_milli: i64,
}

/// One wave of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct WaveView {
    pub name: String,
    pub nodes: Vec<String>,
    /// Its gate, one sentence each; empty where there is none.
    pub gate: Vec<String>,
    /// How long it is watched at least, in seconds.
    pub soak_s: u32,
}

/// How a plan is rolled out, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RolloutView {
    pub waves: Vec<WaveView>,
    /// What a failing gate or one failed node too many leads to, in a sentence.
    pub on_failure: String,
    pub failures_tolerated: u32,
}

/// How a wave of a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunWave {
    pub name: String,
    pub state: RunWaveState,
    pub nodes: Vec<String>,
    pub arrived: u32,
    pub failed: u32,
    /// Checks of its gate, in order.
    pub checks: Vec<RunCheck>,
    /// Until when it is watched at least, where its gate is looked at.
    pub soak_until_ms: Option<i64>,
    /// Somebody has to say that it may open, and nobody did.
    pub waits_for_attestation: bool,
    /// Who said so, and what.
    pub attested: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunWaveState {
    Waiting,
    /// Its nodes are being changed, or have not arrived yet.
    Acting,
    /// The run stands still before all of its nodes arrived; why is said of the run.
    Halted,
    /// Every node is settled; its gate is looked at.
    Gate,
    Passed,
    /// Its gate stayed shut.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunCheck {
    /// What is checked, in a sentence.
    pub what: String,
    pub verdict: RunCheckVerdict,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunCheckVerdict {
    Met,
    NotMet,
    Unknown,
}

/// How a run of a rollout stands, beside its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunRollout {
    pub waves: Vec<RunWave>,
    /// Who paused it, as long as it is paused.
    pub paused_by: Option<String>,
    /// Why it stopped itself, as long as it stands still.
    pub halted: Option<String>,
    /// Why nodes are brought back.
    pub rollback: Option<String>,
    /// A program carries it out now; otherwise it can be picked up from its journal.
    pub carried: bool,
}

/// What somebody asks of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum RunOrder {
    /// Start nothing further until it is resumed.
    Pause,
    /// Go on after a pause or a halt; what failed until now is accepted.
    Resume,
    /// Start nothing further, and end.
    Abort,
    /// Bring back every node that was touched.
    RollBack { reason: String },
    /// Say that the gate of a wave may open; waves are counted from zero.
    Attest { wave: u32, note: String },
    /// Pass over the gate of a wave.
    SkipGate { wave: u32, reason: String },
}
