//! Replays what a real Open Policy Agent 1.9.0 answered, with its times moved to now.

use std::sync::Arc;

use anyhow::Result;
use axum::{
    Json, Router,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::broken::{Listening, serve};

const STATUS: &str = include_str!("../assets/opa/status.json");
const POLICIES: &str = include_str!("../assets/opa/policies.json");
const CONFIG: &str = include_str!("../assets/opa/config.json");
const METRICS: &str = include_str!("../assets/opa/metrics.prom");

/// How long before an answer the captured server last heard of its bundle server.
const LAST_REQUEST: SignedDuration = SignedDuration::from_secs(2);
const LAST_CHANGE: SignedDuration = SignedDuration::from_hours(3);

/// Starts the replay.
pub(crate) async fn replay() -> Result<Listening> {
    let status: Value = serde_json::from_str(STATUS)?;
    let activated = Timestamp::now() - LAST_CHANGE;
    let status = Arc::new(status);
    let fixed = |text: &'static str| move || async move { document(text) };
    let router = Router::new()
        .route(
            "/v1/status",
            get(move || {
                let status = Arc::clone(&status);
                async move { Json(up_to_date(&status, activated, Timestamp::now())) }
            }),
        )
        .route("/v1/policies", get(fixed(POLICIES)))
        .route("/v1/config", get(fixed(CONFIG)))
        .route("/health", get(|| async { Json(json!({})) }))
        .route("/metrics", get(|| async { METRICS }));
    serve(router).await
}

fn document(text: &'static str) -> Response {
    let mut response = text.into_response();
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

fn up_to_date(status: &Value, activated: Timestamp, now: Timestamp) -> Value {
    let mut status = status.clone();
    let bundles = status["result"]["bundles"].as_object_mut().into_iter().flatten();
    for (_, bundle) in bundles {
        for key in ["last_successful_activation", "last_successful_download"] {
            bundle[key] = json!(activated);
        }
        for key in ["last_successful_request", "last_request"] {
            bundle[key] = json!(now - LAST_REQUEST);
        }
    }
    status
}
