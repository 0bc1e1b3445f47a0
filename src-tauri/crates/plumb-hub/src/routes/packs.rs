//! The registry of packs, and the bundle of every node.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
    response::{IntoResponse as _, Response as Answer},
    routing::{get, post, put},
};
use plumb_bundle::{formats::pack::BUNDLE_MEDIA_TYPE, limits::ARCHIVE_BYTES_MAX};
use plumb_fleet::Digest;
use plumb_wire::{
    hub::{PackList, PackView, PublishQuery, StorageStatus, WhichVersion},
    packs::PREFERENCE_APPLIED,
};
use tokio::time::timeout;

use crate::{
    access::Caller,
    conditional::{Stand, value, wanted_wait},
    extract::{self, Params, body},
    hub::Hub,
    limits::ATTESTATION_BYTES_MAX,
    problem::Problem,
    registry::{self, Publication},
    scope::Named,
    served::{Served, whole_seconds},
};

pub(super) fn routes() -> Router<Hub> {
    Router::new()
        .route("/v1/hub/packs", get(list))
        .route("/v1/hub/storage", get(storage))
        .route("/v1/hub/packs/{packId}", get(one).post(publish))
        .route("/v1/hub/packs/{packId}/serve", post(serve))
        .route("/v1/hub/packs/{packId}/attestations/{digest}", put(attest))
        .route("/v1/hub/packs/{packId}/files/{digest}", get(file))
        .route("/bundles/{fleet}/{node}", get(bundle))
}

async fn list(State(hub): State<Hub>) -> Result<Json<PackList>, Problem> {
    registry::list(&hub.state).await.map(Json)
}

async fn storage(State(hub): State<Hub>) -> Result<Json<StorageStatus>, Problem> {
    registry::storage(&hub).await.map(Json)
}

async fn one(State(hub): State<Hub>, Path(pack): Path<String>) -> Result<Json<PackView>, Problem> {
    registry::view(&hub.state, &pack).await.map(Json)
}

async fn publish(
    State(hub): State<Hub>,
    caller: Caller,
    Path(pack): Path<String>,
    Params(query): Params<PublishQuery>,
    request: Request,
) -> Result<Json<PackView>, Problem> {
    let bytes = body(request.into_body(), ARCHIVE_BYTES_MAX).await?;
    let publication = Publication {
        pack,
        version: query.version,
        serve: query.serve.unwrap_or(true),
        bytes,
        by: caller.name().to_owned(),
    };
    registry::publish(&hub, publication).await.map(Json)
}

async fn serve(
    State(hub): State<Hub>,
    caller: Caller,
    Path(pack): Path<String>,
    extract::Json(which): extract::Json<WhichVersion>,
) -> Result<Json<PackView>, Problem> {
    registry::serve(&hub, &pack, &which, caller.name()).await.map(Json)
}

async fn attest(
    State(hub): State<Hub>,
    caller: Caller,
    Path((pack, digest)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let digest = parse(&digest)?;
    let bytes_max = usize::try_from(ATTESTATION_BYTES_MAX).unwrap_or(usize::MAX);
    let bytes = body(request.into_body(), bytes_max).await?;
    registry::attest(&hub, &pack, digest, bytes, caller.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bytes of any version, also of one that is not served now.
async fn file(
    State(hub): State<Hub>,
    Path((pack, digest)): Path<(String, String)>,
) -> Result<Answer, Problem> {
    let digest = parse(&digest)?;
    let which = WhichVersion { version: None, digest: Some(digest.to_string()) };
    registry::kept(&hub.state, &pack).await?.find(&pack, &which)?;
    let bytes = hub.blobs.pack(digest).await?;
    let bytes = bytes.ok_or_else(|| Problem::not_now("these bytes are not in the storage"))?;
    let media = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((media, bytes).into_response())
}

fn parse(digest: &str) -> Result<Digest, Problem> {
    digest.parse().map_err(|_| Problem::refused("a digest is 64 lower-case hex digits"))
}

/// What this node should run, as OPA downloads it; held back while it has that.
async fn bundle(
    State(hub): State<Hub>,
    caller: Caller,
    Path((fleet, node)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    // Some name the file as it would lie on a disk.
    let node = node.strip_suffix(".tar.gz").unwrap_or(&node);
    caller.scope().name(Named { fleet: Some(&fleet), node: Some(node), id: None })?;
    let mut changes = hub.shop.subscribe();
    let held = |served: &Served| -> Result<bool, Problem> {
        Ok(found(served, &fleet, node)?.0.is_held(&headers))
    };
    let wait = wanted_wait(&headers).filter(|_| method == Method::GET);
    let now = changes.borrow_and_update().clone();
    if let Some(wait) = wait
        && held(&now)?
    {
        let _waiter = hub
            .shop
            .packs()
            .waiters()
            .try_acquire()
            .map_err(|_| Problem::not_now("too many nodes wait for a change"))?;
        let changed = async {
            while changes.changed().await.is_ok() {
                let now = changes.borrow_and_update().clone();
                if !held(&now).unwrap_or(false) {
                    return;
                }
            }
        };
        tokio::select! {
            _ = timeout(wait, changed) => {}
            () = hub.stop.cancelled() => {}
        }
    }
    let now = changes.borrow().clone();
    let (stand, bytes) = found(&now, &fleet, node)?;
    let mut answer = if stand.is_held(&headers) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        let length = bytes.len();
        let body = if method == Method::HEAD { Body::empty() } else { bytes.into() };
        let mut answer = Response::new(body);
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        answer
    };
    let fields = answer.headers_mut();
    // By this OPA knows, also from a 304, that requests may be held back here.
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(BUNDLE_MEDIA_TYPE));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(wait) = wait {
        let applied = format!("wait={}", wait.as_secs());
        fields.insert(HeaderName::from_static(PREFERENCE_APPLIED), value(&applied));
    }
    stand.identify(fields);
    Ok(answer)
}

fn found(served: &Served, fleet: &str, node: &str) -> Result<(Stand, axum::body::Bytes), Problem> {
    let Some((wanted, bundle)) = served.of(fleet, node) else {
        return Err(Problem::not_found(format!(
            "nothing is desired for node {node:?} of fleet {fleet:?}: plumb hub desired set"
        )));
    };
    if let Some(why) = served.withheld(fleet, wanted) {
        return Err(Problem::conflict(why));
    }
    let bundle = bundle.ok_or_else(|| {
        Problem::not_now(format!("{} {} cannot be had now", wanted.pack, wanted.version))
    })?;
    let stand = Stand { digest: bundle.digest, modified_at: whole_seconds(wanted.at) };
    Ok((stand, bundle.bytes.clone()))
}
