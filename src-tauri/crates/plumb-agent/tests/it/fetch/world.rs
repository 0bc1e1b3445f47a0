//! An engine, a verifier, signed packs, and a fetcher between them.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use plumb_agent::{
    Clock,
    fetch::{
        Activate, Activated, Cause, FetchConfig, FetchEvent, FetchParts, FetchStatus, Fetcher,
        HttpSource, NamedCheck, PackSource, PackVerifier, RealDisk, Refusal, Refused, Signed,
        VerificationReport, VerifiedPack,
    },
};
use plumb_bundle::{
    Bundle, SignedJson,
    formats::{archive::Members, pack, signed_json::BundleDraft},
    json,
};
use plumb_fleet::Digest;
use plumb_trust::{KeySet, Outcome, SigningKey, sign_bundle, verify_signed_json};
use tempfile::TempDir;
use tokio::time::timeout;

pub(crate) const ID: &str = "policy-pack-v0";
pub(crate) const ISSUER: &str = "Payments platform";
/// How long anything that has to happen may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(30);

static SIGNER: LazyLock<SigningKey> = LazyLock::new(generate);
static STRANGER: LazyLock<SigningKey> = LazyLock::new(generate);

fn generate() -> SigningKey {
    SigningKey::generate_rsa(2048, &mut fill).expect("a key can be made")
}

fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("there is randomness");
}

/// A pack of one module.
pub(crate) fn tar(allow: &str) -> Vec<u8> {
    tar_named(ID, allow)
}

pub(crate) fn tar_named(id: &str, allow: &str) -> Vec<u8> {
    let module = format!("package cos.abac\nimport rego.v1\ndefault allow := {allow}\n");
    let files = Members::from([
        ("opa/cos.abac.rego".to_owned(), module.into_bytes()),
        ("data/retention.json".to_owned(), br#"{"gold":365}"#.to_vec()),
    ]);
    let manifest = format!(r#"{{"id":"{id}","version":"{allow}"}}"#);
    let manifest = json::parse(manifest.as_bytes()).expect("valid JSON");
    pack::write(&manifest, &files).expect("a sound pack")
}

/// Who vouches for a pack, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vouching {
    pub(crate) stranger: bool,
    pub(crate) issuer: &'static str,
    pub(crate) until: &'static str,
}

impl Default for Vouching {
    fn default() -> Self {
        Self { stranger: false, issuer: ISSUER, until: "2027-06-01T00:00:00Z" }
    }
}

/// A statement that these bytes are the pack, signed by a plain key.
pub(crate) fn attest(tar: &[u8], by: Vouching) -> Vec<u8> {
    let statement = r#"{"id":"statement","effect":"allow"}"#;
    let draft = BundleDraft {
        id: ID.to_owned(),
        version: "1".to_owned(),
        issued_at: "2026-11-01T08:00:00Z".parse().expect("a moment"),
        issuer: Some(by.issuer.to_owned()),
        description: Some(format!("sha256:{}", Digest::of(tar))),
        expires_at: Some(by.until.parse().expect("a moment")),
        tags: Vec::new(),
        policies: vec![json::parse(statement.as_bytes()).expect("valid JSON")],
    };
    let key: &SigningKey = if by.stranger { &STRANGER } else { &SIGNER };
    let unsigned = draft.build().expect("a sound statement");
    sign_bundle(&unsigned, key, "signer", &mut fill).expect("an RSA key signs")
}

/// Trusts statements as [`attest`] makes them.
#[derive(Debug)]
pub(crate) struct KeyVerifier(KeySet);

impl KeyVerifier {
    pub(crate) fn new() -> Arc<Self> {
        let mut keys = KeySet::new();
        keys.add(SIGNER.trusted("signer", None).expect("a public key")).expect("the first key");
        Arc::new(Self(keys))
    }
}

impl PackVerifier for KeyVerifier {
    fn verify(&self, signed: Signed<'_>, now: Timestamp) -> VerificationReport {
        let mut report = VerificationReport { checks: Vec::new(), carried_by: None, refusal: None };
        let mut check = |name: &'static str, passed: bool, detail: String, refusal: Refusal| {
            report.checks.push(NamedCheck::new(name, passed, detail));
            if !passed && report.refusal.is_none() {
                report.refusal = Some(refusal);
            }
        };
        let read = SignedJson::read(signed.attestation);
        let Ok(statement) = read else {
            check("format", false, "is no statement".to_owned(), Refusal::BadSignature);
            return report;
        };
        let present = statement.signature().is_some();
        check("signature present", present, String::new(), Refusal::Unsigned);
        let verdict = verify_signed_json(&statement, &self.0);
        for made in verdict.checks() {
            let passed = made.outcome == Outcome::Passed;
            check("key", passed, format!("{}: {}", made.name, made.detail), Refusal::BadSignature);
        }
        let bundle = Bundle::read(signed.attestation).expect("read just now");
        let subject = format!("sha256:{}", signed.digest);
        let about = bundle.metadata.description.as_deref() == Some(&subject);
        check("subject", about && bundle.id == signed.pack_id, subject, Refusal::BadSignature);
        let issuer = bundle.issuer.unwrap_or_default();
        check("identity", issuer == ISSUER, issuer, Refusal::WrongIdentity);
        let until = bundle.metadata.expiry.at().unwrap_or(Timestamp::MIN);
        check("time", now <= until, format!("until {until}"), Refusal::Expired);
        report.carried_by = verdict.key().map(|key| key.key_id.clone());
        report
    }
}

/// What an engine does with a pack of this content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Refuse,
    Hang,
    Panic,
}

/// An engine that remembers what it answers by.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    taken: Mutex<Vec<Digest>>,
    reactions: Mutex<Vec<(Digest, Reaction)>>,
}

impl Engine {
    pub(crate) fn answers_by(&self) -> Option<Digest> {
        self.taken.lock().expect("no panic inside").last().copied()
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().expect("no panic inside").len()
    }

    pub(crate) fn react(&self, tar: &[u8], reaction: Reaction) {
        self.reactions.lock().expect("no panic inside").push((Digest::of(tar), reaction));
    }
}

impl Activate for Engine {
    fn activate<'a>(&'a self, pack: &'a VerifiedPack) -> BoxFuture<'a, Result<Activated, Refused>> {
        Box::pin(async move {
            let digest = pack.digest();
            let reaction = self.reactions.lock().expect("no panic inside").clone();
            let reaction = reaction.iter().find(|(of, _)| *of == digest).map(|(_, r)| *r);
            match reaction {
                None => {}
                Some(Reaction::Refuse) => {
                    return Err(Refused { reason: "rego_parse_error: line 3".to_owned() });
                }
                Some(Reaction::Hang) => std::future::pending().await,
                Some(Reaction::Panic) => panic!("a bug of the engine"),
            }
            self.taken.lock().expect("no panic inside").push(digest);
            Ok(Activated::default())
        })
    }
}

/// What one agent consists of; survives its fetchers.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) engine: Arc<Engine>,
    log: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Vec<String>>>,
    now: Arc<Mutex<Timestamp>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = "2026-11-20T08:00:00Z".parse().expect("a moment");
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            engine: Arc::default(),
            log: Arc::default(),
            events: Arc::default(),
            now: Arc::new(Mutex::new(now)),
        }
    }

    pub(crate) fn set_clock(&self, at: &str) {
        *self.now.lock().expect("no panic inside") = at.parse().expect("a moment");
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || *now.lock().expect("no panic inside"))
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic inside").join("\n")
    }

    /// What happened since the last call, in order, without durations.
    pub(crate) fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().expect("no panic inside"))
    }

    pub(crate) fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default()
    }

    pub(crate) fn config(&self, url: &str) -> FetchConfig {
        let mut config = FetchConfig::new(url, self.folder.path()).expect("an address");
        // So long that only what a test asks for happens.
        config.interval = Duration::from_hours(24);
        config
    }

    pub(crate) fn parts(&self, source: Arc<dyn PackSource>) -> FetchParts {
        let (log, events) = (Arc::clone(&self.log), Arc::clone(&self.events));
        FetchParts {
            source,
            verifier: KeyVerifier::new(),
            activate: Arc::clone(&self.engine) as Arc<dyn Activate>,
            disk: Arc::new(RealDisk),
            clock: self.clock(),
            share: Box::new(|| 1.0),
            log: Arc::new(move |level, line| {
                log.lock().expect("no panic inside").push(format!("{level:?} {line}"));
            }),
            observe: Arc::new(move |event| {
                let text = match event {
                    FetchEvent::Looked { attempt, .. } => {
                        format!("{:?} {}", attempt.result, attempt.cause.map_or("-", Cause::as_str))
                    }
                    FetchEvent::Verified(report) => format!("trusted {}", report.is_trusted()),
                    FetchEvent::Reloaded { taken, .. } => format!("taken {taken}"),
                    FetchEvent::Fallback(active) => format!("fallback {active}"),
                };
                events.lock().expect("no panic inside").push(text);
            }),
        }
    }

    pub(crate) async fn start(&self, config: FetchConfig) -> Fetcher {
        let source = HttpSource::new(&config, self.clock()).expect("a client");
        Fetcher::start(config, self.parts(Arc::new(source))).await.expect("the fetcher starts")
    }
}

/// Waits for a status.
pub(crate) async fn until(fetcher: &Fetcher, wanted: impl Fn(&FetchStatus) -> bool) -> FetchStatus {
    let mut status = fetcher.status();
    let waiting = status.wait_for(|status| wanted(status));
    let reached = timeout(DEADLINE, waiting).await;
    let reached = reached.unwrap_or_else(|_| panic!("not in time"));
    reached.expect("the fetcher lives").clone()
}
