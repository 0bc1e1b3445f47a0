//! One step of a runbook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    at::At,
    steps::{self, Kind},
};

/// A fenced block ```` ```step ````.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// By which others refer to it: small letters, digits and `_`.
    pub id: At<String>,
    pub title: String,
    /// The part of a rollout it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    #[serde(rename = "do")]
    pub kind: StepKind,
    /// Only if this holds, in CEL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<At<String>>,
    /// What counts as success, in CEL over `result`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<At<String>>,
    /// Steps that only read may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The step that takes it back; it is run only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<At<String>>,
    /// May be left out by whoever runs it, with a reason.
    #[serde(default)]
    pub may_skip: bool,
    /// Looked at all the while it goes on; the first figure outside its limits stops it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<Monitor>,
    /// What it answers when all is well: rehearsals take that for its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A figure beside a running step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    pub title: String,
    pub source: steps::query::Source,
    pub query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<steps::query::Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<steps::query::Decimal>,
    /// Seconds between two looks.
    #[serde(default = "every_s")]
    pub every_s: u32,
}

impl Monitor {
    /// The same as a step that asks once.
    pub fn asked_once(&self) -> steps::query::QueryStep {
        let (source, query, min, max) = (self.source, self.query.clone(), self.min, self.max);
        steps::query::QueryStep { source, query, min, max }
    }
}

const fn every_s() -> u32 {
    10
}

/// Parts of a rollout, in the one order there is; a way back stands outside of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Preconditions,
    Freeze,
    DryRun,
    Execute,
    Validate,
    Unfreeze,
    Rollback,
}

impl Phase {
    pub const ALL: [Self; 6] = [
        Self::Preconditions,
        Self::Freeze,
        Self::DryRun,
        Self::Execute,
        Self::Validate,
        Self::Unfreeze,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preconditions => "preconditions",
            Self::Freeze => "freeze",
            Self::DryRun => "dry_run",
            Self::Execute => "execute",
            Self::Validate => "validate",
            Self::Unfreeze => "unfreeze",
            Self::Rollback => "rollback",
        }
    }
}

/// A fixed number of tries, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all, 2 to 10.
    pub tries: u8,
    /// Seconds between two of them.
    pub every_s: u32,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Action(steps::action::ActionStep),
    Announce(steps::announce::AnnounceStep),
    Approval(steps::approval::ApprovalStep),
    Attest(steps::attest::AttestStep),
    Branch(steps::branch::BranchStep),
    Capture(steps::capture::CaptureStep),
    Command(steps::command::CommandStep),
    Doctor(steps::doctor::DoctorStep),
    Freeze(steps::freeze::FreezeStep),
    Http(steps::http::HttpStep),
    Parallel(steps::parallel::ParallelStep),
    Query(steps::query::QueryStep),
    Question(steps::question::QuestionStep),
    Runbook(steps::runbook::RunbookStep),
    Unfreeze(steps::unfreeze::UnfreezeStep),
    Wait(steps::wait::WaitStep),
}

impl StepKind {
    /// The word it is written with.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Action(_) => "action",
            Self::Announce(_) => "announce",
            Self::Approval(_) => "approval",
            Self::Attest(_) => "attest",
            Self::Branch(_) => "branch",
            Self::Capture(_) => "capture",
            Self::Command(_) => "command",
            Self::Doctor(_) => "doctor",
            Self::Freeze(_) => "freeze",
            Self::Http(_) => "http",
            Self::Parallel(_) => "parallel",
            Self::Query(_) => "query",
            Self::Question(_) => "question",
            Self::Runbook(_) => "runbook",
            Self::Unfreeze(_) => "unfreeze",
            Self::Wait(_) => "wait",
        }
    }

    /// What it asks the world for with these values.
    pub fn effect(&self, values: &super::Values) -> Result<super::StepEffect, String> {
        self.kind().effect(values)
    }

    /// Whether it changes anything outside the run.
    pub fn mutates(&self) -> bool {
        self.kind().mutates()
    }

    pub(crate) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Action(step) => step,
            Self::Announce(step) => step,
            Self::Approval(step) => step,
            Self::Attest(step) => step,
            Self::Branch(step) => step,
            Self::Capture(step) => step,
            Self::Command(step) => step,
            Self::Doctor(step) => step,
            Self::Freeze(step) => step,
            Self::Http(step) => step,
            Self::Parallel(step) => step,
            Self::Query(step) => step,
            Self::Question(step) => step,
            Self::Runbook(step) => step,
            Self::Unfreeze(step) => step,
            Self::Wait(step) => step,
        }
    }
}
