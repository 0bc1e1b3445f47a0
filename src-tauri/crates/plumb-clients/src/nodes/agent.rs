//! Our agent: says by digest what it enforces, whose signature that has and who confirmed it.

mod verification;

use plumb_fleet::{
    BundleDigest, ContentDigest, FailureKind, NodeFailure, NodeReport, Observed, Ordering, Policy,
    PolicyRef, ReloadEntry, ReloadStats, ReloadTrigger, SignatureReport,
    snapshot::{
        LOCK_OWNER, NamedContent, PINNED_VERSION, REFUSED_LIST, REMEMBERS_PLANS, REQUIRES_APPROVAL,
    },
};
use plumb_wire::v1;

use crate::{
    error::{failure, malformed},
    http::{Answer, Session, json},
    limits::{DOCUMENT_BYTES_MAX, HISTORY_ENTRIES_MAX, POLICIES_BYTES_MAX, SETTINGS_MAX},
    node::{add_gap, empty_report, nothing_read, said, take_clock, take_version, version_label},
    nodes::{
        loose::Number,
        reload::{self, READYZ},
    },
};

const STATUS: &str = v1::path::STATUS;
/// Entries of the history a sweep asks for: twice the documented ring.
const HISTORY: &str = "/v1/agent/history?limit=20";

/// Status with content by digest, readiness as its clients see it, and the newest reload attempts.
pub(crate) async fn observe(session: &Session<'_>) -> Result<NodeReport, NodeFailure> {
    let (status, readyz, history) = tokio::join!(
        session.get(STATUS, POLICIES_BYTES_MAX),
        session.get_any(READYZ, DOCUMENT_BYTES_MAX),
        session.get(HISTORY, DOCUMENT_BYTES_MAX),
    );
    let mut report = empty_report(session.node(), Ordering::ByPosition, session.now());
    let mut failures = Vec::new();
    let mut note = |report: &mut NodeReport, source: &str, failure: NodeFailure| {
        failures.push(failure.clone());
        add_gap(report, source, failure);
    };
    if let Err(failure) = readyz.and_then(|answer| reload::take_readyz(&mut report, &answer)) {
        note(&mut report, READYZ, failure);
    }
    if let Err(failure) = status.and_then(|answer| take_status(&mut report, &answer)) {
        note(&mut report, STATUS, failure);
    }
    if let Err(failure) = history.and_then(|answer| take_history(&mut report, &answer)) {
        note(&mut report, v1::path::HISTORY, failure);
    }
    if failures.len() == 3 {
        return Err(nothing_read(failures));
    }
    Ok(report)
}

/// Reads the status over what `/readyz` said: the same facts, with digests.
pub(crate) fn take_status(report: &mut NodeReport, answer: &Answer) -> Result<(), NodeFailure> {
    let status: v1::Status = json(STATUS, &answer.body)?;
    take_clock(report, answer);
    let at = answer.at;
    report.ordering = ordering(status.ordering);
    report.uptime_s = Some(Observed::new(status.uptime_s, STATUS, at));
    report.unauthenticated_reload = status.mode.authentication == v1::Authentication::None;
    report.stats = Some(Box::new(Observed::new(stats(&status.reloads), STATUS, at)));
    if let Some(content) = &status.content {
        match content.parse::<ContentDigest>() {
            Ok(content) => report.content = Some(Observed::new(content, STATUS, at)),
            Err(error) => {
                add_gap(report, STATUS, malformed(STATUS, format_args!("content: {error}")));
            }
        }
    }
    match policies(&status.policies) {
        Ok(policies) => report.policies = Some(Observed::new(policies, STATUS, at)),
        Err(problem) => add_gap(report, STATUS, malformed(STATUS, problem)),
    }
    describe(report, &status);
    if let Some(good) = &status.last_known_good {
        report.last_known_good = named(&good.version, Some(&good.content), at).map(Box::new);
    }
    if let Some(pin) = &status.pinned {
        report.pinned = named(&pin.version, pin.content.as_deref(), at).map(Box::new);
    }
    if let Some(bundle) = &status.bundle {
        take_bundle(report, bundle, at);
    }
    verification::take(report, &status, at);
    if let Some(fallback) = &status.fallback {
        let message = format!("the agent runs a fallback: {}", said(&fallback.reason));
        add_gap(report, STATUS, failure(FailureKind::Reported, message));
    }
    Ok(())
}

/// A version with its content, where both can be read.
fn named(
    version: &str,
    content: Option<&str>,
    at: jiff::Timestamp,
) -> Option<Observed<NamedContent>> {
    let version = version_label(version).ok()?;
    let content = content?.parse().ok()?;
    Some(Observed::new(NamedContent { version, content }, STATUS, at))
}

fn take_bundle(report: &mut NodeReport, bundle: &v1::BundleStatus, at: jiff::Timestamp) {
    report.bundle_id = Some(Observed::new(said(&bundle.id), STATUS, at));
    take_version(report, &bundle.version, STATUS, at);
    match bundle.digest.parse::<BundleDigest>() {
        Ok(digest) => report.bundle_digest = Some(Observed::new(digest, STATUS, at)),
        Err(error) => add_gap(report, STATUS, malformed(STATUS, format_args!("digest: {error}"))),
    }
    report.loaded_at = Some(Observed::new(bundle.loaded_at, STATUS, at));
    report.confirmed_at = Some(Observed::new(bundle.confirmed_at, STATUS, at));
    report.signature = Some(Box::new(Observed::new(signature(&bundle.signature), STATUS, at)));
}

fn signature(status: &v1::SignatureStatus) -> SignatureReport {
    match status.verdict {
        v1::SignatureVerdict::Valid => {
            SignatureReport::Valid { scheme: said(&status.scheme), key: said(&status.key) }
        }
        v1::SignatureVerdict::Unsigned => SignatureReport::Unsigned,
        v1::SignatureVerdict::Invalid => {
            let failed = status.checks.iter().find(|check| !check.passed);
            let reason = failed.map_or_else(
                || "the agent does not say why".to_owned(),
                |check| check.detail.as_deref().map_or_else(|| said(&check.name), said),
            );
            SignatureReport::Invalid { reason }
        }
    }
}

/// Facts worth a line that have no field of their own.
fn describe(report: &mut NodeReport, status: &v1::Status) {
    let mut tell = |key: &str, value: String| {
        report.config.insert(key.to_owned(), value);
    };
    for (key, value) in status.settings.iter().take(SETTINGS_MAX) {
        tell(&said(key), setting_text(value));
    }
    tell("agent.version", said(&status.agent_version));
    tell("agent.field_compatible", status.mode.field_compatible.to_string());
    tell("agent.insecure_behind_proxy", status.mode.insecure_behind_proxy.to_string());
    tell("agent.tls", status.mode.tls.to_string());
    tell("agent.watch", status.mode.watch.to_string());
    tell(
        "agent.authentication",
        match status.mode.authentication {
            v1::Authentication::Token => "token",
            v1::Authentication::Mtls => "mtls",
            v1::Authentication::None => "none",
        }
        .to_owned(),
    );
    tell(
        "agent.no_bundle",
        match status.mode.no_bundle {
            v1::NoBundle::Deny => "deny",
            v1::NoBundle::Allow => "allow",
        }
        .to_owned(),
    );
    if let Some(guards) = &status.guards {
        let how_long = match guards.plans {
            v1::PlansKept::Durably => "durably",
            v1::PlansKept::UntilItEnds => "until it ends",
        };
        tell(REMEMBERS_PLANS, how_long.to_owned());
        let owner = guards.lock.as_ref().map_or("nobody".to_owned(), |held| said(&held.owner));
        tell(LOCK_OWNER, owner);
        if let Some(governed) = &guards.governed {
            let version = governed.refused_version.map_or("none".to_owned(), |it| it.to_string());
            tell(REFUSED_LIST, version);
            if governed.requires_approval {
                tell(REQUIRES_APPROVAL, "true".to_owned());
            }
            tell("agent.roster", governed.roster_version.to_string());
            tell("agent.member", said(&format!("{}/{}", governed.fleet, governed.node)));
        }
    }
    if let Some(pin) = &status.pinned {
        tell(PINNED_VERSION, said(&pin.version));
    }
    if let Some(good) = &status.last_known_good {
        tell("last_known_good.path", said(&good.path));
        tell("last_known_good.digest", said(&good.digest));
    }
    if let Some(bundle) = &status.bundle {
        tell("bundle.path", said(&bundle.path));
    }
}

/// The value of a setting as it is typed.
pub(crate) fn setting_text(value: &v1::ConfigValue) -> String {
    match value {
        v1::ConfigValue::Flag(flag) => flag.to_string(),
        v1::ConfigValue::Number(number) => number.to_string(),
        v1::ConfigValue::Text(text) => said(text),
    }
}

fn ordering(ordering: v1::Ordering) -> Ordering {
    match ordering {
        v1::Ordering::ByPosition => Ordering::ByPosition,
        v1::Ordering::Unordered => Ordering::Unordered,
    }
}

fn policies(refs: &[v1::PolicyRef]) -> Result<Vec<PolicyRef>, String> {
    refs.iter()
        .map(|policy| {
            let digest = policy.digest.parse().map_err(|error| format!("policies: {error}"))?;
            Ok(PolicyRef { id: policy.id.clone(), digest })
        })
        .collect()
}

fn stats(reloads: &v1::Reloads) -> ReloadStats {
    ReloadStats {
        total: reloads.total,
        succeeded: reloads.succeeded,
        failed: reloads.failed,
        average_us: Number(reloads.average_ms).milliseconds_as_us().unwrap_or(0),
    }
}

pub(crate) fn take_history(report: &mut NodeReport, answer: &Answer) -> Result<(), NodeFailure> {
    let history: v1::History = json(v1::path::HISTORY, &answer.body)?;
    take_clock(report, answer);
    report.history = history
        .entries
        .into_iter()
        .take(HISTORY_ENTRIES_MAX)
        .map(|entry| ReloadEntry {
            at: entry.timestamp,
            version: entry.version.and_then(|label| version_label(&label).ok()),
            success: entry.success,
            duration_us: Number(entry.duration_ms).milliseconds_as_us().unwrap_or(0),
            policies: entry.policies_loaded,
            error: entry.error.map(|error| said(&error)),
            trigger: Some(trigger(entry.trigger)),
        })
        .collect();
    Ok(())
}

const fn trigger(trigger: v1::Trigger) -> ReloadTrigger {
    match trigger {
        v1::Trigger::Start => ReloadTrigger::Start,
        v1::Trigger::Request => ReloadTrigger::Request,
        v1::Trigger::Sync => ReloadTrigger::Sync,
        v1::Trigger::Rollback => ReloadTrigger::Rollback,
        v1::Trigger::Restart => ReloadTrigger::Restart,
        v1::Trigger::Watch => ReloadTrigger::Watch,
        // A look that failed before anything was loaded.
        v1::Trigger::Poll | v1::Trigger::Fetch => ReloadTrigger::Poll,
    }
}

/// The policies of a `/v1/agent/policies` document. Digests are computed here, not believed.
pub(crate) fn read_policies(body: &[u8]) -> Result<(Vec<Policy>, Ordering), NodeFailure> {
    let document: v1::Policies = json(v1::path::POLICIES, body)?;
    let policies = document
        .policies
        .into_iter()
        .map(|policy| Policy {
            id: policy.id,
            digest: plumb_fleet::Digest::of(policy.text.as_bytes()),
            text: policy.text,
        })
        .collect();
    Ok((policies, ordering(document.ordering)))
}
