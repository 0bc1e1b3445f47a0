//! Bundles of public services (see the README beside them).

use jiff::Timestamp;
use plumb_trust::{
    Artifact, CheckOutcome, Expectation, ExpectedSigner, Identity, Profile, SigstoreCheck,
    SigstoreKey, SigstoreRoot, VerifyAttestation as _,
};

use super::failed;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../../tests/fixtures/sigstore/", $name))
    };
}

fn root(json: &[u8]) -> SigstoreRoot {
    SigstoreRoot::read("real", json).expect("a trusted root")
}

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().expect("a time")
}

#[test]
fn a_key_in_the_log_of_the_public_good_instance() {
    let pem = String::from_utf8_lossy(fixture!("key.pub.pem"));
    let key = SigstoreKey::from_pem("conformance", &pem).expect("a key");
    let expected = Expectation { signer: ExpectedSigner::Key(&key), profile: Profile::Logged };
    let (root, bundle) = (root(fixture!("public-good.root.json")), fixture!("key.sigstore.json"));
    let artifact = fixture!("key.txt");
    let report = root.verify(Artifact::Bytes(artifact), bundle, expected, now());
    assert_eq!(failed(&report), "valid");
    assert_eq!(report.carried().logs[0].url, "https://rekor.sigstore.dev");
    assert_eq!(report.carried().times[0].at.to_string(), "2025-12-18T17:04:39Z");
    let report = root.verify(Artifact::Bytes(b"another"), bundle, expected, now());
    assert_eq!(failed(&report), "artifact.digest");
}

#[test]
fn a_key_whose_log_says_no_time() {
    let pem = String::from_utf8_lossy(fixture!("untimed.pub.pem"));
    let key = SigstoreKey::from_pem("conformance", &pem).expect("a key");
    let expected = Expectation { signer: ExpectedSigner::Key(&key), profile: Profile::Logged };
    let (root, bundle) = (root(fixture!("untimed.root.json")), fixture!("untimed.sigstore.json"));
    let digest = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
    let artifact = Artifact::Digest(digest.parse().expect("a digest"));
    let report = root.verify(artifact, bundle, expected, now());
    assert_eq!(failed(&report), "valid");
    assert!(report.carried().times.is_empty());
    let report = root.verify(Artifact::Bytes(b"another"), bundle, expected, now());
    assert_eq!(failed(&report), "artifact.subject");
}

#[test]
fn a_statement_in_the_second_log_of_staging() {
    let name = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/\
                .github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
    let identity = Identity::exact(name, "https://token.actions.githubusercontent.com");
    let signer = ExpectedSigner::Identity(&identity);
    let expected = Expectation { signer, profile: Profile::Logged };
    let digest = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
    let artifact = Artifact::Digest(digest.parse().expect("a digest"));
    let bundle = fixture!("second-log-statement.sigstore.json");
    let report = root(fixture!("staging.root.json")).verify(artifact, bundle, expected, now());
    assert_eq!(failed(&report), "valid");
    // The right bundle by the wrong root: nobody in it is known there.
    let report = root(fixture!("public-good.root.json")).verify(artifact, bundle, expected, now());
    let failed = failed(&report);
    assert_eq!(failed, "certificate.sct_log, timestamp.tsa, log.known");
}

#[test]
fn a_release_of_a_forge_has_a_timestamp_and_nobody_who_vouches() {
    let identity = Identity::exact("https://dotcom.releases.github.com", "https://github.com");
    let signer = ExpectedSigner::Identity(&identity);
    let expected = Expectation { signer, profile: Profile::TimestampOnly };
    let digest = "76f1fe8593bf227cca2c089e3c16dc95014a8d3e89c5dd220530469ca043c428";
    let artifact = Artifact::Digest(digest.parse().expect("a digest"));
    let bundle = fixture!("stamped-only.sigstore.json");
    let report = root(fixture!("forge.root.json")).verify(artifact, bundle, expected, now());
    assert_eq!(failed(&report), "identity.issuer");
    let outcome = |name| {
        report.checks().into_iter().find(|check| check.name == name).map(|check| check.outcome)
    };
    let carried = [
        (SigstoreCheck::Signature, CheckOutcome::Passed),
        (SigstoreCheck::CertificateChain, CheckOutcome::Passed),
        (SigstoreCheck::TimestampTsa, CheckOutcome::Passed),
        (SigstoreCheck::CertificateSct, CheckOutcome::NotNeeded),
    ];
    for (name, expected) in carried {
        assert_eq!(outcome(name), Some(expected), "{name}");
    }
}
