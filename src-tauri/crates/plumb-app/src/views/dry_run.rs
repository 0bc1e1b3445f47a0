//! What a dry run of a plan found.

use plumb_runbook::{Compared, ContentChange, FlipCounts, Running};
use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

use super::impact::ReadingView;

/// The answers of every node of a plan. Nothing was changed for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DryRunView {
    pub plan: String,
    pub fleet: String,
    /// SHA-256 over verdicts and observed contents: what an approval binds.
    pub digest: String,
    pub at_ms: i64,
    /// Nodes with which the plan would not go as planned.
    pub hindered: u32,
    /// How many nodes gave which answers, most nodes first.
    pub summary: Vec<String>,
    pub nodes: Vec<DryRunNodeView>,
    /// What each change of content changes in the answers, those of most nodes first.
    pub decisions: Vec<ContentChangeView>,
    /// SHA-256 over those, which an approval binds too; none where no content changes.
    pub decisions_digest: Option<String>,
    /// What was found otherwise than by the dry run before, one node a line.
    pub changed: Vec<String>,
}

/// What asking two contents the same requests came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ContentChangeView {
    /// In one line.
    pub sentence: String,
    /// What flips, one line a kind with an example, the gravest first.
    pub kinds: Vec<String>,
    /// SHA-256 of the whole report; none where they were not compared.
    pub report: Option<String>,
    pub from_content: Option<String>,
    pub to_content: Option<String>,
    /// How the nodes that make this change read conditions; none in old reports.
    pub reading: Option<ReadingView>,
    pub from_version: Option<String>,
    pub to_version: Option<String>,
    /// Why they were not compared.
    pub not_compared: Option<String>,
    /// Requests after which more is let through.
    pub wider: u32,
    /// Requests after which less is let through.
    pub stricter: u32,
    /// Requests that are answered differently in any way.
    pub flips: u32,
    pub not_evaluated: u32,
    pub requests: u32,
}

impl ContentChangeView {
    pub(crate) fn of(change: &ContentChange) -> Self {
        let version = |running: &Running| running.version.as_ref().map(ToString::to_string);
        let content = |running: &Running| running.content.map(|content| content.to_string());
        let (requests, flips, not_compared) = match &change.compared {
            Compared::Yes { requests, flips, .. } => (*requests, *flips, None),
            Compared::No { reason } => (0, FlipCounts::default(), Some(reason.clone())),
        };
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            sentence: change.sentence(),
            kinds: change.kinds().collect(),
            report: match &change.compared {
                Compared::Yes { report, .. } => Some(report.to_string()),
                Compared::No { .. } => None,
            },
            from_content: content(&change.from),
            to_content: content(&change.to),
            reading: change.read.map(ReadingView::of),
            from_version: version(&change.from),
            to_version: version(&change.to),
            not_compared,
            wider: count(flips.wider),
            stricter: count(flips.stricter),
            flips: count(flips.flips()),
            not_evaluated: count(flips.not_evaluated),
            requests: count(requests),
        }
    }
}

/// What one node answered, each verdict in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct DryRunNodeView {
    pub node: String,
    pub verify: String,
    pub ready: String,
    pub precondition: String,
    pub way_back: String,
    pub has_way_back: bool,
    pub runs_version: Option<String>,
    pub runs_content: Option<String>,
    /// Why the plan would not go as planned here.
    pub hindrance: Option<String>,
}
