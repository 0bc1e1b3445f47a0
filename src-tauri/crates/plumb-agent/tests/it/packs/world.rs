//! A registry on loopback with attested packs, and an agent that runs them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use plumb_agent::{
    AgentConfig, EmbeddedSettings, PackEngine, PackFetching,
    engine::Probe,
    fetch::{FetchConfig, SigstoreVerifier},
};
use plumb_bundle::{
    formats::{archive::Members, pack},
    json,
};
use plumb_decide::{Answer, Question};
use plumb_hub::{HubConfig, RunningHub, publish, serve_packs};
use plumb_pki::{Pki, Recipe};
use plumb_trust::{Identity, Profile, SigstoreRoot, TrustPolicy, Window};
use plumb_worker::{Program, child};
use serde_json::Value;

use crate::{
    fetch::registry::Script,
    world::{Node, World},
};

const ID: &str = "policy-pack-v0";

/// A pack of one module.
pub(super) fn rego(version: &str, rules: &str) -> Vec<u8> {
    let module = format!("package cos.abac\n{rules}\n");
    tar(
        version,
        [
            ("opa/cos.abac.rego", module.into_bytes()),
            ("data/limits.json", b"{\"gold\":3}".to_vec()),
        ],
    )
}

/// A pack of the same module and another after it.
pub(super) fn two_modules(version: &str, rules: &str, other: &str) -> Vec<u8> {
    let module = |package: &str, rules: &str| format!("package {package}\n{rules}\n").into_bytes();
    tar(
        version,
        [
            ("opa/cos.abac.rego", module("cos.abac", rules)),
            ("opa/cos.other.rego", module("cos.other", other)),
        ],
    )
}

/// A pack of a signed bundle.
pub(super) fn signed(bundle: &[u8]) -> Vec<u8> {
    let files = Members::from([("policies/payments.signed.json".to_owned(), bundle.to_vec())]);
    let manifest = json::parse(format!("{{\"id\":\"{ID}\"}}").as_bytes()).expect("JSON");
    pack::write(&manifest, &files).expect("a sound pack")
}

fn tar<const N: usize>(version: &str, files: [(&str, Vec<u8>); N]) -> Vec<u8> {
    let files: Members = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    let manifest = format!(r#"{{"id":"{ID}","version":"{version}"}}"#);
    pack::write(&json::parse(manifest.as_bytes()).expect("JSON"), &files).expect("a sound pack")
}

pub(super) struct PackWorld {
    pub(super) bundles: World,
    pki: Pki,
    signed_at: Timestamp,
    hub: Mutex<Option<RunningHub>>,
    url: String,
}

impl PackWorld {
    pub(super) async fn new() -> Self {
        let bundles = World::new();
        let folder = bundles.path().join("registry");
        std::fs::create_dir(&folder).expect("writable");
        let mut config = HubConfig::new(&folder);
        config.expected = vec![ID.to_owned()];
        let hub = serve_packs(config).await.expect("a hub");
        let url = hub.pack_url(ID);
        let signed_at = Timestamp::now() - Duration::from_hours(2);
        let pki = Pki::new(signed_at).expect("an authority");
        Self { bundles, pki, signed_at, hub: Mutex::new(Some(hub)), url }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    fn registry(&self) -> PathBuf {
        self.bundles.path().join("registry")
    }

    pub(super) fn sign(&self, version: &str, effects: &[&str]) -> Vec<u8> {
        let path = self.bundles.sign("fresh.signed.json", version, effects);
        let bytes = std::fs::read(&path).expect("written");
        std::fs::remove_file(path).expect("written");
        bytes
    }

    pub(super) fn publish(&self, tar: &[u8]) {
        self.attest(tar, tar, |_| ());
    }

    /// Vouched for by somebody whom nobody expects.
    pub(super) fn publish_by_another(&self, tar: &[u8]) {
        self.attest(tar, tar, |recipe| {
            "https://git.example.com/stranger/policies/release.yml@refs/heads/main"
                .clone_into(&mut recipe.identity);
        });
    }

    /// With the attestation of another pack.
    pub(super) fn publish_for_other(&self, tar: &[u8]) {
        self.attest(tar, &rego("other", "allow := true"), |_| ());
    }

    /// What vouches for this artifact.
    pub(super) fn attestation(&self, artifact: &[u8], change: impl FnOnce(&mut Recipe)) -> String {
        let mut recipe = Recipe::new(artifact, self.signed_at);
        change(&mut recipe);
        self.pki.issue(&recipe).expect("a bundle").bundle_json()
    }

    /// An honest answer of a registry that does what it is told.
    pub(super) fn honest(&self, tar: &[u8]) -> Script {
        Script::vouched(tar, self.attestation(tar, |_| ()).into_bytes())
    }

    fn attest(&self, tar: &[u8], artifact: &[u8], change: impl FnOnce(&mut Recipe)) {
        let attestation = self.attestation(artifact, change);
        publish(&self.registry(), ID, tar, Some(attestation.as_bytes())).expect("writable");
        let hub = self.hub.lock().expect("no panic inside");
        hub.as_ref().expect("it runs").packs().refresh().expect("readable");
    }

    /// Trusts the signer, within a window.
    pub(super) fn verifier(&self, window: Window) -> SigstoreVerifier {
        let mut policy = TrustPolicy::new(Profile::Logged);
        let root = self.pki.trusted_root().to_string();
        let root = SigstoreRoot::read("test", root.as_bytes()).expect("a root");
        policy.add_root(root, window).expect("the first");
        let known = Recipe::new(Vec::new(), self.signed_at);
        policy.add_identity(Identity::exact(known.identity, known.issuer));
        SigstoreVerifier::new(policy.checked().expect("a name is given"))
    }

    pub(super) fn config(&self) -> (AgentConfig, EmbeddedSettings) {
        let program = Program::new(
            env!("CARGO_BIN_EXE_agent-evaluation-stand-in"),
            [child::SUBCOMMAND.into()],
        );
        (self.bundles.config(), EmbeddedSettings::new(program))
    }

    /// Fetches from an address, keeping packs in a folder.
    pub(super) fn fetching(&self, url: &str, settings: EmbeddedSettings) -> PackFetching {
        let mut fetch = FetchConfig::new(url, self.bundles.path().join("packs")).expect("URL");
        // So long that only what a test asks for happens.
        fetch.interval = Duration::from_hours(24);
        let engine = PackEngine::Embedded(Box::new(settings));
        PackFetching::new(fetch, Arc::new(self.verifier(Window::default())), engine)
    }

    /// The same from a registry that does what it is told, looked at once.
    pub(super) async fn start_at(&self, url: &str) -> Node {
        let (mut config, settings) = self.config();
        config.packs = Some(self.fetching(url, settings));
        let node = Node::start(config).await;
        node.agent.packs().expect("a fetcher").look().await;
        node
    }

    async fn start_with(&self, mut config: AgentConfig, settings: EmbeddedSettings) -> Node {
        config.packs = Some(self.fetching(&self.url, settings));
        Node::start(config).await
    }

    pub(super) async fn start(&self) -> Node {
        let (config, settings) = self.config();
        let node = self.start_with(config, settings).await;
        if self.hub.lock().expect("no panic inside").is_some() {
            node.agent.packs().expect("a fetcher").look().await;
        }
        node
    }

    /// An agent with a probe that has to be answered like this.
    pub(super) async fn start_probing(&self, input: Value, expected: Value) -> Node {
        let (config, mut settings) = self.config();
        let entrypoint = settings.decision.clone();
        let question = Question { entrypoint, input, now: Timestamp::now() };
        let answer = if expected == Value::Bool(true) { Answer::Allow } else { Answer::Deny };
        settings.probes = vec![Probe { question, expected: Some(answer) }];
        let node = self.start_with(config, settings).await;
        node.agent.packs().expect("a fetcher").look().await;
        node
    }

    /// The registry goes away.
    pub(super) async fn close(&self) {
        let hub = self.hub.lock().expect("no panic inside").take();
        if let Some(hub) = hub {
            hub.shutdown().await;
        }
    }
}
