//! `/v1/policy/packs/{packId}` and what stands below it; the folder is read beforehand, never by a
//! request.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{
        IntoResponse as _,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures::stream;
use plumb_serve::{Bearer, Peer, shows};
use plumb_wire::packs::{
    ATTESTATION_MEDIA, CORRELATION_ID, COSIGN_BUNDLE, DIGEST, DIGEST_EVENT, PACK_MEDIA,
    PREFERENCE_APPLIED, PackEvent, path,
};
use secrecy::SecretString;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    conditional::{value, wanted_wait},
    error::HubError,
    folder::{Pack, PackFolder, Shelf},
    limits::{EVENT_KEEP_ALIVE, INLINE_BYTES_MAX, WAITERS_MAX},
};

/// The packs that are served, and who may read them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where the packs come from a folder, and not from a registry.
    folder: Option<Mutex<PackFolder>>,
    shelf: watch::Sender<Arc<Shelf>>,
    /// Packs that are to come: asked for before they are there, they are `503` and not `404`.
    expected: BTreeSet<String>,
    access: Access,
    waiters: Arc<Semaphore>,
    stop: CancellationToken,
}

/// What readers have to show.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) token: Option<SecretString>,
    pub(crate) certificate: bool,
}

impl Packs {
    /// Reads a folder for the first time. `expected` packs may come later.
    pub fn open(
        folder: PackFolder,
        expected: impl IntoIterator<Item = String>,
        stop: CancellationToken,
    ) -> Result<Self, HubError> {
        Self::with_access(folder, expected, Access::default(), stop)
    }

    pub(crate) fn with_access(
        mut folder: PackFolder,
        expected: impl IntoIterator<Item = String>,
        access: Access,
        stop: CancellationToken,
    ) -> Result<Self, HubError> {
        let shelf = folder.read(&BTreeMap::new())?;
        Ok(Self(Arc::new(Inner {
            folder: Some(Mutex::new(folder)),
            shelf: watch::Sender::new(Arc::new(shelf)),
            expected: expected.into_iter().collect(),
            access,
            waiters: Arc::new(Semaphore::new(WAITERS_MAX)),
            stop,
        })))
    }

    /// Packs that somebody else puts here: nobody is asked for a token, the door did that.
    pub(crate) fn of_registry(stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            folder: None,
            shelf: watch::Sender::new(Arc::default()),
            expected: BTreeSet::new(),
            access: Access::default(),
            waiters: Arc::new(Semaphore::new(WAITERS_MAX)),
            stop,
        }))
    }

    /// Looks at the folder again and wakes whoever waits for a change. Blocks.
    pub fn refresh(&self) -> Result<(), HubError> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.shelf();
        let shelf = folder.read(&former)?;
        self.put(shelf);
        Ok(())
    }

    /// What is served now.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.0.shelf.borrow())
    }

    /// Serves this from now on, and wakes whoever waits for a change.
    pub(crate) fn put(&self, shelf: Shelf) {
        self.0.shelf.send_if_modified(|current| {
            let changed = !same(current, &shelf);
            if changed {
                *current = Arc::new(shelf);
            }
            changed
        });
    }

    /// Requests that wait and event streams, of packs and of bundles.
    pub(crate) fn waiters(&self) -> &Arc<Semaphore> {
        &self.0.waiters
    }

    /// Names and digests of what is served.
    pub fn served(&self) -> Vec<(String, plumb_fleet::Digest)> {
        self.0.shelf.borrow().iter().map(|(id, pack)| (id.clone(), pack.digest)).collect()
    }

    fn pack(&self, id: &str) -> Result<Arc<Pack>, Missing> {
        self.0.shelf.borrow().get(id).cloned().ok_or_else(|| {
            if self.0.expected.contains(id) { Missing::NotBuilt } else { Missing::Unknown }
        })
    }
}

fn same(one: &Shelf, other: &Shelf) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && Arc::ptr_eq(a.1, b.1))
}

/// Every endpoint.
pub fn router(packs: Packs) -> Router {
    routes(packs)
}

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(packs: Packs) -> Router<S> {
    Router::new()
        .route(path::PACK, get(pack))
        .route(path::ATTESTATION, get(attestation))
        .route(path::EVENTS, get(events))
        .layer(from_fn_with_state(packs.clone(), readers))
        .layer(axum::middleware::from_fn(correlate))
        .with_state(packs)
}

/// Why there is nothing to serve, in the words of the contract.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Unknown,
    NotBuilt,
    Attestation,
    Busy,
}

impl axum::response::IntoResponse for Missing {
    fn into_response(self) -> axum::response::Response {
        let (status, error) = match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown pack"),
            Self::NotBuilt => (StatusCode::SERVICE_UNAVAILABLE, "pack not built yet"),
            Self::Attestation => (StatusCode::SERVICE_UNAVAILABLE, "attestation not there yet"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many readers wait for a change"),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

async fn pack(
    State(packs): State<Packs>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Missing> {
    let mut changes = packs.0.shelf.subscribe();
    let mut pack = packs.pack(&id)?;
    let wait = wanted_wait(&headers).filter(|_| method == Method::GET);
    if let Some(wait) = wait
        && pack.stand().is_held(&headers)
    {
        let _waiter = packs.0.waiters.try_acquire().map_err(|_| Missing::Busy)?;
        let changed = async {
            while changes.changed().await.is_ok() {
                match packs.pack(&id) {
                    Ok(now) if !now.stand().is_held(&headers) => return,
                    _ => {}
                }
            }
        };
        tokio::select! {
            _ = timeout(wait, changed) => {}
            () = packs.0.stop.cancelled() => {}
        }
        pack = packs.pack(&id)?;
    }
    let mut answer = if pack.stand().is_held(&headers) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        let body = if method == Method::HEAD { Body::empty() } else { pack.bytes.clone().into() };
        let mut answer = Response::new(body);
        let fields = answer.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(PACK_MEDIA));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(pack.bytes.len()));
        if let Some(bundle) = pack.attestation.as_ref().and_then(|bytes| inline(bytes)) {
            fields.insert(HeaderName::from_static(COSIGN_BUNDLE), bundle);
        }
        answer
    };
    let fields = answer.headers_mut();
    let digest = format!("sha-256={}", pack.digest);
    fields.insert(HeaderName::from_static(DIGEST), value(&digest));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, immutable"));
    if let Some(wait) = wait {
        let applied = format!("wait={}", wait.as_secs());
        fields.insert(HeaderName::from_static(PREFERENCE_APPLIED), value(&applied));
    }
    pack.stand().identify(fields);
    Ok(answer)
}

async fn attestation(
    State(packs): State<Packs>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Missing> {
    let pack = packs.pack(&id)?;
    let bytes = pack.attestation.clone().ok_or(Missing::Attestation)?;
    let current = pack.stand().is_held(&headers);
    let empty = current || method == Method::HEAD;
    let length = bytes.len();
    let mut answer = Response::new(if empty { Body::empty() } else { bytes.into() });
    let fields = answer.headers_mut();
    if !current {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(ATTESTATION_MEDIA));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    pack.stand().identify(fields);
    if current {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    Ok(answer)
}

/// One event stream.
struct Following {
    packs: Packs,
    changes: watch::Receiver<Arc<Shelf>>,
    id: String,
    told: Option<plumb_fleet::Digest>,
    _waiter: OwnedSemaphorePermit,
}

/// Tells the digest that is served now, and every later one.
async fn events(
    State(packs): State<Packs>,
    Path(id): Path<String>,
) -> Result<axum::response::Response, Missing> {
    if let Err(missing @ Missing::Unknown) = packs.pack(&id) {
        return Err(missing);
    }
    let changes = packs.0.shelf.subscribe();
    let waiters = Arc::clone(&packs.0.waiters);
    let waiter = waiters.try_acquire_owned().map_err(|_| Missing::Busy)?;
    let following = Following { packs, changes, id, told: None, _waiter: waiter };
    let events = stream::unfold(following, |mut at| async move {
        loop {
            at.changes.mark_unchanged();
            if let Ok(pack) = at.packs.pack(&at.id)
                && at.told != Some(pack.digest)
            {
                at.told = Some(pack.digest);
                let told =
                    PackEvent { pack: at.id.clone(), digest: format!("sha256:{}", pack.digest) };
                let text = serde_json::to_string(&told).expect("an event always serialises");
                let event =
                    Event::default().event(DIGEST_EVENT).id(pack.digest.to_string()).data(text);
                return Some((Ok::<_, Infallible>(event), at));
            }
            let changed = tokio::select! {
                changed = at.changes.changed() => changed.is_ok(),
                () = at.packs.0.stop.cancelled() => false,
            };
            if !changed {
                return None;
            }
        }
    });
    let mut answer =
        Sse::new(events).keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Lets readers through that show what the hub asks for.
async fn readers(State(packs): State<Packs>, request: Request, next: Next) -> Response<Body> {
    let access = &packs.0.access;
    if access.token.is_none() && !access.certificate {
        return next.run(request).await;
    }
    let certified =
        access.certificate && request.extensions().get::<Peer>().is_some_and(|peer| peer.certified);
    let shown = access.token.as_ref().map(|token| shows(request.headers(), token));
    if certified || shown == Some(Bearer::Right) {
        return next.run(request).await;
    }
    let error = match shown {
        None => "this needs a client certificate",
        Some(Bearer::Missing) => "this needs a bearer token",
        Some(_) => "the bearer token is not accepted",
    };
    let mut answer = (StatusCode::UNAUTHORIZED, Json(json!({ "error": error }))).into_response();
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// Gives the caller's correlation id back, and writes it into the log.
async fn correlate(request: Request, next: Next) -> Response<Body> {
    let given = request.headers().get(CORRELATION_ID).filter(|id| id.len() <= 128).cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut answer = next.run(request).await;
    let shown = given.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("-");
    let status = answer.status().as_u16();
    tracing::debug!(%method, path, status, correlation = shown, "answered");
    if let Some(id) = given {
        answer.headers_mut().insert(HeaderName::from_static(CORRELATION_ID), id);
    }
    answer
}

/// The attestation as a header's value, where it can be one.
fn inline(bytes: &[u8]) -> Option<HeaderValue> {
    let plain = bytes.len() <= INLINE_BYTES_MAX
        && bytes.trim_ascii().iter().all(|byte| (b' '..=b'~').contains(byte));
    plain.then(|| HeaderValue::from_bytes(bytes.trim_ascii()).ok()).flatten()
}
