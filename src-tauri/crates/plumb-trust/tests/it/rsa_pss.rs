//! Signed JSON bundles: those Python signed, those we sign, and those that must be refused.

use plumb_bundle::{SignedJson, formats::signed_json::UnsignedBundle};
use plumb_trust::{
    KeySet, SigningKey, TrustedKey, Verdict, sign_bundle, verify_signed_json,
    verify_signed_json_at, verify_signed_json_bytes,
};

use crate::{RSA, failure, seeded, shown};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/fixtures/bundles/", $name))
    };
}

fn keys() -> KeySet {
    let pems =
        [("stranger", fixture!("stranger.pub.pem")), ("policy-admin", fixture!("signer.pub.pem"))];
    KeySet::from_pems(pems).expect("the fixtures are keys")
}

fn verify(bundle: &str, keys: &KeySet) -> Verdict {
    verify_signed_json_bytes(bundle.as_bytes(), keys).expect("the fixtures are bundles")
}

#[test]
fn bundles_signed_by_python_are_trusted_in_every_layout() {
    for bundle in [
        fixture!("field.signed.json"),
        fixture!("unsorted.signed.json"),
        fixture!("compact.signed.json"),
    ] {
        let verdict = verify(bundle, &keys());
        assert!(verdict.is_trusted(), "{verdict:?}");
        let key = verdict.key().expect("a trusted verdict names its key");
        assert_eq!((key.scheme, key.key_id.as_str()), ("rsa-pss-sha256", "policy-admin"));
        assert_eq!(verdict.key_hint(), Some("policy-signer-key-1"), "shown, and of no consequence");
    }
    let odd = KeySet::from_pems([("odd", fixture!("signer-2049.pub.pem"))]).expect("a key");
    assert!(verify(fixture!("odd-key.signed.json"), &odd).is_trusted(), "a modulus of 2049 bits");
}

#[test]
fn every_check_is_listed() {
    let checks = shown(&verify(fixture!("field.signed.json"), &keys()));
    assert_eq!(checks[0], "Passed signature present: one signature");
    assert_eq!(checks[1], "Passed algorithm: RSA-PSS-SHA256");
    assert!(checks[2].starts_with("Passed content hash: sha256:"));
    assert_eq!(checks[3], "Passed trusted signature: by policy-admin");
    assert_eq!(
        shown(&verify(fixture!("unsigned.json"), &keys())),
        [
            "Failed signature present: the bundle is not signed",
            "Skipped algorithm: not made, because a check before it failed",
            "Skipped content hash: not made, because a check before it failed",
            "Skipped trusted signature: not made, because a check before it failed",
        ]
    );
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let problem = failure(&verify(fixture!("tampered.signed.json"), &keys()));
    assert!(problem.starts_with("content hash: the file says"), "{problem}");
    assert!(problem.ends_with("it was changed after signing"), "{problem}");
    assert_eq!(
        failure(&verify(fixture!("rehashed.signed.json"), &keys())),
        "trusted signature: by none of 2 trusted keys; the file names the key \"policy-signer-key-1\""
    );
}

#[test]
fn keys_nobody_trusts_carry_nothing() {
    let strangers = KeySet::from_pems([("stranger", fixture!("stranger.pub.pem"))]).expect("a key");
    let verdict = verify(fixture!("field.signed.json"), &strangers);
    assert!(failure(&verdict).starts_with("trusted signature: by none of 1 trusted keys"));
    assert_eq!(verdict.key(), None);
    assert_eq!(
        failure(&verify(fixture!("field.signed.json"), &KeySet::new())),
        "trusted signature: no RSA key is trusted"
    );
    assert!(!verify(fixture!("short-key.signed.json"), &keys()).is_trusted());
}

#[test]
fn a_salt_of_another_length_is_refused_and_named() {
    assert_eq!(
        failure(&verify(fixture!("short-salt.signed.json"), &keys())),
        "trusted signature: by policy-admin, but with a salt of 32 bytes, not of the maximum length this format asks for"
    );
}

#[test]
fn malformed_signatures_are_refused() {
    let field = fixture!("field.signed.json");
    let with = |from: &str, to: &str| {
        assert!(field.contains(from), "{from}");
        failure(&verify(&field.replace(from, to), &keys()))
    };
    assert_eq!(with("RSA-PSS-SHA256", "none"), "algorithm: \"none\" is not RSA-PSS-SHA256");
    let start = field.find("\"signature_b64\": \"").expect("a signature") + 18;
    let signature = &field[start..start + 20];
    assert_eq!(with(signature, "!!!!"), "trusted signature: the signature is not valid base64");
    let cut = with(signature, "");
    assert!(cut.starts_with("trusted signature: by none of 2"), "{cut}");
    let endless = with(signature, &"A".repeat(5_000));
    assert_eq!(endless, "trusted signature: the signature is not valid base64");
}

#[test]
fn what_we_sign_is_trusted_and_only_by_that_key() {
    let unsigned = UnsignedBundle::read(fixture!("unsigned.json").as_bytes()).expect("a bundle");
    let file = sign_bundle(&unsigned, &RSA, "desk", &mut seeded(2)).expect("signing");
    let text = std::str::from_utf8(&file).expect("a text");
    let mut keys = KeySet::new();
    keys.add(RSA.trusted("demo", None).expect("a key")).expect("a free name");
    assert!(verify(text, &keys).is_trusted());
    assert!(!verify(text, &self::keys()).is_trusted());
    let again = sign_bundle(&unsigned, &RSA, "desk", &mut seeded(2)).expect("signing");
    assert_eq!(file, again, "randomness is an argument");
}

#[test]
fn private_keys_survive_their_pem() {
    for key in [&*RSA, &SigningKey::generate_p256().expect("a key")] {
        let pem = key.to_pem().expect("a text");
        let read = SigningKey::from_pem(&pem).expect("our own text");
        let (a, b) = (read.public_pem().expect("a text"), key.public_pem().expect("a text"));
        assert_eq!(a, b);
        let trusted = TrustedKey::from_pem("k", &a, None).expect("our own text");
        assert!(!format!("{key:?}").contains("PRIVATE"), "{key:?}");
        assert!(["RSA", "ECDSA P-256"].contains(&trusted.kind()));
    }
    let refuses = |pem: &str, expected: &str| {
        assert_eq!(SigningKey::from_pem(pem).expect_err(expected).to_string(), expected);
    };
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    refuses(
        encrypted,
        "the private key is encrypted; decrypt it first, for example with openssl pkey",
    );
    let public = RSA.public_pem().expect("a text");
    refuses(
        &public,
        "a PEM block \"PUBLIC KEY\" where PRIVATE KEY or RSA PRIVATE KEY was expected",
    );
    let short = SigningKey::generate_rsa(1024, &mut seeded(3)).expect_err("too short");
    assert_eq!(short.to_string(), "an RSA key of 1024 bits, less than the 2048 required");
}

#[test]
fn a_signed_bundle_ends_at_the_moment_it_names() {
    let mut keys = KeySet::new();
    keys.add(RSA.trusted("ours", None).expect("a key")).expect("a free name");
    let ends = |expires_at: &str, now: &str| {
        let text = format!(
            r#"{{"metadata":{{"bundle_id":"a","version":"1","issued_at":"2026-11-01T08:00:00Z",
                "expires_at":{expires_at}}},"policies":[{{"id":"p","effect":"deny"}}]}}"#
        );
        let unsigned = SignedJson::read(text.as_bytes()).expect("a bundle").to_unsigned();
        let file = sign_bundle(&unsigned, &RSA, "ours", &mut seeded(7)).expect("signs");
        let bundle = SignedJson::read(&file).expect("a bundle");
        assert!(verify_signed_json(&bundle, &keys).is_trusted(), "its signature never ends");
        let verdict = verify_signed_json_at(&bundle, &keys, now.parse().expect("a moment"));
        let said = verdict.failure().map(|check| format!("{}: {}", check.name, check.detail));
        assert_eq!(verdict.is_trusted(), said.is_none());
        assert_eq!(verdict.is_expired(), said.is_some());
        said
    };
    let end = r#""2026-11-21T06:00:00Z""#;
    assert_eq!(ends("null", "2099-01-01T00:00:00Z"), None);
    assert_eq!(ends(end, "2026-11-21T05:59:59.999Z"), None);
    assert_eq!(
        ends(end, "2026-11-21T06:00:00Z").as_deref(),
        Some("not expired: expired at 2026-11-21T06:00:00Z, it is 2026-11-21T06:00:00Z")
    );
    // As Python's `isoformat` writes it, and in another zone.
    assert!(ends(r#""2026-11-21T06:00:00.000001""#, "2026-11-21T06:00:00Z").is_none());
    assert!(ends(r#""2026-11-21T07:00:00+01:00""#, "2026-11-21T06:00:00Z").is_some());
    for unreadable in [r#""soon""#, "1795240800", "{}", r#""""#] {
        let said = ends(unreadable, "2026-01-01T00:00:00Z").expect("refused");
        let expected = format!(
            "not expired: expires_at is {unreadable}, which is no moment, so it counts as expired"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn a_bundle_nobody_signed_is_not_called_expired() {
    let bundle = SignedJson::read(fixture!("unsigned.json").as_bytes()).expect("a bundle");
    let verdict = verify_signed_json_at(&bundle, &keys(), jiff::Timestamp::MAX);
    assert!(!verdict.is_trusted() && !verdict.is_expired());
}
