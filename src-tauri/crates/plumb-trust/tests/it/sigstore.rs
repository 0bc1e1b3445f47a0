//! Sigstore bundles of every kind, and everything that can be wrong with them.

mod faults;
mod kinds;
mod mutations;
mod real;
mod traps;

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use plumb_pki::{Content, Issued, LogKind, Material, Pki, Recipe, Version};
use plumb_trust::{
    Artifact, Expectation, ExpectedSigner, Identity, Profile, Report, SigstoreKey, SigstoreRoot,
    VerifyAttestation as _,
};

/// Authorities and logs; making their keys takes a moment, so the tests share them.
pub(crate) static PKI: LazyLock<Pki> =
    LazyLock::new(|| Pki::new(signed_at()).expect("keys and certificates can be made"));

/// Well before any clock that runs these tests, because the library asks the clock too.
pub(crate) fn signed_at() -> Timestamp {
    "2025-03-01T12:00:00Z".parse().expect("a time")
}

pub(crate) fn now() -> Timestamp {
    signed_at() + SignedDuration::from_hours(24 * 30)
}

pub(crate) fn recipe() -> Recipe {
    Recipe::new(*b"package gateway\n", signed_at())
}

pub(crate) fn issue(recipe: &Recipe) -> Issued {
    PKI.issue(recipe).expect("a bundle can be issued")
}

/// The profile that a bundle of this kind asks for.
pub(crate) fn profile(recipe: &Recipe) -> Profile {
    if recipe.log == LogKind::Nowhere { Profile::TimestampOnly } else { Profile::Logged }
}

/// The only call of the verifier.
pub(crate) fn verdict(issued: &Issued, bundle: &[u8], profile: Profile) -> Report {
    let root = SigstoreRoot::read("test", issued.trusted_root_json().as_bytes()).expect("a root");
    verdict_by(&root, issued, bundle, profile)
}

pub(crate) fn verdict_by(
    root: &SigstoreRoot,
    issued: &Issued,
    bundle: &[u8],
    profile: Profile,
) -> Report {
    let identity = Identity::exact(&issued.identity, &issued.issuer);
    let key = issued.key_pem.as_ref().map(|pem| SigstoreKey::from_pem("k", pem).expect("a key"));
    let signer = key.as_ref().map_or(ExpectedSigner::Identity(&identity), ExpectedSigner::Key);
    let artifact = Artifact::Bytes(&issued.artifact);
    root.verify(artifact, bundle, Expectation { signer, profile }, now())
}

/// The failed checks by name, or `valid`.
pub(crate) fn failed(report: &Report) -> String {
    let failures = report.failures();
    if failures.is_empty() {
        assert!(report.is_valid(), "nothing failed, and yet: {:#?}", report.checks());
        return "valid".to_owned();
    }
    assert!(!report.is_valid(), "{:#?}", report.checks());
    let names: Vec<&str> = failures.iter().map(|check| check.name.name()).collect();
    names.join(", ")
}

/// Every combination that the formats allow.
pub(crate) fn every_kind() -> Vec<Recipe> {
    let mut all = Vec::new();
    for version in [Version::V01, Version::V02, Version::V03] {
        for content in [Content::Message, Content::Statement] {
            for material in [Material::Certificate, Material::Key] {
                for log in [LogKind::First, LogKind::FirstInToto, LogKind::Second, LogKind::Nowhere]
                {
                    for stamped in [false, true] {
                        let recipe =
                            Recipe { version, content, material, log, stamped, ..recipe() };
                        if is_possible(&recipe) {
                            all.push(recipe);
                        }
                    }
                }
            }
        }
    }
    all
}

/// What the formats allow: version 0.1 has a promise, a certificate in Rekor v2 and no log at all need
/// a timestamp.
fn is_possible(recipe: &Recipe) -> bool {
    let first = matches!(recipe.log, LogKind::First | LogKind::FirstInToto);
    let untimed = recipe.log == LogKind::Second && recipe.material == Material::Key;
    (first || recipe.version != Version::V01 && (recipe.stamped || untimed))
        && (recipe.log != LogKind::FirstInToto || recipe.content == Content::Statement)
}
