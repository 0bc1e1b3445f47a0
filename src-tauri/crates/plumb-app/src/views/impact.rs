//! What another version answers differently.

use plumb_decide::{Case, Coverage, FlipReport, Origin, Outcome, Reading};
use plumb_runbook::ReadAs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::impact::RecordedRequest;

/// Requests that two versions answer differently, the gravest change first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ImpactView {
    pub from: ImpactSide,
    pub to: ImpactSide,
    /// The rule that was asked; none of first-match rules.
    pub entrypoint: Option<String>,
    pub requests: Requests,
    /// How many of them were asked so far.
    pub asked: u32,
    /// Of the generated requests.
    #[ts(type = "number")]
    pub seed: u64,
    pub flips: Vec<FlipView>,
    pub not_evaluated: Vec<NotEvaluatedView>,
    /// Identifies this report; none while it is not complete.
    pub digest: Option<String>,
}

/// How conditions of first-match rules are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum ReadingView {
    /// As the field's manual says.
    Documented,
    /// As the field's program does it.
    Field,
}

impl ReadingView {
    pub(crate) const fn of(read: ReadAs) -> Self {
        match read {
            ReadAs::Documented => Self::Documented,
            ReadAs::Field => Self::Field,
        }
    }
}

impl From<ReadingView> for Reading {
    fn from(reading: ReadingView) -> Self {
        match reading {
            ReadingView::Documented => Self::Documented,
            ReadingView::Field => Self::Field,
        }
    }
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ImpactSide {
    /// The version, or the name of the file.
    pub label: String,
    pub content: String,
    /// `first_match` or `rego`.
    pub format: String,
    /// What the requests reached; none while asking, and where the policy could not be read.
    pub coverage: Option<CoverageView>,
}

/// How much of a policy was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct CoverageView {
    pub rules: u32,
    pub reached: u32,
    pub conditions: u32,
    /// Conditions seen to hold and not to hold.
    pub both_ways: u32,
    pub not_reached: Vec<String>,
}

/// How many requests were asked, by where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct Requests {
    pub recorded: u32,
    pub given: u32,
    pub generated: u32,
    /// Of the recorded and given ones: those that something was taken out of before they were kept, so that
    /// what was really asked may be answered otherwise.
    pub masked: u32,
}

/// What was recorded, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordedRequestsView {
    pub fleet: String,
    pub sources: Vec<SourceView>,
    /// Different requests, and how often all of them were asked.
    pub requests: u32,
    pub asked: u64,
    pub masked: u32,
}

/// One that was asked for what it recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceView {
    /// A node, or `hub`.
    pub source: String,
    pub requests: u32,
    /// What it keeps, or why there is nothing.
    pub detail: String,
}

impl RecordedRequestsView {
    pub(crate) fn of(fleet: &str, requests: &[RecordedRequest], sources: Vec<SourceView>) -> Self {
        Self {
            fleet: fleet.to_owned(),
            sources,
            requests: count(requests.len()),
            asked: requests.iter().fold(0, |sum, one| sum.saturating_add(one.count)),
            masked: masked(requests),
        }
    }
}

fn masked(requests: &[RecordedRequest]) -> u32 {
    count(requests.iter().filter(|request| !request.masked.is_empty()).count())
}

/// Requests that flip alike.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct FlipView {
    /// `wider`, `stricter`, `error`, `other` or `reason_only`.
    pub change: String,
    pub before: OutcomeView,
    pub after: OutcomeView,
    pub requests: u32,
    /// How often they were asked, by the recorded counts.
    #[ts(type = "number")]
    pub weight: u64,
    /// The smallest request found that flips so, as JSON.
    pub example: String,
    pub example_at: String,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct OutcomeView {
    /// `allow`, `confirm`, `deny`, `undefined`, `value`, `error` or `not evaluated`.
    pub effect: String,
    pub reason: Option<String>,
    /// The rule that answered.
    pub rule: Option<String>,
    /// What else was answered, as JSON.
    pub value: Option<String>,
}

/// Requests that were not evaluated here, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, TS)]
#[ts(export_to = "bindings.ts")]
pub struct NotEvaluatedView {
    /// Why the first version did not answer; none where it did.
    pub before: Option<String>,
    pub after: Option<String>,
    pub requests: u32,
    pub example: String,
}

impl Requests {
    pub(crate) fn of(cases: &[Case], given: &[RecordedRequest]) -> Self {
        let count = |origin| count(cases.iter().filter(|case| case.origin == origin).count());
        Self {
            recorded: count(Origin::Recorded),
            given: count(Origin::Given),
            generated: count(Origin::Generated),
            masked: masked(given),
        }
    }
}

impl CoverageView {
    pub(crate) fn of(coverage: Coverage) -> Self {
        Self {
            rules: count(coverage.rules),
            reached: count(coverage.reached),
            conditions: count(coverage.conditions),
            both_ways: count(coverage.both_ways),
            not_reached: coverage.not_reached,
        }
    }
}

impl FlipView {
    pub(crate) fn all(report: &FlipReport) -> Vec<Self> {
        let views = report.groups.iter().map(|group| Self {
            change: word(group.kind.change),
            before: OutcomeView::of(&group.example.before),
            after: OutcomeView::of(&group.example.after),
            requests: u32::try_from(group.cases).unwrap_or(u32::MAX),
            weight: group.weight,
            example: group.example.case.input.to_string(),
            example_at: group.example.case.now.to_string(),
        });
        views.collect()
    }
}

impl NotEvaluatedView {
    pub(crate) fn all(report: &FlipReport) -> Vec<Self> {
        let views = report.not_evaluated.iter().map(|group| Self {
            before: group.before.clone(),
            after: group.after.clone(),
            requests: u32::try_from(group.cases).unwrap_or(u32::MAX),
            example: group.example.input.to_string(),
        });
        views.collect()
    }
}

impl OutcomeView {
    fn of(outcome: &Outcome) -> Self {
        Self {
            effect: outcome.effect.word().to_owned(),
            reason: outcome.reason.clone(),
            rule: outcome.rule.clone(),
            value: outcome.value.as_ref().map(ToString::to_string),
        }
    }
}

fn word(change: plumb_decide::Change) -> String {
    use plumb_decide::Change;
    match change {
        Change::Wider => "wider",
        Change::Stricter => "stricter",
        Change::Error => "error",
        Change::Other => "other",
        Change::ReasonOnly => "reason_only",
    }
    .to_owned()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
