//! A run: one execution of one plan.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

use super::{plan::ActionRequest, rollout::RunRollout};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunView {
    pub id: String,
    pub plan_hash: String,
    pub title: String,
    pub fleet: String,
    pub operator: String,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub phase: RunPhase,
    pub nodes: Vec<RunNode>,
    /// Its waves and gates; nothing where all nodes are changed together.
    pub rollout: Option<RunRollout>,
    /// Safeguards that were passed over, one sentence each; loud as long as the run is shown.
    pub bypassed: Vec<String>,
    pub arrived: u32,
    pub failed: u32,
    pub in_doubt: u32,
    pub total: u32,
    /// Hash of the newest journal event, 64 hex digits.
    pub journal_head: String,
    pub journal_events: u32,
    /// Events up to the newest signed head; 0 when none was signed.
    pub journal_signed_to: u32,
    /// Why events are not signed that should be, in a sentence.
    pub journal_unsigned: Option<String>,
    /// What it took back and is refused from now on; nothing where it took nothing back.
    #[ts(optional = nullable)]
    pub refused: Option<RunRefused>,
    /// The exact reverse, where there is one.
    pub undo: Option<ActionRequest>,
    /// One sentence for a person.
    pub summary: String,
}

/// Content that a run took back, and who refuses it from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunRefused {
    /// Content digests, in hex.
    pub contents: Vec<String>,
    /// Version of the signed list that has all of them; nothing while only this console refuses them.
    pub list_version: Option<u32>,
    /// Nodes of the run that enforce that list by themselves, as they were last seen.
    pub holding: u32,
    /// Nodes of the run that would, and hold another version or none.
    pub behind: Vec<String>,
    /// Nodes of the run that cannot: only this console keeps it from them.
    pub cannot: Vec<String>,
    /// What is left to do, with the command; nothing where nothing is.
    pub to_do: Option<String>,
}

/// Something that happened in a run, or that somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RunMoment {
    /// Number of its event in the journal, from 0.
    pub seq: u32,
    pub at_ms: i64,
    /// In a sentence, with the reason where one was given.
    pub what: String,
    /// It went wrong, or past a safeguard.
    pub loud: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// Effects are being sent.
    Acting,
    /// Waiting until nodes prove arrival by content.
    Proving,
    /// A wave has arrived; its gate is looked at.
    AtGate,
    /// Nothing is started until somebody resumes it.
    Paused,
    /// It stopped itself; somebody has to decide.
    Halted,
    /// Nodes that were touched are brought back.
    RollingBack,
    /// They are back.
    RolledBack,
    Succeeded,
    /// Some nodes did not arrive.
    Incomplete,
    Aborted,
    /// The program ended in the middle; what is in doubt is listed.
    Interrupted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunNode {
    pub node: String,
    pub state: RunNodeState,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunNodeState {
    Waiting,
    Acting,
    /// The node accepted; its content is not proven yet.
    Accepted,
    /// A later observation shows the wanted content.
    Arrived,
    Failed,
    Skipped,
    /// It was brought back to what it ran before.
    RolledBack,
    /// The request may or may not have arrived.
    InDoubt,
}
