//! An OPA that speaks as the recorded ones do: it downloads, activates in one step, tells its status,
//! takes modules and documents, decides, and has the faults a test asks for.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as At, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use plumb_bundle::OpaArchive;
use plumb_decide::{Answer, Module, Question, RegoPolicy, RegoSource, RegoVersion};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It refuses every bundle for the recorded reason of this case.
    Refuses(&'static str),
    /// Another bundle owns this root.
    Owned(&'static str),
    /// It ends when the first document comes, and forgets everything.
    DiesBeforeData,
    /// It starts to activate and does not finish while this stands.
    Slow,
    /// It answers everything with what is no JSON.
    Garbage,
    /// It has no status plugin.
    NoStatus,
}

#[derive(Debug, Default)]
struct Memory {
    modules: BTreeMap<String, String>,
    data: Map<String, Value>,
    policy: Option<RegoPolicy>,
    status: Map<String, Value>,
    etag: String,
    activations: usize,
    requests: u64,
    prefers: Vec<String>,
    conditions: Vec<String>,
    writes: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    memory: Mutex<Memory>,
    fault: watch::Sender<Fault>,
    runtime: Mutex<Option<Runtime>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Opa {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Where it downloads, under which name.
    bundle: Option<(SocketAddr, String)>,
}

impl Opa {
    /// An OPA that is not running yet.
    pub(crate) fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let shared = Shared {
            memory: Mutex::default(),
            fault: watch::Sender::new(Fault::None),
            runtime: Mutex::new(None),
        };
        let address = listener.local_addr().expect("an address");
        Self { shared: Arc::new(shared), address, bundle: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn downloads(&mut self, from: SocketAddr, name: &str) {
        self.bundle = Some((from, name.to_owned()));
    }

    /// Starts it, with nothing in it.
    pub(crate) fn start(&self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        *self.memory() = Memory::default();
        let (opa, address) = (self.clone(), self.address);
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            // The one before it may still be going.
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            ready.send(()).expect("somebody waits");
            axum::serve(listener, opa.router()).await
        });
        if let Some((from, name)) = self.bundle.clone() {
            runtime.spawn(self.clone().download(from, name));
        }
        is_ready.recv().expect("it listens");
        *self.shared.runtime.lock().expect("no panic inside") = Some(runtime);
    }

    /// Ends it at once, with every connection.
    pub(crate) fn kill(&self) {
        let runtime = self.shared.runtime.lock().expect("no panic inside").take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    pub(crate) fn activations(&self) -> usize {
        self.memory().activations
    }

    /// `Prefer` of the newest request for the bundle, and every ETag asked with so far.
    pub(crate) fn asked(&self) -> (String, Vec<String>) {
        let memory = self.memory();
        (memory.prefers.last().cloned().unwrap_or_default(), memory.conditions.clone())
    }

    /// Requests that changed something, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.memory().writes.clone()
    }

    pub(crate) fn modules(&self) -> Vec<String> {
        self.memory().modules.keys().cloned().collect()
    }

    /// What somebody else puts there.
    pub(crate) fn holds(&self, id: &str, text: &str) {
        self.memory().modules.insert(id.to_owned(), text.to_owned());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().expect("no panic inside")
    }

    fn has(&self) -> Fault {
        *self.shared.fault.borrow()
    }

    async fn download(self, from: SocketAddr, name: String) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut retry = 0;
        loop {
            let etag = self.memory().etag.clone();
            let prefer = "modes=snapshot,delta;wait=30";
            {
                let mut memory = self.memory();
                memory.prefers.push(prefer.to_owned());
                memory.conditions.push(etag.clone());
            }
            let request = client
                .get(format!("http://{from}/bundles/{name}"))
                .header("prefer", prefer)
                .header("if-none-match", &etag);
            let fault = match request.send().await {
                Err(error) => Some(
                    json!({"code": "bundle_error", "message": format!("request failed: {error}")}),
                ),
                Ok(answer) if answer.status() == 304 => {
                    let told = answer.headers().get("etag").and_then(|etag| etag.to_str().ok());
                    if told == Some(&etag) { None } else { continue }
                }
                Ok(answer) if answer.status() == 200 => {
                    let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
                    let media = answer.headers()["content-type"].clone();
                    assert_eq!(media, "application/vnd.openpolicyagent.bundles");
                    let bytes = answer.bytes().await.expect("a body");
                    self.activate(&name, &bytes, &etag).await
                }
                Ok(answer) => Some(json!({
                    "code": "bundle_error",
                    "message": "server replied with Not Found",
                    "http_code": answer.status().as_u16(),
                })),
            };
            retry = if fault.is_some() { (retry + 1).min(10) } else { 0 };
            self.tell(&name, fault);
            if retry > 0 {
                // OPA's own pause after a failure, which doubles about.
                tokio::time::sleep(Duration::from_millis(100) * retry).await;
            }
        }
    }

    /// Writes the outcome of a request into the status, as OPA does.
    fn tell(&self, name: &str, fault: Option<Value>) {
        let mut memory = self.memory();
        memory.requests += 1;
        let at = format!("2026-11-21T05:26:15.{:09}Z", memory.requests);
        let status = &mut memory.status;
        for key in ["code", "message", "errors", "http_code"] {
            status.remove(key);
        }
        status.insert("name".to_owned(), json!(name));
        status.insert("last_request".to_owned(), json!(at));
        if let Some(Value::Object(fault)) = fault {
            status.extend(fault);
        }
    }

    async fn activate(&self, name: &str, bytes: &[u8], etag: &str) -> Option<Value> {
        let mut faults = self.shared.fault.subscribe();
        let _ = faults.wait_for(|fault| *fault != Fault::Slow).await;
        let plain = |message: String| Some(json!({"code": "bundle_error", "message": message}));
        if let Fault::Refuses(case) = self.has() {
            return Some(recorded(case));
        }
        let Ok(archive) = OpaArchive::read(bytes) else {
            return plain("bundle read failed: unexpected EOF".to_owned());
        };
        let roots = archive.manifest().roots.clone();
        if let Fault::Owned(root) = self.has()
            && roots.iter().any(|own| own.starts_with(root))
        {
            return plain(format!(
                "detected overlapping roots in manifests for these bundles: [{name}, other] (root {root} is in multiple bundles)"
            ));
        }
        let source = RegoSource::of_archive(&archive).expect("only what OPA reads is offered");
        for module in &source.modules {
            let package = package(&module.text);
            let inside = |root: &String| {
                root.is_empty() || package == *root || package.starts_with(&format!("{root}/"))
            };
            if !roots.iter().any(inside) {
                return plain(format!(
                    "manifest roots [{}] do not permit 'package {}' in module '{}'",
                    roots.join(" "),
                    package.replace('/', "."),
                    module.name
                ));
            }
        }
        let Ok(policy) = RegoPolicy::prepare(&source) else { return Some(recorded("parse_error")) };
        let mut memory = self.memory();
        memory.modules = source
            .modules
            .into_iter()
            .map(|module| (format!("{name}/{}", module.name), module.text))
            .collect();
        memory.policy = Some(policy);
        etag.clone_into(&mut memory.etag);
        memory.activations += 1;
        memory.status.insert("active_revision".to_owned(), json!(archive.manifest().revision));
        None
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/v1/status", get(status))
            .route("/v1/policies/{*id}", get(module).put(put_module).delete(delete_module))
            .route(
                "/v1/data/{*place}",
                post(decide).get(document).put(put_document).delete(delete_document),
            )
            .with_state(self.clone())
    }

    /// Compiles what is there with a change; the change stands only if that goes well.
    fn try_change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, String>, &mut Map<String, Value>),
    ) -> Response {
        let mut memory = self.memory();
        let (mut modules, mut data) = (memory.modules.clone(), memory.data.clone());
        change(&mut modules, &mut data);
        let named =
            modules.iter().map(|(id, text)| Module { name: id.clone(), text: text.clone() });
        let source = RegoSource {
            modules: named.collect(),
            data: Value::Object(data.clone()),
            version: RegoVersion::V1,
        };
        let Ok(policy) = RegoPolicy::prepare(&source) else {
            let mut body = recorded("parse_error");
            body["code"] = json!("invalid_parameter");
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        };
        (memory.modules, memory.data, memory.policy) = (modules, data, Some(policy));
        Json(json!({})).into_response()
    }
}

/// The error of a recorded status.
fn recorded(case: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/nodes/opa");
    let text =
        std::fs::read_to_string(folder.join(case).join("v1__status.json")).expect("recorded");
    let status: Value = serde_json::from_str(&text).expect("JSON");
    let bundles = status["result"]["bundles"].as_object().expect("bundles");
    let failed = bundles.values().find(|bundle| bundle.get("code").is_some()).expect("a failure");
    let keys = ["code", "message", "errors", "http_code"];
    let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), failed.get(*key)?.clone())));
    Value::Object(kept.collect())
}

fn package(text: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("package "));
    line.expect("a package").trim().replace('.', "/")
}

fn not_found(what: &str) -> Response {
    let body = json!({"code": "resource_not_found", "message": format!("storage_not_found_error: {what}")});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn garbage() -> Response {
    "<html>a proxy that knows better</html>".into_response()
}

async fn status(State(opa): State<Opa>) -> Response {
    match opa.has() {
        Fault::Garbage => return garbage(),
        Fault::NoStatus => {
            let body = json!({"code": "internal_error", "message": "status plugin not enabled"});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
        _ => {}
    }
    let bundle = opa.memory().status.clone();
    let bundles = match &opa.bundle {
        Some((_, name)) if !bundle.is_empty() => json!({ name.clone(): bundle }),
        _ => Value::Null,
    };
    Json(json!({"result": {"labels": {"version": "1.9.0"}, "bundles": bundles, "metrics": {}}}))
        .into_response()
}

async fn module(State(opa): State<Opa>, At(id): At<String>) -> Response {
    if opa.has() == Fault::Garbage {
        return garbage();
    }
    match opa.memory().modules.get(&id) {
        Some(raw) => Json(json!({"result": {"id": id, "raw": raw, "ast": {}}})).into_response(),
        None => not_found(&id),
    }
}

async fn put_module(State(opa): State<Opa>, At(id): At<String>, text: String) -> Response {
    opa.memory().writes.push(format!("PUT {id}"));
    opa.try_change(|modules, _| {
        modules.insert(id, text);
    })
}

async fn delete_module(State(opa): State<Opa>, At(id): At<String>) -> Response {
    opa.memory().writes.push(format!("DELETE {id}"));
    if !opa.memory().modules.contains_key(&id) {
        return not_found(&id);
    }
    opa.try_change(|modules, _| {
        modules.remove(&id);
    })
}

/// The object that holds the last part of a place, made where it is missing.
fn parent<'a>(
    data: &'a mut Map<String, Value>,
    place: &'a str,
) -> (&'a mut Map<String, Value>, &'a str) {
    let (folders, last) = place.rsplit_once('/').unwrap_or(("", place));
    let mut at = data;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        let next = at.entry(part).or_insert_with(|| json!({}));
        at = next.as_object_mut().expect("an object on the way");
    }
    (at, last)
}

async fn document(State(opa): State<Opa>, At(place): At<String>) -> Response {
    let mut data = opa.memory().data.clone();
    let (folder, last) = parent(&mut data, &place);
    match folder.get(last) {
        Some(value) => Json(json!({ "result": value })).into_response(),
        None => Json(json!({})).into_response(),
    }
}

async fn put_document(State(opa): State<Opa>, At(place): At<String>, text: String) -> Response {
    if opa.has() == Fault::DiesBeforeData {
        opa.kill();
        return std::future::pending().await;
    }
    opa.memory().writes.push(format!("PUT data/{place}"));
    let value: Value = serde_json::from_str(&text).expect("the agent sends JSON");
    opa.try_change(|_, data| {
        let (folder, last) = parent(data, &place);
        folder.insert(last.to_owned(), value);
    })
}

async fn delete_document(State(opa): State<Opa>, At(place): At<String>) -> Response {
    opa.memory().writes.push(format!("DELETE data/{place}"));
    opa.try_change(|_, data| {
        let (folder, last) = parent(data, &place);
        folder.remove(last);
    })
}

async fn decide(
    State(opa): State<Opa>,
    At(place): At<String>,
    Json(body): Json<Value>,
) -> Response {
    let question = Question {
        entrypoint: place.parse().expect("a place"),
        input: body["input"].clone(),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let memory = opa.memory();
    let Some(policy) = &memory.policy else { return Json(json!({})).into_response() };
    let result = match policy.ask(&question, Duration::from_secs(1)) {
        Answer::Allow => json!(true),
        Answer::Deny => json!(false),
        Answer::Value { value } => value,
        Answer::Undefined => return Json(json!({})).into_response(),
        other => {
            let body = json!({"code": "internal_error", "message": format!("{other:?}")});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
    };
    Json(json!({ "result": result })).into_response()
}
