//! Which path is answered by what, and in which of the two styles.

mod documents;
mod field;
mod governed;
mod lock;
mod reload;
mod v1;

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    http::{HeaderValue, Response, header},
    middleware::{from_fn_with_state, map_response},
    routing::{MethodRouter, get, post, put},
};
pub(crate) use field::warnings;
pub(crate) use governed::take_refused;
use plumb_wire::v1::path;
use serde::de::DeserializeOwned;

use crate::{
    core::Core,
    guard::{credential, guard},
    limits::{BODY_BYTES_MAX, LARGE_BODY_BYTES_MAX, PLAN_BODY_BYTES_MAX, SIGNED_BODY_BYTES_MAX},
    plans::guarded,
    problem::Fault,
    replay::replay,
};

/// Every endpoint of an agent.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let mut router = reading();
    let mut mutating = Router::new()
        .route("/reload", post(reload::reload))
        .route("/bundle/reload", post(reload::reload));
    if core.config.field_compatible {
        let rules = post(field::replace_rules).layer(DefaultBodyLimit::max(LARGE_BODY_BYTES_MAX));
        mutating = mutating.route("/rules", rules);
    } else {
        let large = DefaultBodyLimit::max(LARGE_BODY_BYTES_MAX);
        let ask = post(documents::ask).layer(large);
        // Read, but not by everybody: these are the words of those who asked.
        let private = Router::new().route(path::REQUESTS, get(v1::requests));
        let private = private.layer(from_fn_with_state(Arc::clone(&core), credential));
        router = router.merge(v1_reading()).merge(private).route("/v1/data/{*path}", ask);
        mutating = mutating
            .merge(v1_mutating())
            .route("/rules", post(field::refuse_rules))
            .layer(from_fn_with_state(Arc::clone(&core), guarded))
            .layer(from_fn_with_state(Arc::clone(&core), replay));
    }
    let mutating = mutating.layer(from_fn_with_state(Arc::clone(&core), credential));
    router
        .merge(mutating)
        .method_not_allowed_fallback(|| async { Fault::method_not_allowed() })
        .fallback(|| async { Fault::not_found("there is nothing at this path") })
        .layer(map_response(plain_refusals))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&core), guard))
        .with_state(core)
}

fn reading() -> Router<Arc<Core>> {
    let large =
        |route: MethodRouter<Arc<Core>>| route.layer(DefaultBodyLimit::max(LARGE_BODY_BYTES_MAX));
    Router::new()
        .route("/healthz", get(field::health))
        .route("/health", get(field::health))
        .route("/readyz", get(field::ready))
        .route("/ready", get(field::ready))
        .route("/metrics", get(field::metrics))
        .route("/bundle", get(field::bundle))
        .route("/bundle/policies", get(field::policies))
        .route("/bundle/verify", post(reload::verify))
        .route("/rules", get(field::rules))
        .route("/rules/summary", get(field::rules_summary))
        .route("/evaluate", large(post(field::evaluate)))
        .route("/reload/history", get(reload::history))
        .route("/reload/stats", get(reload::stats))
}

fn v1_reading() -> Router<Arc<Core>> {
    Router::new()
        .route(path::STATUS, get(v1::status))
        .route(path::POLICIES, get(v1::policies))
        .route(path::CONFIG, get(v1::config))
        .route(path::LOGS, get(v1::logs))
        .route(path::HISTORY, get(v1::history))
        .route(path::BUNDLES, get(v1::bundles))
        .route(path::REFUSED, get(governed::refused))
        .route(path::LOCK, get(lock::lock))
        .route(
            path::EVALUATE,
            post(v1::evaluate).layer(DefaultBodyLimit::max(LARGE_BODY_BYTES_MAX)),
        )
}

fn v1_mutating() -> Router<Arc<Core>> {
    let signed = DefaultBodyLimit::max(SIGNED_BODY_BYTES_MAX);
    Router::new()
        .route(path::LOCK, post(lock::ask))
        .route(path::REFUSED, put(governed::put_refused).layer(signed))
        .route(path::PLANS, post(governed::plan).layer(DefaultBodyLimit::max(PLAN_BODY_BYTES_MAX)))
        .route(path::ROSTER, put(governed::put_roster).layer(signed))
        .route(path::CONFIG, put(v1::change_config))
        .route(path::PIN, post(v1::pin).delete(v1::unpin))
        .route(path::SYNC, post(v1::sync))
        .route(path::ROLLBACK, post(v1::rollback))
        .route(path::RESTART, post(v1::restart))
}

/// Refusals of the framework itself (a body over its limit) become faults like ours.
async fn plain_refusals(response: Response<Body>) -> Response<Body> {
    use axum::{http::StatusCode, response::IntoResponse as _};
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE
        && response.extensions().get::<Fault>().is_none()
    {
        return Fault::too_large().into_response();
    }
    response
}

/// A change runs to its end even when the caller goes away in the middle.
async fn to_the_end<T: Send + 'static>(
    core: &Core,
    change: impl Future<Output = T> + Send + 'static,
) -> T {
    match core.tracker.spawn(change).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A JSON body; an empty one is `{}`. The content type is not looked at: the field's tools forget it.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let body = if body.trim_ascii().is_empty() { b"{}".as_slice() } else { body };
    serde_json::from_slice(body).map_err(|error| Fault::bad_request(format!("the body: {error}")))
}

/// A document that is JSON already.
fn raw_json(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
