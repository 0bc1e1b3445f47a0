//! What is valid, in every version and kind.

use plumb_pki::{Content, Fault, Issued, LogKind, Material, Recipe, Version};
use plumb_trust::{
    Artifact, CheckOutcome, Expectation, ExpectedSigner, Identity, Profile, SigstoreCheck,
    SigstoreKey, SigstoreRoot, VerifyAttestation as _,
    schemes::sigstore::{NamePattern, NameRule},
};

use super::{PKI, every_kind, failed, issue, now, profile, recipe, verdict, verdict_by};

#[test]
fn every_kind_of_bundle_is_valid() {
    let kinds = every_kind();
    assert!(kinds.len() >= 40, "{} kinds", kinds.len());
    for recipe in kinds {
        let issued = issue(&recipe);
        let report = verdict(&issued, issued.bundle_json().as_bytes(), profile(&recipe));
        assert_eq!(failed(&report), "valid", "{recipe:?}: {:#?}", report.failures());
    }
}

#[test]
fn a_report_names_every_check_and_what_carried_it() {
    let issued = issue(&Recipe { stamped: true, ..recipe() });
    let report = verdict(&issued, issued.bundle_json().as_bytes(), Profile::Logged);
    let names: Vec<_> = report.checks().iter().map(|check| check.name).collect();
    assert_eq!(names, SigstoreCheck::ALL);
    let passed = report.checks().iter().filter(|c| c.outcome == CheckOutcome::Passed).count();
    assert_eq!(passed, SigstoreCheck::ALL.len() - 1, "all but the subject of a statement");
    let carried = report.carried();
    let certificate = carried.certificate.as_ref().expect("a certificate signed");
    assert_eq!(certificate.identity.as_deref(), Some(issued.identity.as_str()));
    assert_eq!(certificate.issuer.as_deref(), Some(issued.issuer.as_str()));
    assert_eq!(certificate.authority.as_deref(), Some("https://fulcio.example.com"));
    let by: Vec<&str> = carried.times.iter().map(|time| time.by.as_str()).collect();
    assert_eq!(by, ["https://timestamp.example.com", "https://rekor.example.com"]);
    assert!(carried.times.iter().all(|time| time.at == issued.signed_at));
    assert_eq!(carried.logs[0].kind, "hashedrekord 0.0.1");
    assert_eq!(carried.root, "test");
}

#[test]
fn a_key_is_named_with_its_fingerprint() {
    let issued = issue(&Recipe { material: Material::Key, ..recipe() });
    let report = verdict(&issued, issued.bundle_json().as_bytes(), Profile::Logged);
    let key = report.carried().key.as_ref().expect("a key signed");
    let own = SigstoreKey::from_pem("k", &PKI.key_pem()).expect("a key");
    assert_eq!((key.id.as_str(), key.fingerprint), ("k", own.fingerprint()));
    assert!(report.carried().certificate.is_none());
}

#[test]
fn a_digest_stands_for_the_artifact() {
    for content in [Content::Message, Content::Statement] {
        let issued = issue(&Recipe { content, ..recipe() });
        let root = SigstoreRoot::read("r", issued.trusted_root_json().as_bytes()).expect("a root");
        let identity = Identity::exact(&issued.identity, &issued.issuer);
        let expected =
            Expectation { signer: ExpectedSigner::Identity(&identity), profile: Profile::Logged };
        let digest = Artifact::Bytes(&issued.artifact).sha256();
        let bundle = issued.bundle_json();
        let report = root.verify(Artifact::Digest(digest), bundle.as_bytes(), expected, now());
        assert_eq!(failed(&report), "valid");
        let other = Artifact::Bytes(b"another").sha256();
        let report = root.verify(Artifact::Digest(other), bundle.as_bytes(), expected, now());
        let name = match content {
            Content::Message => "artifact.digest",
            Content::Statement => "artifact.subject",
        };
        assert_eq!(failed(&report), name);
    }
}

#[test]
fn a_pattern_finds_whom_it_describes() {
    let issued = issue(&recipe());
    let root = SigstoreRoot::read("r", issued.trusted_root_json().as_bytes()).expect("a root");
    let check = |pattern: &str| {
        let name = NameRule::Pattern(NamePattern::new(pattern).expect("a pattern"));
        let identity = Identity { name, issuer: issued.issuer.clone() };
        let signer = ExpectedSigner::Identity(&identity);
        let expected = Expectation { signer, profile: Profile::Logged };
        let bundle = issued.bundle_json();
        failed(&root.verify(Artifact::Bytes(&issued.artifact), bundle.as_bytes(), expected, now()))
    };
    assert_eq!(check("https://git.example.com/acme/*/release.yml@refs/heads/main"), "valid");
    assert_eq!(check("https://git.example.com/acme/**"), "valid");
    assert_eq!(check("https://git.example.com/acme/*"), "identity.san");
    assert_eq!(check("https://git.example.com/acme/policies"), "identity.san");
}

#[test]
fn the_profile_of_a_timestamp_alone_must_be_asked_for() {
    let stamped = issue(&recipe().stamped_only());
    let bundle = stamped.bundle_json();
    assert_eq!(failed(&verdict(&stamped, bundle.as_bytes(), Profile::Logged)), "log.present");
    assert_eq!(failed(&verdict(&stamped, bundle.as_bytes(), Profile::TimestampOnly)), "valid");
    let logged = issue(&Recipe { stamped: true, ..recipe() });
    let report = verdict(&logged, logged.bundle_json().as_bytes(), Profile::TimestampOnly);
    assert_eq!(failed(&report), "log.present");
}

#[test]
fn a_key_is_no_certificate_and_a_certificate_no_key() {
    let mut with_key = issue(&Recipe { material: Material::Key, ..recipe() });
    with_key.key_pem = None;
    let report = verdict(&with_key, with_key.bundle_json().as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "bundle.material");
    let mut with_certificate = issue(&recipe());
    with_certificate.key_pem = Some(PKI.key_pem());
    let bundle = with_certificate.bundle_json();
    let report = verdict(&with_certificate, bundle.as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "bundle.material");
}

#[test]
fn a_private_instance_may_have_no_certificate_log() {
    let recipe = recipe().stamped_only().broken(Fault::SctMissing);
    let mut issued = issue(&recipe);
    issued.trusted_root["ctlogs"] = serde_json::json!([]);
    issued.trusted_root["tlogs"] = serde_json::json!([]);
    let bundle = issued.bundle_json();
    assert_eq!(failed(&verdict(&issued, bundle.as_bytes(), Profile::TimestampOnly)), "valid");
}

#[test]
fn a_clock_set_back_refuses_and_a_clock_ahead_accepts() {
    let issued = issue(&Recipe { version: Version::V03, log: LogKind::First, ..recipe() });
    let root = SigstoreRoot::read("r", issued.trusted_root_json().as_bytes()).expect("a root");
    let identity = Identity::exact(&issued.identity, &issued.issuer);
    let signer = ExpectedSigner::Identity(&identity);
    let expected = Expectation { signer, profile: Profile::Logged };
    let bundle = issued.bundle_json();
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let at = |now| root.verify(Artifact::Bytes(&issued.artifact), bundle.as_bytes(), expected, now);
    let early = failed(&at(now() - year));
    assert_eq!(early, "certificate.sct_log, timestamp.not_future");
    assert_eq!(failed(&at(now() + year)), "valid");
}

#[test]
fn a_key_needs_no_time_and_a_certificate_does() {
    for (content, log) in [
        (Content::Message, LogKind::First),
        (Content::Statement, LogKind::First),
        (Content::Statement, LogKind::FirstInToto),
        (Content::Message, LogKind::Second),
        (Content::Statement, LogKind::Second),
    ] {
        let keyed = Recipe { material: Material::Key, content, log, ..recipe() };
        let (issued, untimed) = untimed(&keyed);
        let report = verdict(&issued, untimed.as_bytes(), Profile::Logged);
        assert_eq!(failed(&report), "valid", "{content:?} in {log:?}");
        let outcome = |name: SigstoreCheck| {
            report.checks().into_iter().find(|check| check.name == name).map(|check| check.outcome)
        };
        let unneeded = [SigstoreCheck::TimestampPresent, SigstoreCheck::TimestampNotFuture];
        for check in unneeded {
            assert_eq!(outcome(check), Some(CheckOutcome::NotNeeded), "{check:?}");
        }
        // The log vouches for it by its proof, and must be trusted now.
        let made = [
            SigstoreCheck::LogInclusionProof,
            SigstoreCheck::LogCheckpoint,
            SigstoreCheck::LogKeyWindow,
            SigstoreCheck::LogEntry,
            SigstoreCheck::Signature,
        ];
        for check in made {
            assert_eq!(outcome(check), Some(CheckOutcome::Passed), "{check:?}");
        }
        assert!(report.carried().times.is_empty());
        // A name in a certificate is bound to the moment at which it was given.
        let (named, untimed) = self::untimed(&Recipe { content, log, ..recipe() });
        let report = verdict(&named, untimed.as_bytes(), Profile::Logged);
        assert_eq!(failed(&report), "timestamp.present");
    }
    // Where there is no log either, an authority must say when.
    let recipe = Recipe { material: Material::Key, ..recipe() }.stamped_only();
    let issued = issue(&recipe.broken(Fault::TimeMissing));
    let report = verdict(&issued, issued.bundle_json().as_bytes(), Profile::TimestampOnly);
    assert_eq!(failed(&report), "timestamp.present");
}

#[test]
fn a_time_that_is_claimed_must_be_signed() {
    let keyed = Recipe { material: Material::Key, ..recipe() };
    let (issued, untimed) = untimed(&keyed);
    let mut bundle: serde_json::Value = untimed.parse().expect("JSON");
    bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "1740830400".into();
    let report = verdict(&issued, bundle.to_string().as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "timestamp.present");
    // Zero is how some programs write that there is none.
    bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "0".into();
    let report = verdict(&issued, bundle.to_string().as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "valid");
}

#[test]
fn a_log_that_is_retired_vouches_for_no_key_without_a_time() {
    let (issued, untimed) = untimed(&Recipe { material: Material::Key, ..recipe() });
    let mut root = issued.trusted_root_json().parse::<serde_json::Value>().expect("JSON");
    for log in root["tlogs"].as_array_mut().expect("logs") {
        log["publicKey"]["validFor"]["end"] = "2025-03-02T00:00:00Z".into();
    }
    let root = SigstoreRoot::read("test", root.to_string().as_bytes()).expect("a root");
    let report = verdict_by(&root, &issued, untimed.as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "log.key_window");
    // Signed while it was trusted, and its promise says so.
    let report = verdict_by(&root, &issued, issued.bundle_json().as_bytes(), Profile::Logged);
    assert_eq!(failed(&report), "valid");
}

/// A bundle, and the same without anything that says when.
fn untimed(recipe: &Recipe) -> (Issued, String) {
    let issued = issue(&Recipe { stamped: false, ..recipe.clone() });
    let mut bundle = issued.bundle.clone();
    for entry in bundle["verificationMaterial"]["tlogEntries"].as_array_mut().expect("entries") {
        let entry = entry.as_object_mut().expect("an entry");
        entry.remove("inclusionPromise");
        entry.remove("integratedTime");
    }
    (issued, bundle.to_string())
}
