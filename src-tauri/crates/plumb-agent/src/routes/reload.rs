//! Reload, verify, history and stats: documented, and as the field's service answers them.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use jiff::Timestamp;
use plumb_wire::v1::{LogLevel, ReloadRecord, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{read_json, to_the_end};
use crate::{
    core::{Core, RequestCounts},
    find::Wanted,
    load::{LoadError, Loaded},
    problem::Fault,
    reload::Attempt,
    shape::{field_moment, metadata_text},
};

#[derive(Debug, Default, Deserialize)]
struct PathBody {
    bundle_path: Option<String>,
}

/// The documented answer, success or failure.
#[derive(Debug, Serialize)]
struct Answer {
    success: bool,
    version: Option<String>,
    duration_ms: f64,
    policies_loaded: u32,
    error: Option<String>,
}

/// One entry of the documented history.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    timestamp: String,
    version: Option<String>,
    success: bool,
    duration_ms: f64,
    policies_loaded: u32,
    error: Option<String>,
}

/// `POST /reload` and `POST /bundle/reload`.
pub(super) async fn reload(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Response<Body>, Fault> {
    RequestCounts::count(&core.requests.reload);
    let requested = read_path(&body)?.bundle_path.filter(|path| !path.is_empty());
    if let Some(packs) = core.packs.get() {
        if let Some(path) = requested.filter(|path| path != packs.url()) {
            return Err(Fault::forbidden(format!(
                "this agent runs the pack {} and loads no file; leave bundle_path {path:?} out to \
                 look there now",
                packs.url()
            )));
        }
        let (packs, change) = (packs.clone(), Arc::clone(&core));
        let record = to_the_end(&core, async move { change.reload_pack(&packs).await }).await?;
        return Ok(documented(record));
    }
    let change = change(Arc::clone(&core), requested.map(PathBuf::from));
    let attempt = to_the_end(&core, change).await?;
    Ok(answer(&core, attempt))
}

/// The field takes an empty body, `{}`, `null` and a null path alike.
fn read_path(body: &[u8]) -> Result<PathBody, Fault> {
    Ok(read_json::<Option<PathBody>>(body)?.unwrap_or_default())
}

async fn change(core: Arc<Core>, requested: Option<PathBuf>) -> Result<Attempt, Fault> {
    let turn = core.take_turn().await?;
    let pinned = core.book().durable.pinned.as_ref().map(Wanted::from);
    let (path, wanted) = match (requested, pinned) {
        (Some(path), pinned) => {
            if let Some(pinned) = pinned {
                let line =
                    format!("{} is reloaded past the pin {}", path.display(), pinned.shown());
                core.log(LogLevel::Warn, &line);
            }
            (path, None)
        }
        // A reload from habit or cron must not undo what an operator pinned.
        (None, Some(pinned)) => match core.look_up(pinned.clone()).await {
            Ok(path) => (path, Some(pinned)),
            Err(error) => return Err(core.cannot_find(&error)),
        },
        (None, None) => (core.config.bundle.clone(), None),
    };
    let attempt = core.reload(&turn, &path, wanted.as_ref(), Trigger::Request).await;
    if attempt.result.is_ok() {
        core.book().source = path;
        core.settled();
    }
    Ok(attempt)
}

fn answer(core: &Core, attempt: Attempt) -> Response<Body> {
    let status = match &attempt.result {
        Ok(_) => StatusCode::OK,
        Err(error) if error.is_missing() => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let Attempt { record, result } = attempt;
    if result.is_err() && core.config.field_compatible {
        return (status, Json(json!({ "detail": record.error }))).into_response();
    }
    let version = match &result {
        Ok(_) => record.version,
        // Documented: the current version, unchanged.
        Err(_) => core.in_force.load().as_ref().map(|now| now.version().to_owned()),
    };
    let answer = Answer {
        success: record.success,
        version,
        duration_ms: record.duration_ms,
        policies_loaded: record.policies_loaded,
        error: record.error,
    };
    (status, Json(answer)).into_response()
}

/// An attempt at a pack in the documented words.
fn documented(record: ReloadRecord) -> Response<Body> {
    let status = if record.success { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let answer = Answer {
        success: record.success,
        version: record.version,
        duration_ms: record.duration_ms,
        policies_loaded: record.policies_loaded,
        error: record.error,
    };
    (status, Json(answer)).into_response()
}

/// `POST /bundle/verify`.
pub(super) async fn verify(
    State(core): State<Arc<Core>>,
    body: Bytes,
) -> Result<Response<Body>, Fault> {
    let Some(path) = read_path(&body)?.bundle_path else {
        return Err(Fault::bad_request("the body: missing field `bundle_path`"));
    };
    let path = PathBuf::from(path);
    let _one_of = core.verifications.acquire().await.expect("the semaphore is never closed");
    match core.fetch(path.clone()).await.result {
        Ok(ready) => Ok(Json(verified(&ready.bundle)).into_response()),
        Err(error) if error.is_missing() => {
            let text = core.error_text(&error, &path);
            Err(Fault::no_such_bundle(text))
        }
        Err(error) => Ok(Json(refused(&core, &error)).into_response()),
    }
}

fn verified(loaded: &Loaded) -> Value {
    let issued_at = loaded.document().map(|document| metadata_text(document, "issued_at"));
    json!({
        "valid": true,
        "bundle_id": loaded.id(),
        "version": loaded.version(),
        "issued_at": issued_at,
        "issuer": loaded.issuer(),
        "policies_count": loaded.refs.len(),
    })
}

fn refused(core: &Core, error: &LoadError) -> Value {
    if core.config.field_compatible {
        return json!({ "valid": false, "error": "Signature verification failed" });
    }
    json!({ "valid": false, "error": error.full_text() })
}

/// `GET /reload/history`.
pub(super) async fn history(State(core): State<Arc<Core>>) -> Json<Value> {
    let book = core.book();
    let entries: Vec<Entry> = book.history.ring().map(|record| entry(&core, record)).collect();
    Json(json!({ "history": entries }))
}

/// `GET /reload/stats`.
pub(super) async fn stats(State(core): State<Arc<Core>>) -> Json<Value> {
    let stats = core.stats();
    Json(json!({
        "total_reloads": stats.total,
        "successful_reloads": stats.succeeded,
        "failed_reloads": stats.total - stats.succeeded,
        "success_rate": stats.success_rate(),
        "avg_duration_ms": stats.average_ms(),
        "last_reload": stats.last.as_ref().map(|record| entry(&core, record)),
    }))
}

pub(super) fn entry(core: &Core, record: &ReloadRecord) -> Entry {
    Entry {
        timestamp: moment(core, record.timestamp),
        version: record.version.clone(),
        success: record.success,
        duration_ms: record.duration_ms,
        policies_loaded: record.policies_loaded,
        error: record.error.clone(),
    }
}

fn moment(core: &Core, at: Timestamp) -> String {
    if core.config.field_compatible { field_moment(at) } else { at.to_string() }
}
