//! The reload service of the field: what it says of its bundle, and the rules it really enforces.

pub(crate) mod wire;

use std::{collections::BTreeMap, sync::Arc};

use plumb_bundle::{
    canonical::{canonical, canonicalise},
    field_rule::field_rule,
};
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
    nodes::open_reload,
};

pub(crate) const READYZ: &str = "/readyz";
pub(crate) const RULES: &str = "/rules";
pub(crate) const BUNDLE_POLICIES: &str = "/bundle/policies";
pub(crate) const HISTORY: &str = "/reload/history";

/// Readiness, the rules in force and the reload history: three requests. The policies the rules were made of are
/// asked for only when the rules or the loaded bundle are not the ones they were read with before.
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
    // The service itself asks for nothing (R279); only what stands before it could, and where we show
    // nothing that would have asked for the documents above as well.
    report.unauthenticated_reload =
        !session.shows_credential() || open_reload::is_open(session).await;
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
            report.signature = Some(Box::new(Observed::new(SignatureReport::Unsigned, READYZ, at)));
        }
        Ok(None) => {}
        Err(problem) => add_gap(report, READYZ, malformed(READYZ, problem)),
    }
    Ok(())
}

async fn take_rules(
    session: &Session<'_>,
    report: &mut NodeReport,
    rules: Answer,
) -> Result<(), NodeFailure> {
    take_clock(report, &rules);
    let at = rules.at;
    let content = content_in_force(session, report, rules.body).await?;
    report.content = Some(Observed::new(content.digest, RULES, at));
    report.policies = Some(Observed::new(content.policies.clone(), RULES, at));
    if report.version.is_none()
        && let Some(Ok(version)) = &content.version
    {
        report.version = Some(Observed::new(version.clone(), RULES, at));
    }
    Ok(())
}

async fn content_in_force(
    session: &Session<'_>,
    report: &NodeReport,
    rules: Vec<u8>,
) -> Result<Arc<KnownContent>, NodeFailure> {
    let (pool, node) = (session.pool(), session.node().url.as_str());
    let digest = Digest::of(&rules);
    let version = report.version.as_ref().map_or("", |version| version.value.as_str());
    let loaded_at = report.loaded_at.as_ref().map(|at| at.value.to_string()).unwrap_or_default();
    let loaded = format!("{version} {loaded_at}");
    if let Some(known) = pool.in_force().get(node, digest, &loaded) {
        return Ok(known);
    }
    let policies = bundle_policies(session).await?;
    // One run of bytes, since what is in force is read from both documents and remembered by both.
    let split = rules.len();
    let both = [rules, policies].concat();
    let content = pool
        .contents()
        .get(both, Dialect(format!("reload {split}")), move |bytes| {
            let (rules, policies) = bytes.split_at(split);
            let (policies, version) = read_in_force(rules, policies)?;
            Ok(KnownContent { version, ..KnownContent::of(&policies, Ordering::ByPosition) })
        })
        .await?;
    pool.in_force().keep(node, digest, loaded, content.clone());
    Ok(content)
}

/// The policies of the loaded bundle; nothing where the node has no such document. Silence is a failure, for without
/// them sound rules would look like changed ones.
pub(crate) async fn bundle_policies(session: &Session<'_>) -> Result<Vec<u8>, NodeFailure> {
    match session.get(BUNDLE_POLICIES, POLICIES_BYTES_MAX).await {
        Ok(answer) => Ok(answer.body),
        Err(failure) if failure.kind == FailureKind::HttpStatus => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

type Rules = (Vec<Policy>, Option<Result<plumb_fleet::Version, String>>);

/// What is in force, rule by rule, and the version label of `/rules`.
///
/// The field shows its rules in a form of its own. One that is what the field makes of a policy of its bundle
/// stands for that policy, named and digested as the signed bundle does; any other was put there in memory.
pub(crate) fn read_in_force(rules: &[u8], policies: &[u8]) -> Result<Rules, NodeFailure> {
    let (shown, version) = read_rules(rules)?;
    let made_of: Option<wire::BundlePolicies<'_>> = serde_json::from_slice(policies).ok();
    let raw = made_of.and_then(|document| document.policies).unwrap_or_default();
    let made_of = read_policies(BUNDLE_POLICIES, &raw)?;
    let by_rule: BTreeMap<String, &Policy> =
        made_of.iter().map(|policy| (rule_of(policy), policy)).collect();
    let in_force = shown
        .into_iter()
        .map(|rule| by_rule.get(&rule.text).map_or(rule, |policy| (*policy).clone()))
        .collect();
    Ok((in_force, version))
}

/// The canonical text of the rule the field makes of a policy; empty where the policy does not read back.
fn rule_of(policy: &Policy) -> String {
    plumb_bundle::json::parse(policy.text.as_bytes())
        .map_or_else(|_| String::new(), |value| canonical(&field_rule(&value)))
}

/// The entries of a `/rules` document in their order, each as canonical JSON, and the document's version label.
pub(crate) fn read_rules(body: &[u8]) -> Result<Rules, NodeFailure> {
    let rules: wire::Rules<'_> = json(RULES, body)?;
    let version = rules.policy_version.map(|label| version_label(&label.0));
    Ok((read_policies(RULES, &rules.rules)?, version))
}

/// Canonical text, digest and id of each policy or rule.
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
            let prefix = named.matching.and_then(|matching| matching.intent_prefix);
            // Local rules of the field may be nameless; their place names them.
            let id = named.id.or(prefix).map_or_else(|| format!("#{index}"), |label| label.0);
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
    report.stats =
        stats(&report.history).map(|stats| Box::new(Observed::new(stats, HISTORY, answer.at)));
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
        trigger: None,
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
