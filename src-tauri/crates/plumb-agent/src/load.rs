//! From a path to a verified bundle, ready to be swapped in; no lock is held meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
};

use jiff::Timestamp;
use plumb_bundle::{
    Bundle, BundleError, SignedJson,
    formats::signed_json::{StructureError, content_of},
};
use plumb_decide::{Reading, RuleError};
use plumb_fleet::{BundleDigest, ContentDigest, Digest, PolicyRef};
use plumb_trust::{Expired, KeySet, Outcome, Verdict, verify_signed_json};
use plumb_wire::v1::{Ordering, SignatureCheck, SignatureStatus, SignatureVerdict};

use crate::{
    chain::chain,
    engine::LoadedPolicy,
    limits::PARALLEL_BYTES_MIN,
    roots::{BundlePath, PathError},
    rules::Rules,
};

/// Policies whose signature was verified.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policies: Policies,
    pub(crate) digest: BundleDigest,
    pub(crate) content: ContentDigest,
    pub(crate) refs: Vec<PolicyRef>,
    pub(crate) signature: SignatureStatus,
}

/// The two kinds of policies, by how a request is answered.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one of them lives at a time, behind an `Arc`")]
pub(crate) enum Policies {
    /// A signed JSON bundle: the first rule that matches decides.
    FirstMatch { document: SignedJson, rules: Rules },
    /// Rego modules and their data.
    Rego { bundle: Arc<Bundle>, engine: Engine },
}

/// Where Rego is evaluated.
#[derive(Debug)]
pub(crate) enum Engine {
    /// In this process.
    Here(LoadedPolicy),
    /// In an engine beside the agent, which answers for itself.
    Beside,
}

impl Loaded {
    pub(crate) fn id(&self) -> &str {
        match &self.policies {
            Policies::FirstMatch { document, .. } => document.id(),
            Policies::Rego { bundle, .. } => &bundle.id,
        }
    }

    pub(crate) fn version(&self) -> &str {
        match &self.policies {
            Policies::FirstMatch { document, .. } => document.version().as_str(),
            Policies::Rego { bundle, .. } => bundle.version.as_str(),
        }
    }

    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        match &self.policies {
            Policies::FirstMatch { document, .. } => document.issued_at(),
            Policies::Rego { bundle, .. } => bundle.issued_at,
        }
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        match &self.policies {
            Policies::FirstMatch { document, .. } => document.issuer(),
            Policies::Rego { bundle, .. } => bundle.issuer.as_deref(),
        }
    }

    /// Size of the file they came in.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.policies {
            Policies::FirstMatch { document, .. } => document.bytes() as u64,
            Policies::Rego { bundle, .. } => bundle.bytes as u64,
        }
    }

    pub(crate) fn ordering(&self) -> Ordering {
        match &self.policies {
            Policies::FirstMatch { .. } => Ordering::ByPosition,
            Policies::Rego { .. } => Ordering::Unordered,
        }
    }

    /// The text of each policy, in the order of `refs`.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match &self.policies {
            Policies::FirstMatch { document, .. } => {
                document.policies().map(|(_, _, text)| text).collect()
            }
            Policies::Rego { bundle, .. } => {
                bundle.policies.iter().map(|policy| policy.text.as_str()).collect()
            }
        }
    }

    pub(crate) fn document(&self) -> Option<&SignedJson> {
        match &self.policies {
            Policies::FirstMatch { document, .. } => Some(document),
            Policies::Rego { .. } => None,
        }
    }

    pub(crate) fn rules(&self) -> Option<&Rules> {
        match &self.policies {
            Policies::FirstMatch { rules, .. } => Some(rules),
            Policies::Rego { .. } => None,
        }
    }
}

/// Why a path gave no verified bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the bundle is refused")]
    Bundle(#[from] BundleError),
    #[error("{failure}")]
    Untrusted { failure: String, checks: Vec<SignatureCheck> },
    #[error("the bundle {0}")]
    Expired(#[from] Expired),
    #[error("the bundle's policies cannot be decided by")]
    Rules(#[from] RuleError),
    #[error("content {content} is refused since {since} ({reason}), list version {version}", content = content.short())]
    OnRefusedList { content: ContentDigest, since: Timestamp, reason: String, version: u32 },
    #[error("no approved plan names content {content} for this node", content = content.short())]
    NotApproved { content: ContentDigest },
    #[error("the bundle is {found}, not {wanted}")]
    Other { wanted: String, found: String },
}

impl LoadError {
    /// The checks that were made, when the bytes were turned away because of one.
    pub(crate) fn failed_checks(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Untrusted { checks, .. } => {
                checks.iter().map(|check| (check.name.as_str(), check.passed)).collect()
            }
            Self::Bundle(BundleError::Structure(StructureError::NoSignature)) => {
                vec![("signature present", false)]
            }
            _ => Vec::new(),
        }
    }

    /// Whether there is no such file as far as a caller may know.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Path(error) if error.is_missing())
    }

    /// The text the field's documentation gives for it (R257, R273, R274).
    pub(crate) fn field_text(&self) -> String {
        match self {
            Self::Bundle(BundleError::Structure(error)) => error.to_string(),
            Self::Bundle(_)
            | Self::Path(_)
            | Self::Rules(_)
            | Self::OnRefusedList { .. }
            | Self::NotApproved { .. }
            | Self::Other { .. } => chain(self),
            Self::Untrusted { .. } => "Bundle verification failed".to_owned(),
            // Not documented; said as the documented ones are.
            Self::Expired(expired) => format!("Bundle {expired}"),
        }
    }

    /// The text with what a person needs to find the cause.
    pub(crate) fn full_text(&self) -> String {
        match self {
            Self::Untrusted { failure, .. } => format!("Bundle verification failed: {failure}"),
            other => other.field_text(),
        }
    }
}

/// Verified bundles that several agents of one process hold once, by the digest of their bytes. The
/// agents that share must trust the same keys and answer in the same style.
#[derive(Debug, Clone, Default)]
pub struct BundleShare(Arc<Mutex<BTreeMap<BundleDigest, Weak<Loaded>>>>);

/// What bundles are checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checks<'a> {
    pub(crate) keys: &'a KeySet,
    pub(crate) reading: Reading,
    pub(crate) share: Option<&'a BundleShare>,
}

impl BundleShare {
    fn get(&self, digest: BundleDigest) -> Option<Arc<Loaded>> {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(&digest).and_then(Weak::upgrade)
    }

    fn add(&self, loaded: &Arc<Loaded>) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, held| held.strong_count() > 0);
        shared.insert(loaded.digest, Arc::downgrade(loaded));
    }
}

/// What came of a file: its bytes are kept, because freeing ten megabytes takes part of a
/// millisecond and belongs behind the answer.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Option<BundleDigest>,
    pub(crate) result: Result<Arc<Loaded>, LoadError>,
}

/// Reads and verifies a file.
pub(crate) fn load(path: &BundlePath, checks: Checks<'_>) -> Read {
    match path.read() {
        Err(error) => Read { bytes: Vec::new(), digest: None, result: Err(error.into()) },
        Ok(bytes) => load_bytes(bytes, checks),
    }
}

pub(crate) fn load_bytes(bytes: Vec<u8>, checks: Checks<'_>) -> Read {
    let Some(share) = checks.share else {
        let (digest, result) = verify(&bytes, checks);
        return Read { bytes, digest: Some(digest), result: result.map(Arc::new) };
    };
    let digest = BundleDigest(Digest::of(&bytes));
    if let Some(loaded) = share.get(digest) {
        return Read { bytes, digest: Some(digest), result: Ok(loaded) };
    }
    let result = verify(&bytes, checks).1.map(Arc::new);
    if let Ok(loaded) = &result {
        share.add(loaded);
    }
    Read { bytes, digest: Some(digest), result }
}

/// Verifies bytes. Large ones are hashed, read and checked on several threads.
fn verify(bytes: &[u8], checks: Checks<'_>) -> (BundleDigest, Result<Loaded, LoadError>) {
    let parallel = bytes.len() >= PARALLEL_BYTES_MIN;
    let (digest, document) =
        join(parallel, || BundleDigest(Digest::of(bytes)), || SignedJson::read(bytes));
    let document = match document {
        Ok(document) => document,
        Err(error) => return (digest, Err(error.into())),
    };
    // Signature, policy digests and rules cost about the same; on two cores the three share.
    let (verdict, (refs, rules)) = join(
        parallel,
        || verify_signed_json(&document, checks.keys),
        || join(parallel, || document.policy_refs(), || Rules::of(&document, checks.reading)),
    );
    if document.signature().is_none() {
        return (digest, Err(BundleError::from(StructureError::NoSignature).into()));
    }
    if !verdict.is_trusted() {
        let failure = verdict.failure().map_or_else(
            || "no check passed".to_owned(),
            |check| format!("{}: {}", check.name, check.detail),
        );
        let checks = checks_of(&verdict);
        return (digest, Err(LoadError::Untrusted { failure, checks }));
    }
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return (digest, Err(error.into())),
    };
    let content = content_of(&refs);
    let signature = signature_status(&verdict);
    let policies = Policies::FirstMatch { document, rules };
    (digest, Ok(Loaded { policies, digest, content, refs, signature }))
}

fn join<A: Send, B>(parallel: bool, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    if !parallel {
        return (a(), b());
    }
    thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        match a.join() {
            Ok(a) => (a, b),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn signature_status(verdict: &Verdict) -> SignatureStatus {
    let key = verdict.key();
    SignatureStatus {
        verdict: if verdict.is_trusted() {
            SignatureVerdict::Valid
        } else {
            SignatureVerdict::Invalid
        },
        scheme: key.map_or_else(String::new, |key| key.scheme.to_owned()),
        key: key.map_or_else(String::new, |key| key.key_id.clone()),
        checks: checks_of(verdict),
    }
}

fn checks_of(verdict: &Verdict) -> Vec<SignatureCheck> {
    let made = verdict.checks().iter();
    made.map(|check| SignatureCheck {
        name: check.name.to_string(),
        passed: check.outcome == Outcome::Passed,
        detail: Some(check.detail.clone()),
    })
    .collect()
}
