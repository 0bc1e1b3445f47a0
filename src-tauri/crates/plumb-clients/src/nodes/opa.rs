//! Open Policy Agent: content by its modules, currency by its status, settings by its configuration.

pub(crate) mod wire;

use std::collections::BTreeMap;

use plumb_fleet::{
    Digest, FailureKind, NodeFailure, NodeReport, Observed, Ordering, Policy, SignatureReport,
    snapshot::LOAD_FAILING,
};
use serde_json::Value;

use crate::{
    content::{Dialect, KnownContent},
    error::{failure, from_status, malformed},
    http::{Answer, Session, json},
    limits::{CONFIG_DEPTH_MAX, CONFIG_ENTRIES_MAX, DOCUMENT_BYTES_MAX, POLICIES_BYTES_MAX},
    node::{add_gap, empty_report, nothing_read, said, take_clock, take_version},
};

/// None of the three creates a decision-log event.
pub(crate) const STATUS: &str = "/v1/status";
pub(crate) const POLICIES: &str = "/v1/policies";
pub(crate) const CONFIG: &str = "/v1/config";

pub(crate) async fn observe(session: &Session<'_>) -> Result<NodeReport, NodeFailure> {
    let (status, policies, config) = tokio::join!(
        session.get_any(STATUS, DOCUMENT_BYTES_MAX),
        session.get(POLICIES, POLICIES_BYTES_MAX),
        session.get(CONFIG, DOCUMENT_BYTES_MAX),
    );
    let mut report = empty_report(session.node(), Ordering::Unordered, session.now());
    let mut failures = Vec::new();
    let mut note = |report: &mut NodeReport, source: &str, failure: NodeFailure| {
        failures.push(failure.clone());
        add_gap(report, source, failure);
    };
    let config = config.and_then(|answer| {
        take_clock(&mut report, &answer);
        json::<wire::Document<Value>>(CONFIG, &answer.body)
    });
    let mut bundle = session.node().bundle.clone();
    match config {
        Ok(config) => {
            take_config(&mut report, &config.result);
            bundle = bundle.or_else(|| only_key(config.result.get("bundles")));
        }
        Err(failure) => note(&mut report, CONFIG, failure),
    }
    match status.and_then(|answer| take_status(&mut report, &answer, bundle.as_deref())) {
        Ok(found) => bundle = bundle.or(found),
        Err(failure) => note(&mut report, STATUS, failure),
    }
    match policies {
        Ok(answer) => {
            if let Err(failure) = take_policies(session, &mut report, answer, bundle).await {
                note(&mut report, POLICIES, failure);
            }
        }
        Err(failure) => note(&mut report, POLICIES, failure),
    }
    if failures.len() == 3 {
        return Err(nothing_read(failures));
    }
    Ok(report)
}

/// The name of the bundle a node follows: of the fleet file, or the only one of its configuration.
pub(crate) async fn bundle_of(session: &Session<'_>) -> Result<Option<String>, NodeFailure> {
    if let Some(bundle) = &session.node().bundle {
        return Ok(Some(bundle.clone()));
    }
    Ok(only_key(config_document(session).await?.get("bundles")))
}

/// The configuration as dotted keys, as `plumb policy opa config show` prints it.
pub(crate) async fn config(session: &Session<'_>) -> Result<BTreeMap<String, String>, NodeFailure> {
    let mut settings = Vec::new();
    flatten(&config_document(session).await?, &mut String::new(), 0, &mut settings);
    Ok(settings.into_iter().collect())
}

async fn config_document(session: &Session<'_>) -> Result<Value, NodeFailure> {
    let answer = session.get(CONFIG, DOCUMENT_BYTES_MAX).await?;
    Ok(json::<wire::Document<Value>>(CONFIG, &answer.body)?.result)
}

/// The bundle of a map that has only one.
fn only_key(bundles: Option<&Value>) -> Option<String> {
    let bundles = bundles?.as_object()?;
    if bundles.len() == 1 { bundles.keys().next().cloned() } else { None }
}

/// Reads the status; gives the name of the bundle it took the facts from.
pub(crate) fn take_status(
    report: &mut NodeReport,
    answer: &Answer,
    wanted: Option<&str>,
) -> Result<Option<String>, NodeFailure> {
    if !answer.status.is_success() {
        return Err(no_status(answer));
    }
    let status: wire::Status = json::<wire::Document<_>>(STATUS, &answer.body)?.result;
    take_clock(report, answer);
    let at = answer.at;
    if let Some(bundle) = status.plugins.get("bundle") {
        report.ready = Some(Observed::new(bundle.state == "OK", STATUS, at));
    }
    if let Some(version) = status.labels.get("version") {
        report.config.insert("opa.version".to_owned(), said(version));
    }
    for (name, bundle) in &status.bundles {
        take_trouble(report, name, bundle);
    }
    if let Some(discovery) = &status.discovery {
        take_trouble(report, "discovery", discovery);
    }
    let chosen = match wanted {
        Some(name) => status.bundles.get_key_value(name),
        None if status.bundles.len() == 1 => status.bundles.iter().next(),
        None => None,
    };
    let Some((name, bundle)) = chosen else {
        let problem = match wanted {
            Some(name) => format!("this OPA has no bundle named {}", said(name)),
            None if status.bundles.is_empty() => "this OPA has no bundle".to_owned(),
            None => {
                "this OPA has several bundles; name one with `bundle` in the fleet file".to_owned()
            }
        };
        add_gap(report, STATUS, failure(FailureKind::Reported, problem));
        return Ok(None);
    };
    report.bundle_id = Some(Observed::new(said(name), STATUS, at));
    if let Some(revision) = bundle.active_revision.as_deref().filter(|label| !label.is_empty()) {
        take_version(report, revision, STATUS, at);
    }
    report.loaded_at =
        bundle.last_successful_activation.0.map(|loaded| Observed::new(loaded, STATUS, at));
    report.confirmed_at =
        bundle.last_successful_request.0.map(|confirmed| Observed::new(confirmed, STATUS, at));
    // It stands as long as OPA tells it, whenever it last tried.
    if let Some(code) = bundle.code.as_deref().filter(|code| !code.is_empty()) {
        report.config.insert(LOAD_FAILING.to_owned(), said(code));
    }
    report.signature =
        refused_signature(bundle).map(|refused| Box::new(Observed::new(refused, STATUS, at)));
    Ok(Some(name.clone()))
}

fn no_status(answer: &Answer) -> NodeFailure {
    let error: Option<wire::OpaError> = serde_json::from_slice(&answer.body).ok();
    if error.is_some_and(|error| error.message.contains("status plugin not enabled")) {
        return failure(
            FailureKind::Reported,
            "the status plugin is not enabled, so failed activations and the revision cannot be seen; add `status: {console: true}` to OPA's configuration",
        );
    }
    from_status(STATUS, answer.status, &answer.body)
}

/// Health stays green through these: only the status tells.
fn take_trouble(report: &mut NodeReport, name: &str, bundle: &wire::Bundle) {
    let Some(code) = bundle.code.as_deref().filter(|code| !code.is_empty()) else { return };
    let mut message =
        format!("bundle {}: {}", said(name), said(bundle.message.as_deref().unwrap_or(code)));
    if let Some(first) = bundle.errors.first() {
        let words = first
            .get("message")
            .and_then(Value::as_str)
            .map_or_else(|| first.to_string(), str::to_owned);
        message = format!("{message} ({})", said(&words));
    }
    if let Some(code) = bundle.http_code.and_then(super::loose::Number::count) {
        message = format!("{message} (its server answered {code})");
    }
    add_gap(report, STATUS, failure(FailureKind::Reported, message));
}

/// What OPA 1.9 says when it refuses a bundle for its signature. A missing key is not among them:
/// that is a setting of this OPA, not a property of the bundle.
const SIGNATURE_REFUSALS: [&str; 5] = [
    "failed to verify JWT signature",
    "bundle missing .signatures.json",
    "scope mismatch",
    "digest mismatch",
    "not included in bundle signature",
];

fn refused_signature(bundle: &wire::Bundle) -> Option<SignatureReport> {
    bundle.code.as_deref().filter(|code| !code.is_empty())?;
    let message = bundle.message.as_deref()?;
    SIGNATURE_REFUSALS
        .iter()
        .any(|refusal| message.contains(refusal))
        .then(|| SignatureReport::Invalid { reason: said(message) })
}

async fn take_policies(
    session: &Session<'_>,
    report: &mut NodeReport,
    answer: Answer,
    bundle: Option<String>,
) -> Result<(), NodeFailure> {
    take_clock(report, &answer);
    let at = answer.at;
    let dialect = Dialect(format!("opa {}", bundle.as_deref().unwrap_or_default()));
    let content = session
        .pool()
        .contents()
        .get(answer.body, dialect, move |body| {
            let policies = read_modules(body, bundle.as_deref())?;
            Ok(KnownContent::of(&policies, Ordering::Unordered))
        })
        .await?;
    report.content = Some(Observed::new(content.digest, POLICIES, at));
    report.policies = Some(Observed::new(content.policies.clone(), POLICIES, at));
    Ok(())
}

/// The modules in force, named as in the bundle: OPA puts the bundle's name before the path.
pub(crate) fn read_modules(body: &[u8], bundle: Option<&str>) -> Result<Vec<Policy>, NodeFailure> {
    let modules: Vec<wire::Module> = json::<wire::Document<_>>(POLICIES, body)?.result;
    let mut policies: Vec<Policy> = modules
        .into_iter()
        .map(|module| {
            let below = bundle
                .and_then(|name| module.id.strip_prefix(name))
                .and_then(|rest| rest.strip_prefix('/'));
            let id = below
                .map_or_else(|| module.id.clone(), |path| path.trim_start_matches('/').to_owned());
            Policy { id, digest: Digest::of(module.raw.as_bytes()), text: module.raw }
        })
        .collect();
    policies.sort_by(|a, b| a.id.cmp(&b.id));
    if policies.windows(2).any(|pair| pair[0].id == pair[1].id) {
        return Err(malformed(POLICIES, "a module stands twice in it"));
    }
    Ok(policies)
}

pub(crate) fn take_config(report: &mut NodeReport, config: &Value) {
    let mut settings = Vec::new();
    flatten(config, &mut String::new(), 0, &mut settings);
    report.config.extend(settings);
}

pub(crate) fn flatten(
    value: &Value,
    key: &mut String,
    depth: usize,
    out: &mut Vec<(String, String)>,
) {
    if out.len() >= CONFIG_ENTRIES_MAX {
        return;
    }
    match value {
        Value::Object(members) if depth < CONFIG_DEPTH_MAX => {
            for (name, member) in members {
                let length = key.len();
                if !key.is_empty() {
                    key.push('.');
                }
                key.push_str(&said(name));
                flatten(member, key, depth + 1, out);
                key.truncate(length);
            }
        }
        Value::String(text) => out.push((key.clone(), said(text))),
        other => out.push((key.clone(), said(&other.to_string()))),
    }
}
