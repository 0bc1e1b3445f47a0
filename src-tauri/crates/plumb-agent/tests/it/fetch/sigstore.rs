//! The verifier of packs: what is trusted, and how a refusal is called.

use jiff::Timestamp;
use plumb_agent::fetch::{
    PackVerifier as _, Refusal, Signed, SigstoreVerifier, VerificationReport,
};
use plumb_fleet::Digest;
use plumb_pki::{Fault, Issued, Pki, Recipe};
use plumb_trust::{Identity, Profile, SigstoreRoot, TrustPolicy, Window};

use crate::fetch::world::{ID, tar};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn signed_at() -> Timestamp {
    at("2026-11-20T06:00:00Z")
}

fn issue(recipe: impl FnOnce(Recipe) -> Recipe) -> Issued {
    let pki = Pki::new(signed_at()).expect("an authority");
    pki.issue(&recipe(Recipe::new(tar("true"), signed_at()))).expect("a bundle")
}

fn policy(issued: &Issued, profile: Profile, window: Window) -> SigstoreVerifier {
    let mut policy = TrustPolicy::new(profile);
    let root = SigstoreRoot::read("demo", issued.trusted_root_json().as_bytes()).expect("a root");
    policy.add_root(root, window).expect("the first of its name");
    policy.add_identity(Identity::exact(&issued.identity, &issued.issuer));
    SigstoreVerifier::new(policy.checked().expect("a name is given"))
}

fn judge(verifier: &SigstoreVerifier, issued: &Issued, now: &str) -> VerificationReport {
    let attestation = issued.bundle_json();
    let signed = Signed {
        pack_id: ID,
        digest: Digest::of(&issued.artifact),
        tar: &issued.artifact,
        attestation: attestation.as_bytes(),
    };
    verifier.verify(signed, at(now))
}

#[track_caller]
fn check(recipe: impl FnOnce(Recipe) -> Recipe, profile: Profile, now: &str) -> Option<Refusal> {
    let issued = issue(recipe);
    let report = judge(&policy(&issued, profile, Window::default()), &issued, now);
    assert_eq!(report.refusal.is_none(), report.is_trusted(), "{report:?}");
    report.refusal
}

const NOW: &str = "2026-11-20T08:00:00Z";

/// R165, R178, R189: certificate, log and time, by name.
#[test]
fn a_report_names_every_check_and_what_carried_it() {
    let issued = issue(|recipe| recipe);
    let report = judge(&policy(&issued, Profile::Logged, Window::default()), &issued, NOW);
    assert!(report.is_trusted(), "{report:?}");
    let carried = report.carried_by.expect("something carried it");
    for part in [&issued.identity, &issued.issuer, "root demo", "rekor.example.com"] {
        assert!(carried.contains(part), "{part} in {carried}");
    }
    assert_eq!(report.checks.len(), 27);
    assert!(report.checks.iter().any(|c| c.name == "identity.san" && c.passed == Some(true)));
}

#[test]
fn refusals_say_who_has_to_act() {
    let logged = |fault: Fault| check(|recipe| recipe.broken(fault), Profile::Logged, NOW);
    assert_eq!(check(|recipe| recipe, Profile::Logged, NOW), None);
    assert_eq!(logged(Fault::SanIsAnother), Some(Refusal::WrongIdentity));
    assert_eq!(logged(Fault::IssuerIsAnother), Some(Refusal::WrongIdentity));
    assert_eq!(logged(Fault::ArtifactChanged), Some(Refusal::BadSignature));
    assert_eq!(logged(Fault::SignatureOfAnotherKey), Some(Refusal::BadSignature));
    assert_eq!(logged(Fault::CertificateExpired), Some(Refusal::Expired));
    assert_eq!(logged(Fault::LogKeyRetired), Some(Refusal::Expired));
    let before = check(|recipe| recipe, Profile::Logged, "2026-11-20T05:00:00Z");
    assert_eq!(before, Some(Refusal::Expired), "signed in the future of this clock");
}

#[test]
fn a_timestamp_alone_counts_only_where_it_was_asked_for() {
    let stamped = |profile| check(Recipe::stamped_only, profile, NOW);
    assert_eq!(stamped(Profile::Logged), Some(Refusal::BadSignature));
    assert_eq!(stamped(Profile::TimestampOnly), None);
}

#[test]
fn a_closed_window_is_a_matter_of_time() {
    let issued = issue(|recipe| recipe);
    let window = Window { from: None, until: Some(at("2026-11-21T00:00:00Z")) };
    let verifier = policy(&issued, Profile::Logged, window);
    assert!(judge(&verifier, &issued, NOW).is_trusted());
    let late = judge(&verifier, &issued, "2027-11-21T00:00:00Z");
    assert_eq!(late.refusal, Some(Refusal::Expired));
    assert_eq!(late.checks[0].name, "policy.window");
}

#[test]
fn nothing_and_nonsense_vouch_for_nothing() {
    let issued = issue(|recipe| recipe);
    let verifier = policy(&issued, Profile::Logged, Window::default());
    let with = |attestation: &[u8]| {
        let digest = Digest::of(&issued.artifact);
        let signed = Signed { pack_id: ID, digest, tar: &issued.artifact, attestation };
        verifier.verify(signed, at(NOW)).refusal
    };
    assert_eq!(with(b"\n"), Some(Refusal::Unsigned));
    assert_eq!(with(b"{}"), Some(Refusal::BadSignature));
    assert_eq!(with(&[0xff; 40]), Some(Refusal::BadSignature));
}
