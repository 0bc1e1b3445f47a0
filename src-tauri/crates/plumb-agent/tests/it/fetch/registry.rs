//! A registry on loopback that does what a test tells it, right or wrong.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response},
    routing::get,
};
use futures::{StreamExt as _, stream};
use plumb_fleet::Digest;
use tokio::net::TcpListener;

use crate::fetch::world::{ID, Vouching, attest};

/// What it answers with.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection is cut after so many bytes.
    pub(crate) cut_after: Option<usize>,
    /// Nothing comes after the head, and it does not end.
    pub(crate) endless: bool,
    /// `If-None-Match` is not looked at.
    pub(crate) deaf: bool,
    pub(crate) attestation: Result<Vec<u8>, u16>,
    pub(crate) attestation_etag: Option<String>,
}

impl Script {
    /// What an honest registry answers.
    pub(crate) fn honest(tar: &[u8]) -> Self {
        Self::vouched(tar, attest(tar, Vouching::default()))
    }

    pub(crate) fn vouched(tar: &[u8], attestation: Vec<u8>) -> Self {
        let digest = Digest::of(tar);
        let etag = format!("W/\"sha-256:{digest}\"");
        Self {
            status: 200,
            headers: vec![("digest", format!("sha-256={digest}")), ("etag", etag.clone())],
            body: tar.to_vec(),
            cut_after: None,
            endless: false,
            deaf: false,
            attestation: Ok(attestation),
            attestation_etag: Some(etag),
        }
    }

    pub(crate) fn status(status: u16, headers: &[(&'static str, &str)]) -> Self {
        Self {
            status,
            headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            body: b"sorry".to_vec(),
            cut_after: None,
            endless: false,
            deaf: true,
            attestation: Err(503),
            attestation_etag: None,
        }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
        self
    }
}

#[derive(Debug)]
struct Inner {
    script: Script,
    asked: Vec<HeaderMap>,
}

#[derive(Debug, Clone)]
pub(crate) struct Registry {
    inner: Arc<Mutex<Inner>>,
    url: String,
}

impl Registry {
    pub(crate) async fn start(script: Script) -> Self {
        let inner = Arc::new(Mutex::new(Inner { script, asked: Vec::new() }));
        let path = format!("/v1/policy/packs/{ID}");
        let router = Router::new()
            .route(&path, get(pack))
            .route(&format!("{path}/attestation"), get(attestation))
            .with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}{path}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn answer(&self, script: Script) {
        self.inner.lock().expect("no panic inside").script = script;
    }

    /// Headers of the requests for the pack so far.
    pub(crate) fn asked(&self) -> Vec<HeaderMap> {
        self.inner.lock().expect("no panic inside").asked.clone()
    }
}

async fn pack(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap) -> Response<Body> {
    let script = {
        let mut inner = inner.lock().expect("no panic inside");
        inner.asked.push(headers.clone());
        inner.script.clone()
    };
    let etag = script.headers.iter().find(|(name, _)| *name == "etag").map(|(_, etag)| etag);
    let asked = headers.get("if-none-match").and_then(|etag| etag.to_str().ok());
    let known = !script.deaf && asked.is_some() && asked == etag.map(String::as_str);
    let mut answer = Response::builder().status(if known { 304 } else { script.status });
    for (name, value) in &script.headers {
        answer = answer.header(*name, value);
    }
    let body = match script.cut_after {
        _ if known || script.status == 304 => Body::empty(),
        None if script.endless => Body::from_stream(stream::pending::<io::Result<Vec<u8>>>()),
        None => Body::from(script.body),
        Some(bytes) => {
            answer = answer.header("content-length", script.body.len());
            let first = stream::iter([Ok(script.body[..bytes].to_vec())]);
            // The first bytes are sent before the connection is cut.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut"))
            });
            Body::from_stream(first.chain(cut))
        }
    };
    answer.body(body).expect("an answer")
}

async fn attestation(State(inner): State<Arc<Mutex<Inner>>>) -> Response<Body> {
    let script = inner.lock().expect("no panic inside").script.clone();
    let mut answer = Response::builder();
    if let Some(etag) = script.attestation_etag {
        answer = answer.header("etag", etag);
    }
    match script.attestation {
        Ok(bytes) => answer.body(Body::from(bytes)).expect("an answer"),
        Err(status) => answer.status(status).body(Body::empty()).expect("an answer"),
    }
}
