//! A hub on loopback with a clock of its own, and a client of it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jiff::Timestamp;
use plumb_hub::{TeamHub, TeamOptions, serve_team};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The first token.
pub(crate) const BOOTSTRAP: &str = "a-first-token-for-tests";
/// When every test begins.
pub(crate) const BEGIN_S: i64 = 1_780_000_000;

#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) data: TempDir,
    hub: TeamHub,
    clock_s: Arc<AtomicI64>,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Body>,
}

impl Team {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut TeamOptions)) -> Self {
        let data = TempDir::new().expect("a folder");
        Self::start_in(data, change).await
    }

    pub(crate) async fn start_in(data: TempDir, change: impl FnOnce(&mut TeamOptions)) -> Self {
        let clock_s = Arc::new(AtomicI64::new(BEGIN_S));
        let mut options = TeamOptions::new(data.path());
        options.bootstrap = Some(BOOTSTRAP.to_owned().into());
        let clock = Arc::clone(&clock_s);
        options.clock = Arc::new(move || {
            Timestamp::from_second(clock.load(Ordering::SeqCst)).expect("a possible time")
        });
        change(&mut options);
        let hub = serve_team(options).await.expect("the hub starts");
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { data, hub, clock_s, client }
    }

    /// Stops the hub and gives its folder back.
    pub(crate) async fn stop(self) -> TempDir {
        self.hub.shutdown().await;
        self.data
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock_s.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        self.hub.url()
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: impl Into<Bytes>,
    ) -> Reply {
        self.ask_with(method, path, token, &[], body).await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("{}{path}", self.url()));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.into())).expect("a request");
        let answer = self.client.request(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        self.ask("GET", path, token, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.ask("POST", path, token, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.ask("PUT", path, BOOTSTRAP, body.to_string()).await
    }

    /// An answer whose body goes on.
    pub(crate) async fn open(
        &self,
        path: &str,
        token: &str,
    ) -> axum::http::Response<hyper::body::Incoming> {
        let request = Request::builder()
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");
        self.client.request(request).await.expect("an answer")
    }

    /// A token of a role for somebody by name.
    pub(crate) async fn named(&self, name: &str, role: &str) -> String {
        let wanted = json!({ "name": name, "role": role, "expires_after_s": 3_600 });
        let made = self.post("/v1/hub/tokens", BOOTSTRAP, &wanted).await.fine();
        made["token"].as_str().expect("a token").to_owned()
    }

    /// A token of the role of nodes, which speaks for no other than these: `FLEET/NODE` or `FLEET/*`.
    pub(crate) async fn bound_token(&self, node: &str) -> String {
        let wanted = json!({ "name": format!("agent of {node}"), "role": "agent_node", "expires_after_s": 3_600, "node": node });
        let made = self.post("/v1/hub/tokens", BOOTSTRAP, &wanted).await.fine();
        assert_eq!(made["identity"]["node"], node);
        made["token"].as_str().expect("a token").to_owned()
    }

    /// A token of a role, made by the first token or by the admin's.
    pub(crate) async fn token(&self, admin: &str, role: &str) -> String {
        let wanted = json!({ "name": format!("{role} of the tests"), "role": role, "expires_after_s": 3_600 });
        let made = self.post("/v1/hub/tokens", admin, &wanted).await.fine();
        made["token"].as_str().expect("a token").to_owned()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Reply {
    #[track_caller]
    pub(crate) fn fine(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Why it was not done.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["detail"].as_str().expect("a detail").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
