//! `/v1/agent/...`: what our agent does beyond the field's service.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::Response,
};
use plumb_decide::Request;
use plumb_wire::v1::{
    BundleStatus, BundlesFound, CheckSeen, Config, ConfigChange, ConfigKey, ConfigSetting,
    ConfigValue, Decision, DecisionTotals, EVALUATE_REQUESTS_MAX, EvaluateCase, EvaluateRequest,
    Evaluated, Evaluation, GovernedBy, Guards, HISTORY_ENTRIES_MAX, History, HistoryQuery, Logs,
    LogsQuery, Mode, Ordering, Origin, PinRequest, Pinned, PolicyRef, PolicyStanding,
    RecordedRequests, Reloaded, Restarted, RollbackRequest, Status, StatusQuery, SyncRequest,
};
use plumb_wire::v1::{LogLevel, Policies, PolicyText};
use serde_json::Value;

use super::{read_json, to_the_end};
use crate::{
    config::Polling,
    core::{Book, Core, InForce},
    decisions::decide,
    limits::{CAPABILITY_BYTES_MAX, HISTORY_ENTRIES_DEFAULT},
    metrics::PackOrigin,
    problem::Fault,
    reload::blocking,
};

type Asked<T> = Result<Query<T>, QueryRejection>;

fn query<T>(asked: Asked<T>) -> Result<T, Fault> {
    asked.map(|Query(query)| query).map_err(|error| Fault::bad_request(error.body_text()))
}

/// `GET status`.
pub(super) async fn status(
    State(core): State<Arc<Core>>,
    asked: Asked<StatusQuery>,
) -> Result<Json<Status>, Fault> {
    let with_policies = query(asked)?.policies.unwrap_or(true);
    let now = core.in_force.load_full();
    let policies = match &now {
        Some(now) if with_policies => now
            .bundle
            .refs
            .iter()
            .map(|policy| PolicyRef { id: policy.id.clone(), digest: policy.digest.to_hex() })
            .collect(),
        _ => Vec::new(),
    };
    let clock = core.now();
    let told = settings(&core).settings;
    let book = core.book();
    Ok(Json(Status {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: core.started_at(),
        uptime_s: core.uptime().as_secs(),
        clock,
        bundle: now.as_deref().map(|now| bundle_status(&core, now)),
        pinned: book.durable.pinned.clone(),
        last_known_good: book.durable.last_known_good.clone(),
        content: now.as_ref().map(|now| now.bundle.content.to_string()),
        ordering: now.as_ref().map_or(Ordering::ByPosition, |now| now.bundle.ordering()),
        policies,
        mode: mode(&core),
        reloads: book.history.totals().as_reloads(),
        last_reload: book.history.ring().next().cloned(),
        fallback: book.fallback.clone(),
        fallback_active: book.fallback.is_some(),
        policy: Some(standing(&core, &book)),
        settings: told.into_iter().map(|setting| (setting.key, setting.value)).collect(),
        guards: Some(guards(&core)),
    }))
}

fn guards(core: &Core) -> Guards {
    let governed = core.governed.as_ref().map(|governed| GovernedBy {
        fleet: governed.config.fleet.to_string(),
        node: governed.config.node.to_string(),
        roster_version: governed.roster().reference().version,
        refused_version: governed.held().map(|held| held.list.version()),
        requires_approval: governed.config.require_approval,
    });
    Guards { plans: core.plans.kept(), governed, lock: core.lease.held(core.now()) }
}

/// The part of `policy` in `/healthz` that a console keeps.
fn standing(core: &Core, book: &Book) -> PolicyStanding {
    let seen = core.pack.read();
    let made = |check: &str| seen.not_made.iter().all(|name| name != check);
    let mut verification: Vec<CheckSeen> = seen
        .checks
        .iter()
        .filter(|(check, _)| made(&check.check))
        .map(|(check, _)| CheckSeen {
            check: check.check.clone(),
            passed: Some(check.passed),
            at: Some(check.at),
        })
        .collect();
    let not_made = |check: &String| CheckSeen { check: check.clone(), passed: None, at: None };
    verification.extend(seen.not_made.iter().map(not_made));
    let file = || PackOrigin::File(book.source.display().to_string());
    let (kind, location) = match seen.origin.clone().unwrap_or_else(file) {
        PackOrigin::File(location) => ("file", location),
        PackOrigin::Pack(location) => ("pack", location),
    };
    let (failed, all) = core.traffic.decision_errors();
    PolicyStanding {
        verification,
        carried_by: seen.carried_by.clone(),
        source: Origin { kind: kind.to_owned(), location },
        consecutive_failures: book.history.consecutive_failures(),
        decisions: Some(DecisionTotals { all, failed }),
    }
}

fn bundle_status(core: &Core, now: &InForce) -> BundleStatus {
    let bundle = &now.bundle;
    BundleStatus {
        id: bundle.id().to_owned(),
        version: bundle.version().to_owned(),
        digest: now.bundle.digest.to_string(),
        content: now.bundle.content.to_string(),
        ordering: bundle.ordering(),
        path: now.place.shown(),
        bytes: bundle.bytes(),
        policies_count: u32::try_from(now.bundle.refs.len()).unwrap_or(u32::MAX),
        issued_at: bundle.issued_at(),
        issuer: bundle.issuer().map(str::to_owned),
        loaded_at: now.loaded_at,
        confirmed_at: core.confirmed_at(),
        signature: now.signature(),
    }
}

fn mode(core: &Core) -> Mode {
    Mode {
        field_compatible: core.config.field_compatible,
        no_bundle: core.no_bundle(),
        insecure_behind_proxy: core.config.insecure_behind_proxy,
        authentication: core.config.authentication(),
        tls: core.config.tls.is_some(),
        watch: core.config.watch,
    }
}

/// `GET policies`.
pub(super) async fn policies(State(core): State<Arc<Core>>) -> Json<Policies> {
    let now = core.in_force.load_full();
    let policies = now.as_ref().map_or_else(Vec::new, |now| {
        let texts = now.bundle.texts();
        now.bundle
            .refs
            .iter()
            .zip(texts)
            .map(|(policy, text)| PolicyText {
                id: policy.id.clone(),
                digest: policy.digest.to_hex(),
                text: text.to_owned(),
            })
            .collect()
    });
    Json(Policies {
        version: now.as_ref().map(|now| now.version().to_owned()),
        content: now.as_ref().map(|now| now.bundle.content.to_string()),
        ordering: now.as_ref().map_or(Ordering::ByPosition, |now| now.bundle.ordering()),
        policies,
    })
}

/// `GET config`.
pub(super) async fn config(State(core): State<Arc<Core>>) -> Json<Config> {
    Json(settings(&core))
}

fn settings(core: &Core) -> Config {
    let start = core.config.polling.unwrap_or_default();
    let settings = core.book().durable.settings;
    let polling = settings.polling(start);
    let polls = if core.config.polling.is_some() { "" } else { " (polling is off)" };
    let setting = |key: ConfigKey| {
        let (value, default, description) = match key {
            ConfigKey::PollingMinDelay => (
                ConfigValue::Number(polling.min_delay_s),
                ConfigValue::Number(start.min_delay_s),
                format!("shortest time between two looks at the source, in seconds{polls}"),
            ),
            ConfigKey::PollingMaxDelay => (
                ConfigValue::Number(polling.max_delay_s),
                ConfigValue::Number(start.max_delay_s),
                format!("longest time between two looks at the source, in seconds{polls}"),
            ),
            ConfigKey::DeploymentLocking => (
                ConfigValue::Flag(settings.locking),
                ConfigValue::Flag(false),
                "refuse a change while another is being made, instead of queueing it".to_owned(),
            ),
        };
        ConfigSetting { key: key.name().to_owned(), value, default, description }
    };
    Config { settings: ConfigKey::ALL.into_iter().map(setting).collect() }
}

/// `GET requests`.
pub(super) async fn requests(State(core): State<Arc<Core>>) -> Json<RecordedRequests> {
    Json(core.recorded.read())
}

/// `PUT config`.
pub(super) async fn change_config(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<Config>, Fault> {
    let change: ConfigChange = read_json(&body)?;
    let key = ConfigKey::from_name(&change.key).ok_or_else(|| {
        let known: Vec<_> = ConfigKey::ALL.into_iter().map(ConfigKey::name).collect();
        Fault::bad_request(format!(
            "there is no setting {:?}; there are {}",
            change.key,
            known.join(", ")
        ))
    })?;
    to_the_end(&core, set(Arc::clone(&core), key, change.value)).await?;
    Ok(Json(settings(&core)))
}

async fn set(core: Arc<Core>, key: ConfigKey, value: ConfigValue) -> Result<(), Fault> {
    // Unlocking must not wait for what is locked out.
    let before = core.book().durable.settings;
    let mut after = before;
    match (key, &value) {
        (ConfigKey::DeploymentLocking, ConfigValue::Flag(locking)) => after.locking = *locking,
        (ConfigKey::PollingMinDelay, ConfigValue::Number(delay_s)) => {
            after.min_delay_s = Some(*delay_s);
        }
        (ConfigKey::PollingMaxDelay, ConfigValue::Number(delay_s)) => {
            after.max_delay_s = Some(*delay_s);
        }
        (ConfigKey::DeploymentLocking, _) => {
            return Err(Fault::bad_request(format!("{} must be true or false", key.name())));
        }
        _ => {
            let text = format!("{} must be a whole number of seconds", key.name());
            return Err(Fault::bad_request(text));
        }
    }
    let polling: Polling = after.polling(core.config.polling.unwrap_or_default());
    polling.check().map_err(Fault::bad_request)?;
    core.write_state(move |state| state.settings = after).await?;
    core.settings_changed.notify_one();
    core.log(LogLevel::Info, &format!("Setting changed: {} = {}", key.name(), shown(&value)));
    Ok(())
}

fn shown(value: &ConfigValue) -> String {
    match value {
        ConfigValue::Flag(flag) => flag.to_string(),
        ConfigValue::Number(number) => number.to_string(),
        ConfigValue::Text(text) => text.clone(),
    }
}

/// `POST pin`.
pub(super) async fn pin(State(core): State<Arc<Core>>, body: Bytes) -> Result<Json<Pinned>, Fault> {
    let request: PinRequest = read_json(&body)?;
    let change = Arc::clone(&core);
    to_the_end(&core, async move { change.pin(request).await }).await.map(Json)
}

/// `DELETE pin`.
pub(super) async fn unpin(State(core): State<Arc<Core>>) -> Result<Json<Pinned>, Fault> {
    let change = Arc::clone(&core);
    to_the_end(&core, async move { change.unpin().await }).await.map(Json)
}

/// `POST sync`.
pub(super) async fn sync(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<Reloaded>, Fault> {
    let request: SyncRequest = read_json(&body)?;
    let change = Arc::clone(&core);
    to_the_end(&core, async move { change.sync(request.force).await }).await.map(Json)
}

/// `POST rollback`.
pub(super) async fn rollback(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Json<Reloaded>, Fault> {
    let request: RollbackRequest = read_json(&body)?;
    let change = Arc::clone(&core);
    to_the_end(&core, async move { change.rollback(request.to).await }).await.map(Json)
}

/// `POST restart`.
pub(super) async fn restart(State(core): State<Arc<Core>>) -> Result<Json<Restarted>, Fault> {
    let change = Arc::clone(&core);
    to_the_end(&core, async move { change.restart().await }).await.map(Json)
}

/// `GET logs`.
pub(super) async fn logs(
    State(core): State<Arc<Core>>,
    asked: Asked<LogsQuery>,
) -> Result<Json<Logs>, Fault> {
    Ok(Json(core.logs.read(&query(asked)?, core.now())))
}

/// `GET history`.
pub(super) async fn history(
    State(core): State<Arc<Core>>,
    asked: Asked<HistoryQuery>,
) -> Result<Json<History>, Fault> {
    let limit = query(asked)?.limit.unwrap_or(HISTORY_ENTRIES_DEFAULT).min(HISTORY_ENTRIES_MAX);
    let book = core.book();
    let entries = book.history.all().take(limit as usize).cloned().collect();
    Ok(Json(History { entries, lost: book.history.lost }))
}

/// `GET bundles`.
pub(super) async fn bundles(State(core): State<Arc<Core>>) -> Json<BundlesFound> {
    let _one_of = core.verifications.acquire().await.expect("the semaphore is never closed");
    let looking = Arc::clone(&core);
    let found = blocking(move |reply| {
        let _ = reply.send(looking.list());
    });
    Json(found.await)
}

/// `POST evaluate`.
pub(super) async fn evaluate(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Response<Body>, Fault> {
    let asked: EvaluateRequest = read_json(&body)?;
    if asked.requests.len() > EVALUATE_REQUESTS_MAX {
        let text = format!("more than {EVALUATE_REQUESTS_MAX} requests");
        return Err(Fault::bad_request(text));
    }
    if asked.requests.iter().any(|case| case.capability_id.len() > CAPABILITY_BYTES_MAX) {
        let text = format!("a capability_id is longer than {CAPABILITY_BYTES_MAX} bytes");
        return Err(Fault::bad_request(text));
    }
    // One snapshot for all, so that a reload in the middle is not seen.
    let answering = core.answering();
    let mut results = Vec::with_capacity(asked.requests.len());
    for EvaluateCase { capability_id, context } in asked.requests {
        let context = Value::Object(context.into_iter().collect());
        let request = Request::new(capability_id).with_context(context);
        let decision = decide(&core, &answering, &request).await?;
        results.push(Evaluation {
            capability_id: request.capability_id,
            policy: decision.matched.as_ref().map(|matched| matched.id.clone()),
            decision: Decision {
                allowed: decision.allowed,
                require_confirmation: decision.require_confirmation,
                reason: decision.reason,
                suggested_alternative: decision.suggested_alternative,
                risk_level: decision.risk_level,
            },
        });
    }
    let now = answering.in_force();
    let evaluated = Evaluated {
        results,
        policy_version: now.map_or_else(|| "0.0.0".to_owned(), |now| now.version().to_owned()),
        content: now.map(|now| now.bundle.content.to_string()),
    };
    Ok(super::raw_json(serde_json::to_vec(&evaluated).expect("an evaluation always serialises")))
}
