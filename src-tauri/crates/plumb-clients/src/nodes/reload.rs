//! The reload service of the field: what it says of its bundle, and the rules it really enforces.

pub(crate) mod wire;

use plumb_bundle::canonical::canonicalise;
use plumb_fleet::{
    Digest, FailureKind, NodeFailure, NodeReport, Observed, Ordering, Policy, ReloadEntry,
    ReloadStats, SignatureReport,
};
use serde_json::value::RawValue;

use crate::{
    content::{Dialect, KnownContent},
    error::{failure, from_status, malformed},
    http::{Answer, Session, json},
    limits::{DOCUMENT_BYTES_MAX, HISTORY_ENTRIES_MAX, POLICIES_BYTES_MAX},
    node::{add_gap, empty_report, nothing_read, said, take_clock, take_version, version_label},
};

pub(crate) const READYZ: &str = "/readyz";
pub(crate) const RULES: &str = "/rules";
pub(crate) const HISTORY: &str = "/reload/history";

/// Readiness, the rules in force and the reload history.
pub(crate) async fn observe(session: &Session<'_>) -> Result<NodeReport, NodeFailure> {
    let (readyz, rules, history) = tokio::join!(
        session.get_any(READYZ, DOCUMENT_BYTES_MAX),
        session.get(RULES, POLICIES_BYTES_MAX),
        session.get(HISTORY, DOCUMENT_BYTES_MAX),
    );
    let mut report = empty_report(session.node(), Ordering::ByPosition, session.now());
    let mut failures = Vec::new();
    let mut note = |report: &mut NodeReport, source: &str, failure: NodeFailure| {
        failures.push(failure.clone());
        add_gap(report, source, failure);
    };
    if let Err(failure) = readyz.and_then(|answer| take_readyz(&mut report, &answer)) {
        note(&mut report, READYZ, failure);
    }
    match rules {
        Ok(answer) => {
            if let Err(failure) = take_rules(session, &mut report, answer).await {
                note(&mut report, RULES, failure);
            }
        }
        Err(failure) => note(&mut report, RULES, failure),
    }
    if let Err(failure) = history.and_then(|answer| take_history(&mut report, &answer)) {
        note(&mut report, HISTORY, failure);
    }
    if failures.len() == 3 {
        return Err(nothing_read(failures));
    }
    // The service itself asks for nothing (R279); only what stands before it could, and that would
    // have asked for the documents above as well.
    report.unauthenticated_reload = !session.shows_credential();
    Ok(report)
}

/// A node without a bundle answers the same document with 503.
pub(crate) fn take_readyz(report: &mut NodeReport, answer: &Answer) -> Result<(), NodeFailure> {
    let status = answer.status.as_u16();
    if !(answer.status.is_success() || status == 503) {
        return Err(from_status(READYZ, answer.status, &answer.body));
    }
    let readyz: wire::Readyz = json(READYZ, &answer.body).map_err(|malformed| {
        if status == 503 { from_status(READYZ, answer.status, &answer.body) } else { malformed }
    })?;
    if readyz.is_empty() {
        return Err(malformed(READYZ, "none of the documented fields stand in it"));
    }
    take_clock(report, answer);
    let at = answer.at;
    report.ready = readyz.ready.map(|ready| Observed::new(ready, READYZ, at));
    if let Some(label) = &readyz.bundle_version {
        take_version(report, &label.0, READYZ, at);
    }
    match readyz.bundle_loaded_at() {
        Ok(Some(loaded)) => report.loaded_at = Some(Observed::new(loaded, READYZ, at)),
        // Rules without a bundle (version 0.0.0): nobody signed them.
        Ok(None) if readyz.bundle_version.is_some() => {
            report.signature = Some(Observed::new(SignatureReport::Unsigned, READYZ, at));
        }
        Ok(None) => {}
        Err(problem) => add_gap(report, READYZ, malformed(READYZ, problem)),
    }
    Ok(())
}

async fn take_rules(
    session: &Session<'_>,
    report: &mut NodeReport,
    answer: Answer,
) -> Result<(), NodeFailure> {
    take_clock(report, &answer);
    let at = answer.at;
    let content = session
        .pool()
        .contents()
        .get(answer.body, Dialect("reload".to_owned()), |body| {
            let (policies, version) = read_rules(body)?;
            Ok(KnownContent { version, ..KnownContent::of(&policies, Ordering::ByPosition) })
        })
        .await?;
    report.content = Some(Observed::new(content.digest, RULES, at));
    report.policies = Some(Observed::new(content.policies.clone(), RULES, at));
    if report.version.is_none()
        && let Some(Ok(version)) = &content.version
    {
        report.version = Some(Observed::new(version.clone(), RULES, at));
    }
    Ok(())
}

type Rules = (Vec<Policy>, Option<Result<plumb_fleet::Version, String>>);

/// The policies of a `/rules` document in their order, each as canonical JSON, as a signed bundle
/// names them, and the document's version label.
pub(crate) fn read_rules(body: &[u8]) -> Result<Rules, NodeFailure> {
    let rules: wire::Rules<'_> = json(RULES, body)?;
    let version = rules.policy_version.map(|label| version_label(&label.0));
    Ok((read_policies(RULES, &rules.rules)?, version))
}

/// Canonical text, digest and id of each policy.
pub(crate) fn read_policies(path: &str, rules: &[&RawValue]) -> Result<Vec<Policy>, NodeFailure> {
    rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let place = |problem: &dyn std::fmt::Display| {
                malformed(path, format_args!("policy {index}: {problem}"))
            };
            let text = canonicalise(rule.get().as_bytes()).map_err(|error| place(&error))?;
            let named: wire::Named = serde_json::from_str(&text).map_err(|error| place(&error))?;
            // Local rules of the field may be nameless; their place names them.
            let id = named.id.map_or_else(|| format!("#{index}"), |label| label.0);
            Ok(Policy { id, digest: Digest::of(text.as_bytes()), text })
        })
        .collect()
}

pub(crate) fn take_history(report: &mut NodeReport, answer: &Answer) -> Result<(), NodeFailure> {
    let history: wire::History<'_> =
        serde_json::from_slice(&answer.body).map_err(|error| malformed(HISTORY, error))?;
    take_clock(report, answer);
    let mut unreadable = 0_usize;
    let mut example = String::new();
    for entry in history.entries().iter().take(HISTORY_ENTRIES_MAX) {
        match serde_json::from_str::<wire::HistoryEntry>(entry.get()) {
            Ok(entry) => match read_entry(entry) {
                Ok(entry) => report.history.push(entry),
                Err(problem) => (unreadable, example) = (unreadable + 1, problem),
            },
            Err(error) => (unreadable, example) = (unreadable + 1, error.to_string()),
        }
    }
    if unreadable > 0 {
        let problem =
            format!("{unreadable} entries cannot be read, for example: {}", said(&example));
        add_gap(report, HISTORY, failure(FailureKind::Malformed, problem));
    }
    report.stats = stats(&report.history).map(|stats| Observed::new(stats, HISTORY, answer.at));
    Ok(())
}

fn read_entry(entry: wire::HistoryEntry) -> Result<ReloadEntry, String> {
    let at = entry.timestamp.0.ok_or("an entry has no time")?;
    Ok(ReloadEntry {
        at,
        version: entry.version.and_then(|label| version_label(&label.0).ok()),
        success: entry.success,
        duration_us: entry
            .duration_ms
            .and_then(super::loose::Number::milliseconds_as_us)
            .unwrap_or(0),
        policies: entry
            .policies_loaded
            .and_then(super::loose::Number::count)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        error: entry.error.map(|error| said(&error)),
    })
}

/// Counters over the history, which is what the field's `/reload/stats` counts as well.
fn stats(history: &[ReloadEntry]) -> Option<ReloadStats> {
    let total = history.len() as u64;
    let succeeded = history.iter().filter(|entry| entry.success).count() as u64;
    let took: u64 = history.iter().fold(0, |sum, entry| sum.saturating_add(entry.duration_us));
    let average_us = took.checked_div(total)?;
    Some(ReloadStats { total, succeeded, failed: total - succeeded, average_us })
}
