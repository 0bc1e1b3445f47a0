//! Health, metrics, bundle, rules and decisions, as seen on the field's service.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse as _,
};
use jiff::Timestamp;
use plumb_decide::{Decision, Request};
use plumb_wire::v1::{Authentication, Fallback, LogLevel, NoBundle};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    raw_json, read_json,
    reload::{Entry, entry},
};
use crate::{
    core::{Answering, Core, InForce, RequestCounts},
    decisions::{count, decide, input_of},
    limits::CAPABILITY_BYTES_MAX,
    load::{Loaded, Policies},
    metrics::{self, CheckSeen, PackOrigin, seconds_between},
    packs::PackHealth,
    problem::Fault,
    rules::{Rules, list},
    shape::{field_moment, metadata_text},
    stats::round,
};

/// Version the field's service names while only local rules are loaded.
const NO_VERSION: &str = "0.0.0";
/// Load age in hours from which a bundle is called stale (R266).
const STALE_HOURS: f64 = 24.0;

/// `GET /healthz`.
pub(super) async fn health(State(core): State<Arc<Core>>) -> Json<Value> {
    RequestCounts::count(&core.requests.health);
    if core.config.field_compatible {
        return Json(json!({ "status": "ok", "service": "unison-policy" }));
    }
    let warnings = warnings(&core);
    let fallback = core.book().fallback.clone();
    let policy = policy_health(&core);
    Json(json!({
        "status": "ok",
        "service": "plumb-agent",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": core.uptime().as_secs(),
        "no_bundle": core.no_bundle(),
        "authentication": core.config.authentication(),
        "insecure_behind_proxy": core.config.insecure_behind_proxy,
        "fallback": fallback,
        "warnings": warnings,
        "policy": policy,
    }))
}

/// What `/healthz` says of the policies, on top of whether the process lives (R182). Ages are in
/// seconds by the agent's clock, nothing while there is no bundle.
#[derive(Debug, Serialize)]
struct PolicyHealth {
    version: Option<String>,
    digest: Option<String>,
    content: Option<String>,
    /// Since the source last offered exactly this digest.
    digest_age_s: Option<u64>,
    /// Since the bundle was loaded.
    load_age_s: Option<u64>,
    last_reload: Option<Entry>,
    consecutive_failures: u64,
    fallback_active: bool,
    fallback: Option<Fallback>,
    /// Each check, as it came out the last time it was made.
    verification: Vec<CheckSeen>,
    source: PackOrigin,
    /// The registry and the pack in force, where packs are run.
    pack: Option<PackHealth>,
}

fn policy_health(core: &Core) -> PolicyHealth {
    let now = core.now();
    let in_force = core.in_force.load_full();
    let pack = core.pack.read();
    let pack_health = core.pack_health();
    let refused_newer = pack_health.as_ref().is_some_and(|health| health.fallback);
    let whole_s = |since| seconds_between(since, now).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
    let age_s = |since: Timestamp| in_force.as_ref().map(|_| whole_s(since) as u64);
    let book = core.book();
    PolicyHealth {
        version: in_force.as_ref().map(|now| now.version().to_owned()),
        digest: in_force.as_ref().map(|now| now.bundle.digest.to_string()),
        content: in_force.as_ref().map(|now| now.bundle.content.to_string()),
        digest_age_s: age_s(core.confirmed_at()),
        load_age_s: in_force.as_ref().and_then(|now| age_s(now.loaded_at)),
        last_reload: book.history.all().next().map(|record| entry(core, record)),
        consecutive_failures: book.history.consecutive_failures(),
        fallback_active: pack.fallback_active || refused_newer,
        fallback: book.fallback.clone(),
        verification: pack.checks.into_iter().map(|(check, _)| check).collect(),
        source: pack.origin.unwrap_or_else(|| PackOrigin::File(book.source.display().to_string())),
        pack: pack_health,
    }
}

/// What an operator should not find out by accident.
pub(crate) fn warnings(core: &Core) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if core.config.authentication() == Authentication::None {
        warnings.push("mutating requests need no credential; listening on loopback only");
    }
    if core.config.insecure_behind_proxy && core.config.tls.is_none() {
        warnings.push("plain HTTP beyond loopback: TLS is left to a proxy in front");
    }
    if core.no_bundle() == NoBundle::Allow {
        warnings.push("everything is allowed while there is no verified bundle");
    }
    if core.state_dir.is_none() {
        warnings.push("no state folder: pin, settings and history do not survive a restart");
    }
    warnings
}

/// `GET /readyz`.
pub(super) async fn ready(State(core): State<Arc<Core>>) -> Response<Body> {
    let now = core.in_force.load_full();
    let age_h = now
        .as_ref()
        .map(|now| (core.now().as_microsecond() - now.loaded_at.as_microsecond()) as f64 / 3.6e9);
    let loaded_at = now.as_ref().map(|now| moment(&core, now.loaded_at));
    let version = now.as_ref().map(|now| now.version().to_owned());
    let stale = age_h.is_some_and(|age_h| age_h > STALE_HOURS);
    if core.config.field_compatible {
        let version = version.unwrap_or_else(|| NO_VERSION.to_owned());
        return Json(json!({
            "ready": true,
            "bundle_version": version,
            "bundle_loaded_at": loaded_at,
            "bundle_age_hours": age_h.map(round),
            "bundle_stale": stale,
        }))
        .into_response();
    }
    let ready = now.is_some() || core.no_bundle() == NoBundle::Allow;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "bundle_version": version,
        "bundle_loaded_at": loaded_at,
        "bundle_age_hours": age_h.map(round),
        "bundle_stale": stale,
        "no_bundle": core.no_bundle(),
        "insecure_behind_proxy": core.config.insecure_behind_proxy,
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`.
pub(super) async fn metrics(State(core): State<Arc<Core>>) -> Response<Body> {
    let mut response = Response::new(Body::from(metrics::text(&core)));
    let media = HeaderValue::from_static(if core.config.field_compatible {
        "text/plain; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    });
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

/// `GET /bundle`.
pub(super) async fn bundle(State(core): State<Arc<Core>>) -> Json<Value> {
    let Some(now) = core.in_force.load_full() else {
        let source = if core.config.field_compatible { "yaml_file" } else { "none" };
        let count = core.answering().count();
        return Json(json!({ "bundle_loaded": false, "rules_count": count, "source": source }));
    };
    let bundle = &now.bundle;
    let issued_at = match bundle.document() {
        Some(document) => metadata_text(document, "issued_at"),
        None => bundle.issued_at().map(|at| at.to_string()),
    };
    let mut body = json!({
        "bundle_loaded": true,
        "bundle_id": bundle.id(),
        "version": bundle.version(),
        "issued_at": issued_at,
        "issuer": bundle.issuer(),
        "loaded_at": moment(&core, now.loaded_at),
        "policies_count": now.bundle.refs.len(),
        "signature_verified": true,
    });
    if !core.config.field_compatible {
        body["digest"] = json!(now.bundle.digest);
        body["content"] = json!(now.bundle.content);
    }
    Json(body)
}

/// `GET /bundle/policies`.
pub(super) async fn policies(State(core): State<Arc<Core>>) -> Response<Body> {
    let Some(now) = core.in_force.load_full() else {
        let rules = shown(&core.answering());
        return raw_json([b"{\"source\":\"yaml_rules\",\"rules\":", &rules[..], b"}"].concat());
    };
    let id = json!(now.bundle.id()).to_string();
    let (source, policies) = match &now.bundle.policies {
        Policies::FirstMatch { .. } => ("signed_bundle", list(now.bundle.texts().into_iter())),
        Policies::Rego { .. } => ("policy_pack", modules(&now.bundle)),
    };
    let head = format!("{{\"source\":\"{source}\",\"bundle_id\":{id},\"policies\":");
    raw_json([head.as_bytes(), &policies[..], b"}"].concat())
}

fn shown(answering: &Answering) -> Bytes {
    match (answering.rules(), answering.in_force()) {
        (Some(rules), now) => rules.shown(now.and_then(|now| now.bundle.document())),
        (None, Some(now)) => modules(&now.bundle),
        (None, None) => Bytes::from_static(b"[]"),
    }
}

/// Rego modules, which have no form of the field's own.
fn modules(bundle: &Loaded) -> Bytes {
    let texts = bundle.texts();
    list(bundle.refs.iter().zip(texts).map(|(policy, text)| {
        json!({
            "id": policy.id,
            "language": "rego",
            "digest": policy.digest.to_hex(),
            "text": text,
        })
        .to_string()
    }))
}

fn version_of(now: Option<&InForce>) -> String {
    now.map_or_else(|| NO_VERSION.to_owned(), |now| now.version().to_owned())
}

/// `GET /rules`: what is really in force.
pub(super) async fn rules(State(core): State<Arc<Core>>) -> Response<Body> {
    RequestCounts::count(&core.requests.rules);
    let answering = core.answering();
    let (rules, count) = (shown(&answering), answering.count());
    let version = version_of(answering.in_force());
    let tail = format!(",\"count\":{count},\"policy_version\":{}}}", json!(version));
    raw_json([b"{\"ok\":true,\"rules\":", &rules[..], tail.as_bytes()].concat())
}

/// `GET /rules/summary`.
pub(super) async fn rules_summary(State(core): State<Arc<Core>>) -> Json<Value> {
    RequestCounts::count(&core.requests.rules_summary);
    let answering = core.answering();
    let count = answering.count();
    let path = answering.in_force().map(|now| now.place.shown());
    let path = path.unwrap_or_else(|| match core.packs.get() {
        Some(packs) => packs.url().to_owned(),
        None => core.config.bundle.display().to_string(),
    });
    Json(json!({ "count": count, "path": path }))
}

#[derive(Debug, Deserialize)]
struct RulesBody {
    rules: Option<Value>,
}

/// `POST /rules` in field-compatible mode: replaces the rules and leaves the version as it was.
pub(super) async fn replace_rules(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    RequestCounts::count(&core.requests.rules);
    let body: RulesBody = read_json(&body)?;
    let Some(Value::Array(rules)) = body.rules else {
        return Err(Fault::bad_request("Invalid or missing 'rules' list"));
    };
    let prepared = Rules::of_field_rules(&rules).map_err(|error| {
        let text = error.to_string();
        Fault::bad_request(text.replacen("rule", "Rule", 1))
    })?;
    let count = rules.len();
    let _turn = core.take_turn().await?;
    let prepared = Some(Arc::new(prepared));
    match core.in_force.load_full() {
        None => core.book().local_rules = prepared,
        Some(now) => {
            let next = InForce {
                bundle: Arc::clone(&now.bundle),
                place: now.place.clone(),
                loaded_at: now.loaded_at,
                replaced: prepared,
            };
            core.in_force.store(Some(Arc::new(next)));
        }
    }
    core.log(LogLevel::Warn, &format!("Rules replaced in memory, unsigned: {count} rules"));
    Ok(Json(json!({ "ok": true, "rules": count })))
}

/// `POST /rules` elsewhere.
pub(super) async fn refuse_rules() -> Fault {
    Fault::forbidden(
        "unsigned rules are never taken; sign a bundle and reload it (only an agent in \
         field-compatible mode has this endpoint)",
    )
}

#[derive(Debug, Deserialize)]
struct EvaluateBody {
    capability_id: String,
    #[serde(default)]
    context: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    capability_id: String,
    decision: Decision,
    policy_version: String,
}

/// `POST /evaluate`.
pub(super) async fn evaluate(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<Answer>, Fault> {
    RequestCounts::count(&core.requests.evaluate);
    let body: EvaluateBody = read_json(&body)?;
    if body.capability_id.len() > CAPABILITY_BYTES_MAX {
        let text = format!("capability_id is longer than {CAPABILITY_BYTES_MAX} bytes");
        return Err(Fault::bad_request(text));
    }
    let request = Request::new(body.capability_id).with_context(Value::Object(body.context));
    core.recorded.record(core.now(), || input_of(&request));
    let answering = core.answering();
    let decision = decide(&core, &answering, &request).await;
    let policy_version = version_of(answering.in_force());
    count(&core, &decision);
    let capability_id = request.capability_id;
    Ok(Json(Answer { capability_id, decision: decision?, policy_version }))
}

fn moment(core: &Core, at: Timestamp) -> String {
    if core.config.field_compatible { field_moment(at) } else { at.to_string() }
}
