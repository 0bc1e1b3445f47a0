//! From a request to a plan a person can judge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::rollout::{RolloutRequest, RolloutView};

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ActionRequest {
    pub kind: ActionKind,
    pub nodes: NodeSelection,
    /// For `pin`, `resolve_conflict` and a rollback to a named version.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub version: Option<String>,
    /// Content digest to bind a pin to, where a version names several bundles.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub content: Option<String>,
    /// For `sync`: reload even where the desired content already runs.
    #[serde(default)]
    pub force: bool,
    /// For `set_config`: the dotted key, for example `deployment.locking`.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub key: Option<String>,
    /// For `set_config`: the value as it is typed.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub value: Option<String>,
    /// For `undo`: the run to take back, which also says of which nodes; `nodes` is `all`.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub run: Option<String>,
    /// In waves past gates; without it all nodes are changed together.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub rollout: Option<RolloutRequest>,
}

impl ActionRequest {
    /// A request of a kind for some nodes that says nothing further.
    pub const fn new(kind: ActionKind, nodes: NodeSelection) -> Self {
        Self {
            kind,
            nodes,
            version: None,
            content: None,
            force: false,
            key: None,
            value: None,
            run: None,
            rollout: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Sync,
    /// Set the desired version, then sync.
    PinAndSync,
    /// Set the desired version only.
    Pin,
    Rollback,
    Restart,
    ResolveConflict,
    /// Lift pins, so that the fleet file counts again.
    Unpin,
    /// Change a setting.
    SetConfig,
    /// Take a run back.
    Undo,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "select", rename_all = "snake_case")]
pub enum NodeSelection {
    All,
    /// Every node whose state is drifted.
    Drifted,
    Nodes {
        ids: Vec<String>,
    },
    /// Nodes a filter line lets through.
    Filter {
        filter: String,
    },
}

/// The preview: what will change, where, and what it takes to start it.
#[derive(Debug, Clone, PartialEq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PlanView {
    /// 64 hex digits over the plan's canonical bytes.
    pub hash: String,
    pub title: String,
    pub fleet: String,
    pub environment: String,
    /// The environment is production, however it is spelt.
    pub production: bool,
    pub action: ActionRequest,
    /// How many runs there were already of a plan that is otherwise the same.
    pub repeat: u32,
    /// What changes in the console's own record before any node is touched, one line each.
    pub pins: Vec<String>,
    pub targets: Vec<PlanTarget>,
    /// Its waves and gates; nothing where all nodes are changed together.
    pub rollout: Option<RolloutView>,
    /// Nodes that were selected and left out, with the reason.
    pub left_out: Vec<LeftOut>,
    pub findings: Vec<FindingView>,
    pub blast: BlastRadius,
    /// The same as a command line.
    pub cli: String,
    /// The same as curl, first nodes first, with `$PLUMB_TOKEN` for tokens.
    pub curl: Vec<String>,
    /// The same as steps of a runbook; nothing where no step says it.
    pub steps: Option<String>,
    pub confirmation: ConfirmationView,
    /// The plan does nothing: everything selected already is as wanted.
    pub empty: bool,
    /// The plan can be started (no fatal finding, not empty).
    pub startable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PlanTarget {
    pub node: String,
    pub state: super::fleet::DriftStateView,
    pub from_version: Option<String>,
    pub from_content: Option<String>,
    pub to_version: Option<String>,
    pub to_content: Option<String>,
    /// How it reads conditions of first-match rules.
    pub reading: super::impact::ReadingView,
    /// Effects in order, one sentence each.
    pub effects: Vec<String>,
    /// How it is undone, or why it cannot be.
    pub undo: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct LeftOut {
    pub node: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FindingView {
    pub severity: SeverityView,
    /// Stable word such as `bundle_missing`.
    pub code: String,
    pub node: Option<String>,
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum SeverityView {
    Note,
    Warning,
    Fatal,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct BlastRadius {
    pub nodes: u32,
    pub of: u32,
    /// Nodes by what they run now, for example `38 of v41 77b0c1d2e3f4`.
    pub lines: Vec<String>,
}

/// The rung of the confirmation ladder this plan stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "level", rename_all = "snake_case")]
pub enum ConfirmationView {
    /// Start at once; a toast offers the exact undo.
    Undo,
    /// A dialog with the blast radius; Ctrl+Enter applies.
    Dialog,
    /// The phrase must be typed.
    Typed { phrase: String },
}
