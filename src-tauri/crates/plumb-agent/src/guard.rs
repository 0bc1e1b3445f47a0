//! What every request passes: an id, a deadline, a net for panics, and errors in the right words.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response},
    middleware::Next,
};
use futures::FutureExt as _;
use plumb_serve::{Bearer, Peer, shows};
use plumb_wire::v1::{Authentication, IDEMPOTENT_REPLAYED, LogLevel, REQUEST_ID};
use tokio::time::timeout;

use crate::{core::Core, limits::REQUEST_TIMEOUT, problem::Fault};

const ID_BYTES_MAX: usize = 128;

/// The outermost layer.
pub(crate) async fn guard(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let id = request_id(request.headers());
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let begun = Instant::now();
    let answer = timeout(REQUEST_TIMEOUT, AssertUnwindSafe(next.run(request)).catch_unwind());
    let mut response = match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            core.log(LogLevel::Error, &format!("panic while answering {method} {path}"));
            axum::response::IntoResponse::into_response(Fault::internal("the agent has a bug here"))
        }
        Err(_) => axum::response::IntoResponse::into_response(Fault::timed_out()),
    };
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let printed = if core.config.field_compatible {
            fault.as_detail()
        } else {
            fault.as_problem(&path, &id)
        };
        let replayed = response.headers_mut().remove(IDEMPOTENT_REPLAYED);
        response = printed;
        if let Some(replayed) = replayed {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, replayed);
        }
    }
    core.traffic.answered(&method, &path, response.status(), begun.elapsed());
    if response.status().is_server_error() {
        core.trial.look();
    }
    tracing::debug!(%method, path, status = response.status().as_u16(), request = id, "answered");
    if !core.config.field_compatible
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    response
}

/// The caller's id when it is a plain word, else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic())
    };
    match given.filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", rand::random::<u64>()),
    }
}

/// Lets mutating requests through that show the token or a client certificate.
pub(crate) async fn credential(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Fault> {
    if core.config.authentication() == Authentication::None {
        return Ok(next.run(request).await);
    }
    if request.extensions().get::<Peer>().is_some_and(|peer| peer.certified) {
        return Ok(next.run(request).await);
    }
    let Some(token) = &core.config.token else {
        return Err(Fault::unauthenticated("this needs a client certificate"));
    };
    match shows(request.headers(), token) {
        Bearer::Right => Ok(next.run(request).await),
        Bearer::Missing => Err(Fault::unauthenticated("this needs a bearer token")),
        Bearer::Wrong => {
            core.log(LogLevel::Warn, &format!("{}: wrong bearer token", request.uri().path()));
            Err(Fault::unauthenticated("the bearer token is not accepted"))
        }
    }
}

/// The whole body, within a limit.
pub(crate) async fn body_within(body: Body, bytes_max: usize) -> Result<Bytes, Fault> {
    to_bytes(body, bytes_max).await.map_err(|error| {
        let limited = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if limited { Fault::too_large() } else { Fault::bad_request("the body could not be read") }
    })
}
