//! A folder with keys and signed bundles, an agent beside it, and a client.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use plumb_agent::{Agent, AgentConfig, Clock, RunningAgent, TrustKey};
use plumb_bundle::{
    formats::signed_json::BundleDraft,
    json::{self, Value as BundleValue},
};
use plumb_trust::{SigningKey, sign_bundle};
use reqwest::{Client, Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

pub(crate) const TOKEN: &str = "correct-horse-battery-staple";
/// How long anything that has to happen may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Making a 2048-bit key takes a second without optimisation, so all tests share two.
static SIGNER: LazyLock<SigningKey> = LazyLock::new(generate);
static STRANGER: LazyLock<SigningKey> = LazyLock::new(generate);

fn generate() -> SigningKey {
    SigningKey::generate_rsa(2048, &mut fill).expect("a key can be made")
}

fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("there is randomness");
}

/// Folders of one test.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::create_dir(folder.path().join("bundles")).expect("writable");
        let pem = SIGNER.public_pem().expect("an RSA key prints");
        fs::write(folder.path().join("signer.pem"), pem).expect("writable");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn bundle_path(&self, name: &str) -> PathBuf {
        self.folder.path().join("bundles").join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a bundle of one policy per effect word, signed by the trusted key.
    pub(crate) fn sign(&self, name: &str, version: &str, effects: &[&str]) -> PathBuf {
        self.place(name, &signed(&SIGNER, version, effects))
    }

    /// The same, with a moment from which on it is expired.
    pub(crate) fn sign_until(&self, name: &str, version: &str, expires_at: &str) -> PathBuf {
        let end = expires_at.parse().expect("a moment");
        self.place(name, &signed_until(&SIGNER, version, &["deny"], Some(end)))
    }

    /// The same, signed by a key nobody trusts.
    pub(crate) fn sign_by_stranger(&self, name: &str, version: &str) -> PathBuf {
        self.place(name, &signed(&STRANGER, version, &["allow"]))
    }

    /// Puts a file in place in one step, as a careful deployment does.
    pub(crate) fn place(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.bundle_path(name);
        let fresh = path.with_extension("part");
        fs::write(&fresh, bytes).expect("writable");
        fs::rename(&fresh, &path).expect("writable");
        path
    }

    pub(crate) fn config(&self) -> AgentConfig {
        let key = TrustKey { id: "signer".to_owned(), pem: self.path().join("signer.pem") };
        let mut config = AgentConfig::new(self.bundle_path("policies.signed.json"), vec![key]);
        config.state_dir = Some(self.state_dir());
        config.token = Some(SecretString::from(TOKEN));
        config.watch = false;
        config.polling = None;
        config
    }

    pub(crate) fn field_config(&self) -> AgentConfig {
        let mut config = self.config();
        config.field_compatible = true;
        config.token = None;
        config.state_dir = None;
        config
    }

    /// A clock that stands still until it is set.
    #[expect(clippy::unused_self, reason = "reads as part of the world at the call")]
    pub(crate) fn clock(&self, at: &str) -> (Clock, impl Fn(&str) + use<>) {
        let second = |text: &str| text.parse::<jiff::Timestamp>().expect("a moment").as_second();
        let now = Arc::new(AtomicI64::new(second(at)));
        let shown = Arc::clone(&now);
        let clock = Clock::new(move || {
            jiff::Timestamp::from_second(shown.load(Ordering::Acquire)).expect("in range")
        });
        (clock, move |text: &str| now.store(second(text), Ordering::Release))
    }

    /// The text with what differs between runs replaced.
    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), "[folder]")
    }
}

fn signed(key: &SigningKey, version: &str, effects: &[&str]) -> Vec<u8> {
    signed_until(key, version, effects, None)
}

fn signed_until(
    key: &SigningKey,
    version: &str,
    effects: &[&str],
    expires_at: Option<jiff::Timestamp>,
) -> Vec<u8> {
    let policies = effects.iter().enumerate().map(|(index, effect)| policy(index, effect));
    let draft = BundleDraft {
        id: "payments-policies".to_owned(),
        version: version.to_owned(),
        issued_at: "2026-11-01T08:00:00Z".parse().expect("a moment"),
        issuer: Some("Payments platform".to_owned()),
        description: None,
        expires_at,
        tags: Vec::new(),
        policies: policies.collect(),
    };
    let unsigned = draft.build().expect("a sound bundle");
    sign_bundle(&unsigned, key, "signer", &mut fill).expect("an RSA key signs")
}

fn policy(index: usize, effect: &str) -> BundleValue {
    let id = ["payments.transfer", "ledger.export", "payments", "reports.read"]
        .get(index)
        .map_or_else(|| format!("capability-{index}"), |id| (*id).to_owned());
    let text = format!(r#"{{"id":"{id}","effect":"{effect}","description":"{id} is {effect}"}}"#);
    json::parse(text.as_bytes()).expect("valid JSON")
}

/// An agent and a client that shows its token.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) agent: RunningAgent,
    client: Client,
    token: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) media: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Node {
    pub(crate) async fn start(config: AgentConfig) -> Self {
        let agent = Agent::start(config).await.expect("the agent starts");
        Self { agent, client: Client::new(), token: Some(TOKEN.to_owned()) }
    }

    /// The same agent, asked without a token.
    #[must_use]
    pub(crate) fn with_token(mut self, token: Option<&str>) -> Self {
        self.token = token.map(str::to_owned);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.agent.url()));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.expect("the agent answers");
        let media = response.headers().get("content-type");
        let media = media.and_then(|m| m.to_str().ok()).unwrap_or_default().to_owned();
        let (status, headers) = (response.status(), response.headers().clone());
        Reply { status, media, headers, text: response.text().await.expect("a text") }
    }

    /// Reloads a path and expects success.
    pub(crate) async fn reload(&self, path: &Path) -> Value {
        let body = serde_json::json!({ "bundle_path": path }).to_string();
        let reply = self.post("/reload", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    /// Asks again until an answer is as expected.
    pub(crate) async fn until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await.json();
                if expected(&answer) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        let begun = Instant::now();
        timeout(DEADLINE, asking)
            .await
            .unwrap_or_else(|_| panic!("{path} is not as expected after {:?}", begun.elapsed()))
    }
}

/// Replaces times, durations and ages, which no run shares with another.
pub(crate) fn steady(text: &str) -> String {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    scrub(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON")
}

fn scrub(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "timestamp" | "loaded_at" | "bundle_loaded_at" | "started_at" | "clock"
                    | "confirmed_at" | "since" | "at"
                        if !value.is_null() =>
                    {
                        *value = moment_shape(value);
                    }
                    "duration_ms" | "avg_duration_ms" | "average_ms" if value.is_number() => {
                        *value = Value::from("[ms]");
                    }
                    "request_id" => *value = Value::from("[id]"),
                    "digest" | "content" if value.is_string() => *value = Value::from("[sha256]"),
                    _ => scrub(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(scrub),
        _ => {}
    }
}

/// Keeps how a moment is written: as RFC 3339 in UTC, or as Python does.
fn moment_shape(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    text.parse::<jiff::Timestamp>().expect("a moment");
    Value::from(if text.ends_with("+00:00") { "[python moment]" } else { "[moment]" })
}
