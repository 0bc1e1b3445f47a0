//! A registry, a fetcher, a sidecar and an OPA.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use plumb_agent::{
    ProbeEntry,
    fetch::{Activate, Attempt, Cause, Fetcher, HttpSource},
    sidecar::{OpaMode, Sidecar, SidecarConfig, SidecarReport},
};
use plumb_bundle::{
    formats::{archive::Members, pack},
    json,
};
use plumb_fleet::Digest;
use serde_json::Value;

use crate::fetch::{
    registry::{Registry, Script},
    world::{ID, World, until},
};

/// Longest time for anything that has to happen; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(25);

/// A pack of these files.
pub(crate) fn pack_of(version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let files: Members =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    let manifest = format!(r#"{{"id":"{ID}","version":"{version}"}}"#);
    let manifest = json::parse(manifest.as_bytes()).expect("valid JSON");
    pack::write(&manifest, &files).expect("a sound pack")
}

/// The pack of the field, with this answer of `data.cos.abac.allow` and these days.
pub(crate) fn pack(version: &str, allow: &str, days: u32) -> Vec<u8> {
    let module = format!("package cos.abac\nimport rego.v1\ndefault allow := {allow}\n");
    let retention = format!(r#"{{"gold":{days}}}"#);
    pack_of(
        version,
        &[
            ("opa/cos.abac.rego", &module),
            ("data/retention.json", &retention),
            ("data/purpose-tags.json", r#"["billing"]"#),
        ],
    )
}

/// A pack OPA does not compile.
pub(crate) fn broken(version: &str) -> Vec<u8> {
    pack_of(
        version,
        &[
            ("opa/cos.abac.rego", "package cos.abac\nimport rego.v1\ndefault allow := true\n"),
            ("opa/cos.more.rego", "package cos.more\nimport rego.v1\nfoo := }\n"),
            ("data/retention.json", r#"{"gold":1}"#),
        ],
    )
}

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) registry: Registry,
    pub(crate) sidecar: Arc<Sidecar>,
    fetcher: Option<Fetcher>,
    opa_url: String,
    pub(crate) said: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Wanted<'a> {
    pub(crate) opa_url: &'a str,
    pub(crate) mode: OpaMode,
    pub(crate) limit: Duration,
    pub(crate) probes: Vec<ProbeEntry>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(opa_url: &'a str, mode: OpaMode) -> Self {
        Self { opa_url, mode, limit: Duration::from_secs(20), probes: Vec::new() }
    }

    fn config(&self, world: &World) -> SidecarConfig {
        let mut config =
            SidecarConfig::new(self.opa_url, ID, world.folder.path()).expect("an address");
        config.mode = self.mode;
        config.bundle_listen = "127.0.0.1:0".parse().expect("an address");
        config.deadline = self.limit;
        config.probes.clone_from(&self.probes);
        config
    }
}

impl Setting {
    /// Everything but the fetcher, so that OPA can learn where the bundle is.
    pub(crate) async fn new(wanted: &Wanted<'_>, first: &[u8]) -> Self {
        let world = World::new();
        let registry = Registry::start(Script::honest(first)).await;
        let said = Arc::default();
        let sidecar = sidecar(wanted, &world, &said).await;
        let opa_url = wanted.opa_url.to_owned();
        Self { world, registry, sidecar, fetcher: None, opa_url, said }
    }

    /// Fetches the first pack.
    pub(crate) async fn begin(&mut self) {
        let config = self.world.config(self.registry.url());
        let source = HttpSource::new(&config, self.world.clock()).expect("a client");
        let mut parts = self.world.parts(Arc::new(source));
        parts.activate = Arc::clone(&self.sidecar) as Arc<dyn Activate>;
        let fetcher = Fetcher::start(config, parts).await.expect("the fetcher starts");
        until(&fetcher, |status| status.last.is_some() || status.active.is_some()).await;
        self.fetcher = Some(fetcher);
    }

    /// Publishes a pack and has it fetched.
    pub(crate) async fn publish(&self, tar: &[u8]) -> Attempt {
        self.registry.answer(Script::honest(tar));
        self.look().await
    }

    pub(crate) async fn look(&self) -> Attempt {
        let fetcher = self.fetcher.as_ref().expect("begun");
        fetcher.look().await.expect("a look")
    }

    pub(crate) async fn taken(&self, tar: &[u8]) {
        let attempt = self.publish(tar).await;
        assert_eq!(attempt.cause, None, "{:?}", attempt.text);
        let status = self.fetcher.as_ref().expect("begun").status();
        let active = status.borrow().active.as_ref().map(|active| active.digest);
        assert_eq!(active, Some(Digest::of(tar)));
    }

    /// Publishes a pack that has to be refused; why it was.
    pub(crate) async fn refused(&self, tar: &[u8]) -> String {
        let attempt = self.publish(tar).await;
        assert_eq!(attempt.cause, Some(Cause::ActivationRefused), "{:?}", attempt.text);
        attempt.text.expect("a reason")
    }

    /// Looks until the registry's pack is in force: on a busy machine a short limit may pass first.
    pub(crate) async fn until_taken(&self, tar: &[u8]) {
        let taken = async { while self.publish(tar).await.cause.is_some() {} };
        tokio::time::timeout(DEADLINE, taken).await.expect("in time");
    }

    /// The same until it is refused for this reason, and not for one of a busy machine.
    pub(crate) async fn until_refused(&self, tar: &[u8], wanted: &str) -> String {
        let refused = async {
            loop {
                let why = self.refused(tar).await;
                if why.contains(wanted) {
                    return why;
                }
            }
        };
        tokio::time::timeout(DEADLINE, refused).await.expect("in time")
    }

    pub(crate) fn report(&self) -> SidecarReport {
        self.sidecar.report().borrow().clone()
    }

    /// Waits until the sidecar tells this.
    pub(crate) async fn told(&self, wanted: impl Fn(&SidecarReport) -> bool) {
        let mut report = self.sidecar.report();
        let told = tokio::time::timeout(DEADLINE, report.wait_for(|report| wanted(report))).await;
        told.expect("in time").expect("the sidecar lives");
    }

    /// What OPA answers now; `null` is undefined.
    pub(crate) async fn decision(&self, place: &str) -> Value {
        decision(&self.opa_url, place).await
    }

    /// Waits until OPA answers so.
    pub(crate) async fn until_decision(&self, place: &str, wanted: &Value) {
        until_decision(&self.opa_url, place, wanted).await;
    }

    /// Ends the agent's side, and starts it again on the same folder.
    pub(crate) async fn restart_agent(&mut self, wanted: &Wanted<'_>, listen: Option<&str>) {
        self.end_agent().await;
        let mut config = wanted.config(&self.world);
        if let Some(listen) = listen {
            config.bundle_listen = listen.parse().expect("an address");
        }
        self.sidecar = start(config, &self.said).await;
    }

    pub(crate) async fn end_agent(&mut self) {
        if let Some(fetcher) = self.fetcher.take() {
            fetcher.shutdown().await;
        }
        self.sidecar.shutdown().await;
    }

    pub(crate) fn log(&self) -> String {
        self.said.lock().expect("no panic inside").join("\n")
    }
}

/// What an OPA answers now; `null` is undefined.
pub(crate) async fn decision(opa_url: &str, place: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(format!("{opa_url}/v1/data/{place}"));
    let request = request.header("content-type", "application/json").body(r#"{"input":{}}"#);
    let text = request.send().await.expect("OPA answers").bytes().await.expect("a body");
    let mut answer: Value = serde_json::from_slice(&text).expect("JSON");
    answer["result"].take()
}

/// Waits until an OPA answers so.
pub(crate) async fn until_decision(opa_url: &str, place: &str, wanted: &Value) {
    let seen = async {
        while decision(opa_url, place).await != *wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, seen).await.expect("in time");
}

async fn sidecar(
    wanted: &Wanted<'_>,
    world: &World,
    said: &Arc<Mutex<Vec<String>>>,
) -> Arc<Sidecar> {
    start(wanted.config(world), said).await
}

async fn start(config: SidecarConfig, said: &Arc<Mutex<Vec<String>>>) -> Arc<Sidecar> {
    let said = Arc::clone(said);
    let log = Arc::new(move |level, line: &str| {
        said.lock().expect("no panic inside").push(format!("{level:?} {line}"));
    });
    Arc::new(Sidecar::start(config, log).await.expect("the sidecar starts"))
}
