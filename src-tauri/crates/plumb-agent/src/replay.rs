//! Idempotency keys: a mutating request that is repeated gets the answer it was given before.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    middleware::Next,
};
use plumb_fleet::Digest;
use plumb_wire::v1::{
    IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEYS_MAX, IDEMPOTENT_REPLAYED,
};
use tokio::sync::OnceCell;

use crate::{
    core::Core,
    guard::body_within,
    limits::{BODY_BYTES_MAX, LARGE_BODY_BYTES_MAX},
    problem::Fault,
};

/// Answers by key, oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<String, Arc<Slot>>,
    order: VecDeque<String>,
}

/// One key: what it was used for, and the answer once there is one. A second request with the key
/// waits for the first.
#[derive(Debug)]
struct Slot {
    request: Digest,
    answer: OnceCell<Answer>,
}

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    media: Option<HeaderValue>,
    body: Bytes,
    fault: Option<Fault>,
}

impl Replays {
    fn slot(&self, key: &str, request: Digest) -> Arc<Slot> {
        // Map and order change together, and a panic between the two only forgets one key early.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = known.by_key.get(key) {
            return Arc::clone(slot);
        }
        if known.order.len() >= IDEMPOTENCY_KEYS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_key.remove(&oldest);
        }
        let slot = Arc::new(Slot { request, answer: OnceCell::new() });
        known.order.push_back(key.to_owned());
        known.by_key.insert(key.to_owned(), Arc::clone(&slot));
        slot
    }
}

/// The layer around mutating requests, inside the check of credentials.
pub(crate) async fn replay(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Fault> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else {
        return Ok(next.run(request).await);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX)
        .ok_or_else(|| {
            Fault::bad_request("the idempotency key is not 1 to 128 visible characters")
        })?
        .to_owned();
    let (parts, body) = request.into_parts();
    let body = body_within(body, BODY_BYTES_MAX).await?;
    let line = format!("{} {}\n", parts.method, parts.uri);
    let fingerprint = Digest::of(&[line.as_bytes(), &body].concat());
    let slot = core.replays.slot(&key, fingerprint);
    if slot.request != fingerprint {
        return Err(Fault::key_reused());
    }
    let mut fresh = false;
    let answer = slot.answer.get_or_try_init(|| {
        fresh = true;
        let request = Request::from_parts(parts, Body::from(body));
        async { Answer::of(next.run(request).await).await }
    });
    let answer = answer.await?.clone();
    let mut response = answer.into_response();
    if !fresh {
        let name = HeaderName::from_static(IDEMPOTENT_REPLAYED);
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl Answer {
    async fn of(response: Response<Body>) -> Result<Self, Fault> {
        let (mut parts, body) = response.into_parts();
        Ok(Self {
            status: parts.status,
            media: parts.headers.remove(header::CONTENT_TYPE),
            fault: parts.extensions.remove(),
            body: body_within(body, LARGE_BODY_BYTES_MAX).await?,
        })
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if let Some(media) = self.media {
            response.headers_mut().insert(header::CONTENT_TYPE, media);
        }
        if let Some(fault) = self.fault {
            response.extensions_mut().insert(fault);
        }
        response
    }
}
