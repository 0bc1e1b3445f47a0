//! What stands around the nodes of a story: the registry, its signer, and the desk that alerts arrive at.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Response, StatusCode},
    middleware::map_response,
    routing::post,
};
use jiff::Timestamp;
use plumb_agent::{
    EmbeddedSettings, PackEngine, PackFetching,
    fetch::{FetchConfig, FetchMode, SigstoreVerifier},
};
use plumb_bundle::{
    formats::{archive::Members, pack},
    json,
};
use plumb_hub::{PackFolder, Packs, publish, router};
use plumb_pki::{Pki, Recipe};
use plumb_serve::{Serving, serve};
use plumb_trust::{Identity, Profile, SigstoreRoot, TrustPolicy, Window};
use plumb_worker::{Program, child};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const ID: &str = "policy-pack-v0";
const STRANGER: &str = "https://git.example.com/somebody/else/release.yml@refs/heads/main";

/// How a pack is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Sound,
    Unsigned,
    ByStranger,
    OfOther,
    OtherDigest,
    Broken,
}

impl Offer {
    pub(crate) fn of(words: &str) -> Self {
        match words {
            "" => Self::Sound,
            "unsigned" => Self::Unsigned,
            "by a stranger" => Self::ByStranger,
            "with the attestation of another" => Self::OfOther,
            "with another digest" => Self::OtherDigest,
            "broken" => Self::Broken,
            _ => panic!("no such offer: {words}"),
        }
    }

    /// Why a node refuses it.
    pub(crate) fn cause(self) -> Option<&'static str> {
        match self {
            Self::Sound => None,
            Self::Unsigned => Some("unsigned"),
            Self::ByStranger => Some("wrong_identity"),
            Self::OfOther => Some("bad_signature"),
            Self::OtherDigest => Some("digest_mismatch"),
            Self::Broken => Some("activation_refused"),
        }
    }

    /// Whether it is a matter of trust, and not of Rego.
    pub(crate) fn is_alerted(self) -> bool {
        self != Self::Broken
    }
}

/// A hub with one pack. It can be closed, and opened again where it was.
pub(crate) struct Registry {
    folder: PathBuf,
    pki: Pki,
    signed_at: Timestamp,
    packs: Packs,
    address: SocketAddr,
    /// Somebody between hub and nodes changes the digest.
    meddled_with: Arc<AtomicBool>,
    open: Option<(CancellationToken, JoinHandle<()>)>,
    stop: CancellationToken,
}

impl Registry {
    pub(crate) async fn start(folder: &Path) -> Self {
        fs::create_dir(folder).expect("writable");
        let signed_at = Timestamp::now() - Duration::from_hours(2);
        let stop = CancellationToken::new();
        let packs = PackFolder::open(folder).expect("a folder");
        let packs = Packs::open(packs, [ID.to_owned()], stop.clone()).expect("readable");
        let mut registry = Self {
            folder: folder.to_owned(),
            pki: Pki::new(signed_at).expect("an authority"),
            signed_at,
            packs,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            meddled_with: Arc::default(),
            open: None,
            stop,
        };
        registry.open().await;
        registry
    }

    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the address is free");
        self.address = listener.local_addr().expect("an address");
        let meddled_with = Arc::clone(&self.meddled_with);
        let meddle = move |mut answer: Response<Body>| {
            if meddled_with.load(Ordering::Acquire) && answer.status() == StatusCode::OK {
                let other = format!("sha-256={}", "0".repeat(64));
                let other = HeaderValue::from_str(&other).expect("hex");
                if let Some(digest) = answer.headers_mut().get_mut("digest") {
                    *digest = other;
                }
            }
            std::future::ready(answer)
        };
        let router = router(self.packs.clone()).layer(map_response(meddle));
        let serving = Serving { listener, tls: None, router, connections_max: 64 };
        let closing = self.stop.child_token();
        self.open = Some((closing.clone(), tokio::spawn(serve(serving, closing))));
    }

    /// Cuts every connection that waits.
    pub(crate) async fn close(&mut self) {
        let (closing, server) = self.open.take().expect("it was open");
        closing.cancel();
        server.abort();
        let _ = server.await;
    }

    pub(crate) fn publish(&self, version: &str, offer: Offer) {
        let tar = tar(version, offer == Offer::Broken);
        let artifact = if offer == Offer::OfOther { self::tar("0", false) } else { tar.clone() };
        let mut recipe = Recipe::new(artifact, self.signed_at);
        if offer == Offer::ByStranger {
            STRANGER.clone_into(&mut recipe.identity);
        }
        let attestation = self.pki.issue(&recipe).expect("an attestation").bundle_json();
        let attestation = (offer != Offer::Unsigned).then_some(attestation.as_bytes());
        // Somebody in between lets go of a pack only once the next one is there: without them it is sound.
        let meddled_with = offer == Offer::OtherDigest;
        self.meddled_with.fetch_or(meddled_with, Ordering::AcqRel);
        publish(&self.folder, ID, &tar, attestation).expect("writable");
        self.packs.refresh().expect("readable");
        self.meddled_with.store(meddled_with, Ordering::Release);
    }

    /// What a node fetches, whom it trusts, and what answers by it.
    pub(crate) fn fetching(&self, folder: &Path, mode: FetchMode) -> PackFetching {
        let url = format!("http://{}/v1/policy/packs/{ID}", self.address);
        let mut config = FetchConfig::new(&url, folder.join("packs")).expect("an address");
        config.mode = mode;
        config.interval = Duration::from_secs(2);
        let mut policy = TrustPolicy::new(Profile::Logged);
        let root = self.pki.trusted_root().to_string();
        let root = SigstoreRoot::read("story", root.as_bytes()).expect("a root");
        policy.add_root(root, Window::default()).expect("the first");
        let known = Recipe::new(Vec::new(), self.signed_at);
        policy.add_identity(Identity::exact(known.identity, known.issuer));
        let verifier = SigstoreVerifier::new(policy.checked().expect("a name is given"));
        let program =
            Program::new(env!("CARGO_BIN_EXE_scenario-evaluation"), [child::SUBCOMMAND.into()]);
        let engine = PackEngine::Embedded(Box::new(EmbeddedSettings::new(program)));
        PackFetching::new(config, Arc::new(verifier), engine)
    }
}

/// A pack that tells its version and allows with the even ones.
fn tar(version: &str, broken: bool) -> Vec<u8> {
    let allow = version.parse::<u32>().expect("a number").is_multiple_of(2);
    let end = if broken { "allow if {" } else { "" };
    let module = format!("package cos.abac\nversion := \"{version}\"\nallow := {allow}\n{end}\n");
    let files = Members::from([("opa/cos.abac.rego".to_owned(), module.into_bytes())]);
    let manifest = format!(r#"{{"id":"{ID}","version":"{version}"}}"#);
    pack::write(&json::parse(manifest.as_bytes()).expect("JSON"), &files).expect("a sound pack")
}

/// Somebody on call, reached as an Alertmanager is.
pub(crate) struct Desk {
    url: String,
    heard: watch::Receiver<Vec<Value>>,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        let (hears, heard) = watch::channel(Vec::new());
        let hears = Arc::new(Mutex::new(hears));
        let take = |State(hears): State<Arc<Mutex<watch::Sender<Vec<Value>>>>>, body: Bytes| async move {
            let alerts: Vec<Value> = serde_json::from_slice(&body).expect("alerts are JSON");
            hears.lock().expect("no panic inside").send_modify(|heard| heard.extend(alerts));
        };
        let app = Router::new().route("/api/v2/alerts", post(take)).with_state(hears);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, heard }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for an alert of this node about a pack refused for this cause; whom it is for.
    pub(crate) async fn told(&self, node: &str, cause: &str) -> String {
        let is_it = |alert: &&Value| {
            let text = alert["annotations"]["description"].as_str().unwrap_or_default();
            alert["labels"]["alertname"] == "PolicyPackRefused"
                && alert["labels"]["node"] == node
                && text.starts_with(cause)
        };
        let mut heard = self.heard.clone();
        let heard = heard.wait_for(|alerts| alerts.iter().any(|alert| is_it(&alert))).await;
        let heard = heard.expect("the desk is manned");
        let alert = heard.iter().find(is_it).expect("waited for");
        alert["labels"]["audience"].as_str().unwrap_or_default().to_owned()
    }
}
