//! OPA bundles: three algorithms, and everything that must be refused.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use plumb_bundle::{
    OpaArchive,
    formats::{archive::Members, opa_archive},
};
use plumb_trust::{JwtAlgorithm, KeySet, SigningKey, Verdict, sign_opa_files, verify_opa_bundle};

use crate::{RSA, failure, seeded, shown};

static P256: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate_p256().expect("the library makes keys"));

fn key_of(algorithm: JwtAlgorithm) -> &'static SigningKey {
    if algorithm == JwtAlgorithm::Es256 { &P256 } else { &RSA }
}

fn keys(algorithm: JwtAlgorithm) -> KeySet {
    let mut keys = KeySet::new();
    keys.add(key_of(algorithm).trusted("publisher", Some(algorithm)).expect("a key"))
        .expect("free");
    keys
}

fn files() -> Members {
    Members::from([
        (".manifest".to_owned(), br#"{"revision": "r1", "roots": ["authz"]}"#.to_vec()),
        ("authz/authz.rego".to_owned(), b"package authz\n\ndefault allow := false\n".to_vec()),
        ("data.json".to_owned(), br#"{ "authz": { "roles": [1.50, "\u00e9"] } }"#.to_vec()),
    ])
}

fn signed(algorithm: JwtAlgorithm, scope: Option<&str>) -> Members {
    sign_opa_files(&files(), key_of(algorithm), algorithm, "default", scope, &mut seeded(4))
        .expect("signing")
}

fn verify(files: &Members, keys: &KeySet, scope: Option<&str>) -> Verdict {
    let bytes = opa_archive::write(files).expect("an archive");
    verify_opa_bundle(&OpaArchive::read(&bytes).expect("an archive"), keys, scope)
}

/// The same archive with another `.signatures.json`.
fn with_signatures(text: &str) -> Members {
    let mut files = files();
    files.insert(".signatures.json".to_owned(), text.as_bytes().to_vec());
    files
}

fn rs256(files: &Members) -> String {
    failure(&verify(files, &keys(JwtAlgorithm::Rs256), None))
}

#[test]
fn every_algorithm_is_verified() {
    for algorithm in [JwtAlgorithm::Rs256, JwtAlgorithm::Ps256, JwtAlgorithm::Es256] {
        let verdict = verify(&signed(algorithm, Some("read")), &keys(algorithm), Some("read"));
        assert!(verdict.is_trusted(), "{verdict:?}");
        assert_eq!(verdict.key_hint(), Some("default"));
        assert_eq!(
            shown(&verdict),
            [
                "Passed signature present: one signature".to_owned(),
                format!("Passed algorithm: {algorithm}"),
                "Passed trusted signature: by publisher".to_owned(),
                "Passed scope: scope \"read\"".to_owned(),
                "Passed files: 3 files as signed".to_owned(),
            ]
        );
    }
}

#[test]
fn the_algorithm_must_be_the_one_configured_for_the_key() {
    let verdict = verify(&signed(JwtAlgorithm::Ps256, None), &keys(JwtAlgorithm::Rs256), None);
    assert_eq!(
        failure(&verdict),
        "algorithm: signed with PS256, for which no trusted key is configured"
    );
    let verdict = verify(&signed(JwtAlgorithm::Rs256, None), &KeySet::new(), None);
    assert_eq!(
        failure(&verdict),
        "algorithm: signed with RS256, for which no trusted key is configured"
    );
}

#[test]
fn a_key_nobody_trusts_carries_nothing() {
    let mut strangers = KeySet::new();
    let stranger = SigningKey::generate_rsa(2048, &mut seeded(9)).expect("a key");
    strangers.add(stranger.trusted("stranger", None).expect("a key")).expect("free");
    let verdict = verify(&signed(JwtAlgorithm::Rs256, None), &strangers, None);
    assert_eq!(failure(&verdict), "trusted signature: by none of 1 trusted RS256 keys");
}

#[test]
fn files_are_covered_both_ways() {
    let good = signed(JwtAlgorithm::Rs256, None);
    let mut changed = good.clone();
    changed.insert(
        "authz/authz.rego".to_owned(),
        b"package authz\n\ndefault allow := true\n".to_vec(),
    );
    assert_eq!(rs256(&changed), "files: changed: authz/authz.rego");
    let mut more = good.clone();
    more.insert("authz/extra.rego".to_owned(), b"package authz.extra\n".to_vec());
    assert_eq!(rs256(&more), "files: not signed: authz/extra.rego");
    let mut fewer = good.clone();
    fewer.remove("data.json");
    assert_eq!(rs256(&fewer), "files: missing: data.json");
    let mut spaced = good;
    spaced.insert("data.json".to_owned(), br#"{"authz":{"roles":[1.50,"\u00E9"]}}"#.to_vec());
    assert!(
        verify(&spaced, &keys(JwtAlgorithm::Rs256), None).is_trusted(),
        "white space in structured files does not matter"
    );
}

#[test]
fn a_scope_binds() {
    let scoped = signed(JwtAlgorithm::Rs256, Some("write"));
    let check = |files: &Members, scope| failure(&verify(files, &keys(JwtAlgorithm::Rs256), scope));
    assert_eq!(
        check(&scoped, Some("read")),
        "scope: signed for scope \"write\", wanted scope \"read\""
    );
    assert_eq!(check(&scoped, None), "scope: signed for scope \"write\", wanted no scope");
    let unscoped = signed(JwtAlgorithm::Rs256, None);
    assert_eq!(check(&unscoped, Some("read")), "scope: signed for no scope, wanted scope \"read\"");
}

#[test]
fn tokens_that_are_none_are_refused() {
    assert_eq!(rs256(&files()), "signature present: the archive has no .signatures.json");
    for (text, expected) in [
        ("{}", ".signatures.json holds no signature"),
        (r#"{"signatures":[]}"#, ".signatures.json holds no signature"),
        (r#"{"signatures":[1]}"#, ".signatures.json: a signature is no text"),
        (r#"{"signatures":["a","b"]}"#, "more than one signature; OPA accepts exactly one"),
        (r#"{"signatures":["a.b"]}"#, "the signature is not a JSON web token"),
        (r#"{"signatures":["!.e30.e30"]}"#, "the token's header is not base64url"),
        (r#"{"signatures":["e30.e30.e30"]}"#, "the token names no algorithm"),
        (r#"{"signatures":["x"],"plugin":"mine"}"#, "signed for a verification plugin of OPA's"),
        (
            r#"{"a":1,"a":1}"#,
            ".signatures.json: line 1, column 14: the key \"a\" stands twice in one object",
        ),
    ] {
        assert_eq!(rs256(&with_signatures(text)), format!("signature present: {expected}"));
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for algorithm in ["none", "HS256", "rs256"] {
        let token = format!(
            "{}.{}.",
            part(&format!("{{\"alg\":\"{algorithm}\"}}")),
            part("{\"files\":[]}")
        );
        let files = with_signatures(&format!("{{\"signatures\":[\"{token}\"]}}"));
        assert_eq!(rs256(&files), format!("algorithm: {algorithm:?} is not RS256, PS256 or ES256"));
    }
    let token = format!("{}.{}.AAAA", part(r#"{"alg":"RS256","crit":["x"]}"#), part("{}"));
    assert_eq!(
        rs256(&with_signatures(&format!("{{\"signatures\":[\"{token}\"]}}"))),
        "signature present: the token asks for extensions that are not known here"
    );
}
