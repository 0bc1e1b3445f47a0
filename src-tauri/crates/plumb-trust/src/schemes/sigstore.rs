//! Sigstore bundles, versions 0.1 to 0.3, offline, against a supplied trusted root.
//!
//! Our own checks come first and are stricter than the format asks: unknown fields are refused, the
//! inclusion proof is always demanded, the checkpoint must be by the log that the entry names, and
//! every key must have been trusted when the signature was made. Then the Sigstore project's own
//! verifier is asked, for what only it checks and as a second opinion.
//!
//! These fields of a bundle are authenticated by nothing, and nothing depends on them: `mediaType`
//! between versions 0.1 and 0.2, `publicKey.hint`, `dsseEnvelope.signatures[].keyid`, signatures of
//! others below a checkpoint, and whether `messageDigest` and certificates that the trusted root
//! lists itself are there at all (what they say is checked). Without a promise, the top `logIndex` of
//! a Rekor v1 entry is not looked at either, nor is `integratedTime` where a timestamp says when. Of a
//! timestamp, what its signer does not sign is such a field, among it the certificates that came along.
//!
//! A signature by a key that was handed over, with a log entry, needs no time: neither the format nor
//! the project's own cases ask for one, and Rekor v2 gives none. Then the log must be trusted now, and
//! whether a timestamp is there at all is one more field that nothing depends on. An entry that claims
//! a time which its log did not sign is refused.

pub mod identity;
pub mod report;
pub mod root;

mod certificate;
mod content;
mod engine;
mod log;
mod timestamp;
mod wire;

use jiff::Timestamp;
use plumb_fleet::ids::Digest;
use sigstore_types::{Bundle, DerPublicKey, SignatureBytes, SignatureContent};

use certificate::Chain;
use engine::{Engine, Request};
pub use identity::{Identity, NamePattern, NameRule, PatternError};
use log::KnownEntry;
pub use report::{
    Carried, CertificateUse, CheckOutcome, Checked, KeyMaterial, LogUse, Report, SigstoreCheck,
    TimeUse,
};
pub use root::{RootError, RootPart, SigstoreRoot};
pub(crate) use timestamp::{StampError, verify as verify_stamp};
pub use wire::ATTESTATION_BYTES_MAX;
use wire::WireError;

use SigstoreCheck as Check;

/// What was signed: the bytes, or their SHA-256 where the bytes are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact<'a> {
    Bytes(&'a [u8]),
    Digest(Digest),
}

impl Artifact<'_> {
    pub fn sha256(self) -> Digest {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::Digest(digest) => digest,
        }
    }
}

/// What must vouch for a signature beside the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A transparency log, with an inclusion proof.
    #[default]
    Logged,
    /// A timestamp authority alone, as private repositories of some forges have it. Nobody can see
    /// from outside what was signed, so a fleet must ask for this by name.
    TimestampOnly,
}

/// A public key that signs without a certificate.
#[derive(Debug, Clone)]
pub struct SigstoreKey {
    id: String,
    der: DerPublicKey,
    fingerprint: Digest,
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {id:?} cannot be used: {problem}")]
pub struct SigstoreKeyError {
    pub id: String,
    pub problem: String,
}

impl SigstoreKey {
    /// Reads a `PUBLIC KEY` in PEM: ECDSA, Ed25519 or RSA.
    pub fn from_pem(id: impl Into<String>, pem: &str) -> Result<Self, SigstoreKeyError> {
        let id = id.into();
        let failed = |problem: String| SigstoreKeyError { id: id.clone(), problem };
        let der = DerPublicKey::from_pem(pem).map_err(|error| failed(error.to_string()))?;
        sigstore_crypto::KeyAlgorithm::from_spki(&der)
            .map_err(|error| failed(error.to_string()))?;
        let fingerprint = Digest::of(der.as_bytes());
        Ok(Self { id, der, fingerprint })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the key in DER (`SubjectPublicKeyInfo`).
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }
}

/// Who is expected to have signed.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedSigner<'a> {
    Identity(&'a Identity),
    Key(&'a SigstoreKey),
}

/// What one verification asks for.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    pub signer: ExpectedSigner<'a>,
    pub profile: Profile,
}

/// Somebody who can tell whether an attestation vouches for an artifact.
pub trait VerifyAttestation {
    /// Judges an artifact by its attestation, as of `now`.
    fn verify(
        &self,
        artifact: Artifact<'_>,
        attestation: &[u8],
        expected: Expectation<'_>,
        now: Timestamp,
    ) -> Report;
}

impl VerifyAttestation for SigstoreRoot {
    fn verify(
        &self,
        artifact: Artifact<'_>,
        attestation: &[u8],
        expected: Expectation<'_>,
        now: Timestamp,
    ) -> Report {
        let mut report = Report::new(self.id());
        let Some(bundle) = read(&mut report, attestation) else { return report };
        let chain = Chain::read(&bundle.verification_material.content);
        if !material(&mut report, chain.is_some(), expected.signer) {
            return report;
        }
        let mut judge = Judge { root: self, bundle: &bundle, expected, now, times: Vec::new() };
        judge.content(&mut report, artifact);
        let chain = match chain {
            None => {
                report.unneeded(&CERTIFICATE_CHECKS, "signed by a key, without a certificate");
                None
            }
            Some(Err(problem)) => {
                report.fail(Check::CertificateFormat, problem);
                return report;
            }
            Some(Ok(chain)) => Some(chain),
        };
        judge.evidence(&mut report);
        if let Some(chain) = &chain {
            judge.certificate(&mut report, chain);
        }
        judge.second_opinion(&mut report, artifact, chain.as_ref());
        report
    }
}

const CERTIFICATE_CHECKS: [Check; 10] = [
    Check::CertificateFormat,
    Check::CertificateUsage,
    Check::CertificatePath,
    Check::CertificateChain,
    Check::CertificateAuthorityWindow,
    Check::CertificateTime,
    Check::CertificateSct,
    Check::CertificateSctLog,
    Check::IdentitySan,
    Check::IdentityIssuer,
];

const LOG_CHECKS: [Check; 6] = [
    Check::LogKnown,
    Check::LogInclusionProof,
    Check::LogCheckpoint,
    Check::LogInclusionPromise,
    Check::LogKeyWindow,
    Check::LogEntry,
];

fn read(report: &mut Report, attestation: &[u8]) -> Option<Bundle> {
    match wire::read(attestation) {
        Ok(bundle) => {
            report.pass(Check::BundleFormat, format!("{} bytes", attestation.len()));
            report.pass(Check::BundleMediaType, bundle.media_type().as_str());
            return Some(bundle);
        }
        Err(WireError::Format(problem)) => report.fail(Check::BundleFormat, problem),
        Err(WireError::MediaType(problem)) => report.fail(Check::BundleMediaType, problem),
        Err(WireError::Material(problem)) => report.fail(Check::BundleMaterial, problem),
    }
    None
}

/// The bundle carries the kind of signer that was asked for.
fn material(report: &mut Report, certificate: bool, expected: ExpectedSigner<'_>) -> bool {
    let found = match (certificate, expected) {
        (true, ExpectedSigner::Identity(_)) => Ok("a certificate"),
        (false, ExpectedSigner::Key(_)) => Ok("a key"),
        (true, ExpectedSigner::Key(_)) => Err("a certificate, where a key was asked for"),
        (false, ExpectedSigner::Identity(_)) => Err("a key, where a certificate was asked for"),
    };
    report.settle(Check::BundleMaterial, found.map(str::to_owned).map_err(str::to_owned))
}

/// One verification, with what it has found out so far.
struct Judge<'a> {
    root: &'a SigstoreRoot,
    bundle: &'a Bundle,
    expected: Expectation<'a>,
    now: Timestamp,
    /// Verified times of signing.
    times: Vec<Timestamp>,
}

impl Judge<'_> {
    fn content(&self, report: &mut Report, artifact: Artifact<'_>) {
        match &self.bundle.content {
            SignatureContent::MessageSignature(message) => {
                report.settle(Check::ArtifactDigest, content::digest(artifact, message));
                report.unneeded(&[Check::ArtifactSubject], "the artifact itself is signed");
            }
            SignatureContent::DsseEnvelope(envelope) => {
                report.settle(Check::ArtifactSubject, content::subject(artifact, envelope));
                report.unneeded(&[Check::ArtifactDigest], "a statement about it is signed");
            }
            _ => report.fail(Check::BundleFormat, "neither a signature nor an envelope"),
        }
    }

    fn signature(&self) -> SignatureBytes {
        match &self.bundle.content {
            SignatureContent::MessageSignature(message) => message.signature.clone(),
            SignatureContent::DsseEnvelope(envelope) => envelope.signature.sig.clone(),
            _ => SignatureBytes::new(Vec::new()),
        }
    }

    /// Timestamps, then logs: both say when, and the windows of log keys are about when.
    fn evidence(&mut self, report: &mut Report) {
        self.stamps(report);
        let bundle = self.bundle;
        let root = self.root;
        let entries = &bundle.verification_material.tlog_entries;
        let mut known = Vec::new();
        if self.expected.profile == Profile::TimestampOnly {
            if entries.is_empty() {
                report.pass(Check::LogPresent, "no log, as the policy asks for");
                report.unneeded(&LOG_CHECKS, "the profile is that of a timestamp alone");
            } else {
                report.fail(Check::LogPresent, "a log entry, where the policy asks for none");
            }
        } else if entries.is_empty() {
            let problem = "no log entry; a policy must ask for the profile of a timestamp alone";
            report.fail(Check::LogPresent, problem);
        } else {
            report.pass(Check::LogPresent, format!("{} entries", entries.len()));
            for entry in entries {
                match KnownEntry::of(entry, root) {
                    Ok(entry) => known.push(entry),
                    Err(problem) => report.fail(Check::LogKnown, problem),
                }
            }
        }
        self.promises(report, &known);
        self.when(report);
        for entry in &known {
            let raw = entry.entry;
            report.pass(Check::LogKnown, entry.url);
            report.settle(Check::LogInclusionProof, entry.inclusion());
            if raw.inclusion_proof.is_some() {
                report.settle(Check::LogCheckpoint, entry.checkpoint());
            }
            if !self.times.is_empty() {
                report.settle(Check::LogKeyWindow, entry.key_window(&self.times));
            } else if self.needs_no_time() {
                // Nothing says when it was logged, so the log must be trusted now.
                report.settle(Check::LogKeyWindow, entry.key_window(&[self.now]));
            }
            let kind = format!("{} {}", raw.kind_version.kind(), raw.kind_version.version());
            report.carried.logs.push(LogUse {
                url: entry.url.to_owned(),
                key_id: hex::encode(raw.log_id.key_id.as_bytes()),
                index: raw.log_index.get(),
                kind,
            });
        }
    }

    fn stamps(&mut self, report: &mut Report) {
        let stamps = &self.bundle.verification_material.timestamp_verification_data;
        if stamps.rfc3161_timestamps.is_empty() {
            let checks = [Check::TimestampTsa, Check::TimestampWindow];
            report.unneeded(&checks, "the bundle has no timestamp of an authority");
            return;
        }
        let signature = self.signature();
        for stamp in &stamps.rfc3161_timestamps {
            match timestamp::verify(&stamp.signed_timestamp, &signature, self.root) {
                Ok((at, by)) => {
                    report.pass(Check::TimestampTsa, by.clone());
                    report.pass(Check::TimestampWindow, format!("trusted at {at}"));
                    self.times.push(at);
                    report.carried.times.push(TimeUse { at, by });
                }
                Err(StampError::Unverified(problem)) => report.fail(Check::TimestampTsa, problem),
                Err(StampError::Window(problem)) => {
                    report
                        .pass(Check::TimestampTsa, "by a timestamp authority of the trusted root");
                    report.fail(Check::TimestampWindow, problem);
                }
            }
        }
    }

    fn promises(&mut self, report: &mut Report, known: &[KnownEntry<'_>]) {
        for entry in known {
            match entry.promise() {
                None => {
                    let checks = [Check::LogInclusionPromise];
                    report.unneeded(&checks, "the entry makes no promise; its proof counts");
                }
                Some(Ok(at)) => {
                    report.pass(Check::LogInclusionPromise, format!("logged at {at}"));
                    self.times.push(at);
                    report.carried.times.push(TimeUse { at, by: entry.url.to_owned() });
                }
                Some(Err(problem)) => report.fail(Check::LogInclusionPromise, problem),
            }
        }
    }

    fn when(&self, report: &mut Report) {
        const SOURCES: [Check; 5] = [
            Check::TimestampTsa,
            Check::TimestampWindow,
            Check::LogInclusionPromise,
            Check::LogKnown,
            Check::LogPresent,
        ];
        if let Some(first) = self.times.iter().min() {
            report.pass(Check::TimestampPresent, format!("{first}"));
            let late = self.times.iter().find(|at| **at > self.now);
            let found = late.map_or_else(
                || Ok(format!("all before {}", self.now)),
                |at| Err(format!("{at} lies in the future of {}", self.now)),
            );
            report.settle(Check::TimestampNotFuture, found);
            return;
        }
        let sources = |check: &Checked| {
            check.outcome == CheckOutcome::Failed && SOURCES.contains(&check.name)
        };
        if report.checks().iter().any(sources) {
            return;
        }
        if !self.needs_no_time() {
            report.fail(Check::TimestampPresent, "nothing says when the signature was made");
        } else if let Some(at) = self.claimed() {
            let problem = format!("the log entry says {at}, and its log did not sign that");
            report.fail(Check::TimestampPresent, problem);
        } else {
            let checks = [Check::TimestampPresent, Check::TimestampNotFuture];
            report.unneeded(&checks, "a key has no certificate whose window a time must lie in");
        }
    }

    /// A time that an entry claims and no promise vouches for.
    fn claimed(&self) -> Option<Timestamp> {
        let entries = &self.bundle.verification_material.tlog_entries;
        let mut bare = entries.iter().filter(|entry| entry.inclusion_promise.is_none());
        bare.find_map(|entry| entry.integrated_time)
    }

    /// A time of signing is asked for to judge the certificate at it. A key that was handed over has
    /// none, and its log entry is proven by the checkpoint; without a log, a timestamp is all there is.
    fn needs_no_time(&self) -> bool {
        let by_key = matches!(self.expected.signer, ExpectedSigner::Key(_));
        by_key && self.expected.profile == Profile::Logged
    }

    fn certificate(&self, report: &mut Report, chain: &Chain) {
        let window = chain.window();
        report.settle(
            Check::CertificateFormat,
            window.clone().map(|(from, until)| format!("valid from {from} to {until}")),
        );
        let Ok((not_before, not_after)) = window else { return };
        report.settle(Check::CertificateUsage, chain.usage());
        report.settle(Check::CertificatePath, chain.path(self.root));
        if !self.times.is_empty() {
            let outside = self.times.iter().find(|at| **at < not_before || **at > not_after);
            let found = outside.map_or_else(
                || Ok(format!("valid at {} times of signing", self.times.len())),
                |at| Err(format!("valid from {not_before} to {not_after}, and signed at {at}")),
            );
            report.settle(Check::CertificateTime, found);
            let authority = chain.authority_window(self.root, &self.times);
            report.settle(Check::CertificateAuthorityWindow, authority);
        }
        self.sct(report, chain);
        let (name, issuer) = (chain.name(), chain.issuer());
        report.carried.certificate = Some(CertificateUse {
            fingerprint: Digest::of(&chain.leaf_der),
            identity: name.clone().ok(),
            issuer: issuer.clone().ok(),
            not_before,
            not_after,
            authority: chain.authorities(self.root).first().map(|(url, _)| url.clone()),
        });
        let ExpectedSigner::Identity(identity) = self.expected.signer else { return };
        let fits = |name: String| {
            if identity.name.matches(&name) {
                Ok(name)
            } else {
                Err(format!("{name:?} is not {}", identity.name))
            }
        };
        report.settle(Check::IdentitySan, name.and_then(fits));
        let fits = |issuer: String| {
            if issuer == identity.issuer {
                Ok(issuer)
            } else {
                Err(format!("{issuer:?} is not {:?}", identity.issuer))
            }
        };
        report.settle(Check::IdentityIssuer, issuer.and_then(fits));
    }

    /// Whether a promise of a certificate log is asked for. A private instance without such a log
    /// may have none, where the policy asks for no transparency log either.
    fn with_sct(&self) -> bool {
        self.expected.profile == Profile::Logged || !self.root.listed.ctlogs.is_empty()
    }

    fn sct(&self, report: &mut Report, chain: &Chain) {
        if !self.with_sct() {
            let checks = [Check::CertificateSct, Check::CertificateSctLog];
            report.unneeded(&checks, "the trusted root lists no certificate log");
            return;
        }
        match chain.sct() {
            Err(problem) => report.fail(Check::CertificateSct, problem),
            Ok((log, at)) => {
                let known = self.root.certificate_log(&log).ok_or_else(|| {
                    format!("the certificate log {} is not in the trusted root", hex::encode(log))
                });
                let found = known.and_then(|known| {
                    root::within(known.public_key.valid_for, at).map_err(|problem| {
                        format!("{}: {problem}, used at {at}", known.base_url)
                    })?;
                    if at > self.now {
                        return Err(format!("promised at {at}, which lies in the future"));
                    }
                    Ok(known.base_url.clone())
                });
                report.settle(Check::CertificateSctLog, found);
            }
        }
    }

    /// What is left: chain, certificate timestamp, entry and signature. It is asked only about what
    /// passed so far, so that one fault has one name.
    fn second_opinion(&self, report: &mut Report, artifact: Artifact<'_>, chain: Option<&Chain>) {
        if report.has_failed(&[Check::IdentitySan, Check::IdentityIssuer]) {
            return;
        }
        let key = match self.expected.signer {
            ExpectedSigner::Key(key) => Some(key),
            ExpectedSigner::Identity(_) => None,
        };
        let logged = self.expected.profile == Profile::Logged;
        let with_sct = self.with_sct();
        let request = Request {
            bundle: self.bundle,
            artifact,
            key: key.map(|key| &key.der),
            logged,
            with_sct,
        };
        if let Err(refusal) = self.root.judge(&request) {
            report.fail(refusal.check, refusal.detail);
            return;
        }
        if chain.is_some() {
            report.pass(Check::CertificateChain, "issued by an authority of the trusted root");
            if with_sct {
                report.pass(Check::CertificateSct, "signed by the certificate log");
            }
        }
        if logged {
            report.pass(Check::LogEntry, "about this signature and signer");
        }
        match (key, chain) {
            (Some(key), _) => {
                report.pass(Check::Signature, format!("by the key {}", key.id));
                let (id, fingerprint) = (key.id.clone(), key.fingerprint);
                report.carried.key = Some(KeyMaterial { id, fingerprint });
            }
            (None, Some(chain)) => {
                let key = chain.key().map(|der| Digest::of(&der).short()).unwrap_or_default();
                report.pass(Check::Signature, format!("by the key {key} of the certificate"));
            }
            (None, None) => {}
        }
    }
}
