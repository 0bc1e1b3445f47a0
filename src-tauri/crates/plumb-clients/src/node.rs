//! Observing one node: three requests side by side, one report or one failure.

use std::time::Duration;

use jiff::Timestamp;
use plumb_fleet::{
    FailureKind, Node, NodeApi, NodeFailure, NodeReport, Observed, Ordering, ReportGap, Version,
};
use tokio::time::Instant;

use crate::{
    error::failure,
    escape::escape,
    http::{Answer, HttpPool, Lane, Now, Session},
    limits::{EXCERPT_CHARS_MAX, GAPS_MAX},
    nodes::{agent, opa, reload},
};

/// Asks a node for everything a sweep wants to know of it.
///
/// Parts that cannot be read are gaps of the report; only when nothing could be read is it a failure.
pub async fn observe(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<NodeReport, NodeFailure> {
    observe_on(pool, node, deadline, now, Lane::Warm).await
}

pub(crate) async fn observe_on(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
    lane: Lane,
) -> Result<NodeReport, NodeFailure> {
    let started = Instant::now();
    let session = Session::open(pool, node, lane, deadline, now).await?;
    let report = match node.api {
        NodeApi::Reload => reload::observe(&session).await,
        NodeApi::Opa => opa::observe(&session).await,
        NodeApi::Agent => agent::observe(&session).await,
    };
    match report {
        Ok(mut report) => {
            report.at = now();
            let elapsed = started.elapsed().as_millis();
            report.latency_ms = u32::try_from(elapsed).unwrap_or(u32::MAX);
            Ok(report)
        }
        Err(failure) => {
            if failure.kind == FailureKind::Auth
                && let Some(credential) = &node.credential
            {
                // The token may have been replaced; the next sweep asks its source again.
                pool.tokens().forget(credential);
            }
            Err(failure)
        }
    }
}

/// A report with nothing in it yet.
pub(crate) fn empty_report(node: &Node, ordering: Ordering, at: Timestamp) -> NodeReport {
    NodeReport {
        node: node.id.clone(),
        api: node.api,
        at,
        latency_ms: 0,
        bundle_id: None,
        version: None,
        bundle_digest: None,
        content: None,
        ordering,
        policies: None,
        loaded_at: None,
        confirmed_at: None,
        signature: None,
        verification: None,
        standing: None,
        last_known_good: None,
        pinned: None,
        ready: None,
        stats: None,
        history: Vec::new(),
        uptime_s: None,
        clock_skew_ms: None,
        unauthenticated_reload: false,
        config: std::collections::BTreeMap::new(),
        gaps: Vec::new(),
    }
}

/// Adds a gap, up to a number that fits the store.
pub(crate) fn add_gap(report: &mut NodeReport, source: &str, failure: NodeFailure) {
    if report.gaps.len() < GAPS_MAX {
        report.gaps.push(ReportGap { source: source.to_owned(), failure });
    }
}

/// Takes the node's clock from an answer; the first one counts.
pub(crate) fn take_clock(report: &mut NodeReport, answer: &Answer) {
    if report.clock_skew_ms.is_none()
        && let Some(date) = answer.date
    {
        report.clock_skew_ms =
            Some(date.as_millisecond().saturating_sub(answer.at.as_millisecond()));
    }
}

/// A version label as a node wrote it, checked; the problem names the character it holds.
pub(crate) fn version_label(label: &str) -> Result<Version, String> {
    Version::new(label).map_err(|error| {
        format!("the version {:?} {error}", escape(label, 40)).replace("\\\\", "\\")
    })
}

/// Sets the version from a label, or leaves a gap.
pub(crate) fn take_version(report: &mut NodeReport, label: &str, source: &str, at: Timestamp) {
    match version_label(label) {
        Ok(version) => report.version = Some(Observed::new(version, source, at)),
        Err(problem) => add_gap(report, source, failure(FailureKind::Malformed, problem)),
    }
}

/// A node's own words in a report.
pub(crate) fn said(text: &str) -> String {
    escape(text, EXCERPT_CHARS_MAX)
}

/// The failure of an observation none of whose documents could be read: the worst says most.
pub(crate) fn nothing_read(failures: Vec<NodeFailure>) -> NodeFailure {
    let rank = |failure: &NodeFailure| match failure.kind {
        FailureKind::Auth => 0,
        FailureKind::Tls => 1,
        FailureKind::Policy => 2,
        FailureKind::Refused => 3,
        FailureKind::TooLarge => 4,
        FailureKind::TimedOut => 5,
        FailureKind::HttpStatus | FailureKind::Malformed | FailureKind::Reported => 6,
    };
    failures
        .into_iter()
        .min_by_key(rank)
        .unwrap_or_else(|| failure(FailureKind::Malformed, "the node answered nothing of use"))
}
