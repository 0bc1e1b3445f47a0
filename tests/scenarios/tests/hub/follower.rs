//! What an unmodified OPA does with a hub: it follows its bundle by long polls, and tells what it runs.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, routing::get};
use plumb_bundle::OpaArchive;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What the bundle is called in its configuration.
const BUNDLE: &str = "policy";

#[derive(Debug, Default)]
struct Active {
    revision: String,
    modules: Vec<Value>,
    activated_at: String,
}

/// An imitation; where OPA is installed, the demo runs the real one.
pub(crate) struct Follower {
    pub(crate) address: SocketAddr,
    revision: watch::Receiver<String>,
    tasks: Vec<JoinHandle<()>>,
}

impl Follower {
    pub(crate) async fn start(hub: &str, fleet: &str, node: &str, token: &str) -> Self {
        let active = Arc::new(Mutex::new(Active::default()));
        let (told, revision) = watch::channel(String::new());
        let url = format!("{hub}/bundles/{fleet}/{node}");
        let following = tokio::spawn(follow(url, token.to_owned(), Arc::clone(&active), told));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            axum::serve(listener, router(active)).await.expect("it serves until it is ended");
        });
        Self { address, revision, tasks: vec![following, serving] }
    }

    /// Waits until it runs a revision.
    pub(crate) async fn runs(&mut self, revision: &str) {
        let runs = self.revision.wait_for(|now| now == revision);
        runs.await.expect("it follows the hub");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn follow(
    url: String,
    token: String,
    active: Arc<Mutex<Active>>,
    told: watch::Sender<String>,
) {
    let client = Client::new();
    let mut tag: Option<String> = None;
    loop {
        let mut asked =
            client.get(&url).bearer_auth(&token).header("prefer", "modes=snapshot,delta;wait=10");
        if let Some(tag) = &tag {
            asked = asked.header(header::IF_NONE_MATCH, tag);
        }
        let Ok(answer) = asked.send().await else {
            tokio::task::yield_now().await;
            continue;
        };
        if answer.status() != StatusCode::OK {
            tokio::task::yield_now().await;
            continue;
        }
        tag =
            answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let bytes = answer.bytes().await.expect("a whole bundle");
        let archive = OpaArchive::read(&bytes).expect("the hub serves archives");
        let modules = archive.files().iter().filter(|(path, _)| {
            std::path::Path::new(path).extension().is_some_and(|ending| ending == "rego")
        });
        let modules = modules.map(|(path, text)| {
            json!({ "id": format!("{BUNDLE}/{path}"), "raw": String::from_utf8_lossy(text) })
        });
        let revision = archive.manifest().revision.clone().unwrap_or_default();
        *active.lock().expect("nobody panics with it") = Active {
            revision: revision.clone(),
            modules: modules.collect(),
            activated_at: jiff::Timestamp::now().to_string(),
        };
        told.send_replace(revision);
    }
}

fn router(active: Arc<Mutex<Active>>) -> Router {
    let status = Arc::clone(&active);
    let modules = active;
    Router::new()
        .route(
            "/v1/status",
            get(move || {
                let active = status.lock().expect("nobody panics with it");
                let bundle = json!({ "name": BUNDLE, "active_revision": active.revision,
                    "last_successful_activation": active.activated_at,
                    "last_successful_request": jiff::Timestamp::now().to_string() });
                let body = json!({ "result": { "bundles": { BUNDLE: bundle },
                    "plugins": { "bundle": { "state": "OK" } } } });
                async move { Json(body) }
            }),
        )
        .route(
            "/v1/policies",
            get(move || {
                let modules = modules.lock().expect("nobody panics with it").modules.clone();
                async move { Json(json!({ "result": modules })) }
            }),
        )
        .route(
            "/v1/config",
            get(|| async {
                Json(json!({ "result": { "bundles": { BUNDLE: { "service": "hub" } } } }))
            }),
        )
        .route("/health", get(|| async { Json(json!({})) }))
}
