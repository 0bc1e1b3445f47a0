use super::*;

const SIGNER: &str = include_str!("../../../../../tests/fixtures/bundles/signer.pub.pem");
const PKCS1: &str = include_str!("../../../../../tests/fixtures/bundles/signer.pkcs1.pub.pem");
const SHORT: &str = include_str!("../../../../../tests/fixtures/bundles/signer-1024.pub.pem");

#[test]
fn one_key_in_two_encodings_has_one_fingerprint() {
    let spki = TrustedKey::from_pem("a", SIGNER, None).unwrap();
    let pkcs1 = TrustedKey::from_pem("b", PKCS1, None).unwrap();
    assert_eq!(spki.fingerprint(), pkcs1.fingerprint());
    assert_eq!((spki.kind(), spki.algorithm()), ("RSA", JwtAlgorithm::Rs256));
}

#[test]
fn keys_that_cannot_be_trusted_say_why() {
    let refuses = |pem: &str, algorithm, expected: &str| {
        let error = TrustedKey::from_pem("k", pem, algorithm).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    };
    refuses(SHORT, None, "an RSA key of 1024 bits, less than the 2048 required");
    refuses(SIGNER, Some(JwtAlgorithm::Es256), "an RSA key cannot sign ES256");
    refuses(
        &SIGNER.replace("PUBLIC KEY", "CERTIFICATE"),
        None,
        "a PEM block \"CERTIFICATE\" where PUBLIC KEY or RSA PUBLIC KEY was expected",
    );
    let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    refuses(ed25519, None, "neither an RSA key nor an ECDSA key on P-256");
    for junk in ["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert!(TrustedKey::from_pem("k", junk, None).is_err(), "{junk:?}");
    }
    refuses(
        &"x".repeat(PEM_BYTES_MAX + 1),
        None,
        "a key text of 32769 bytes, more than the 32768 allowed",
    );
}

#[test]
fn names_are_taken_once() {
    let error = KeySet::from_pems([("a", SIGNER), ("a", PKCS1)]).unwrap_err();
    assert_eq!(error.to_string(), "two trusted keys are named \"a\"");
    assert_eq!(KeySet::from_pems([("a", SIGNER), ("b", PKCS1)]).unwrap().iter().len(), 2);
}

#[test]
fn algorithms_are_read_exactly() {
    for unknown in ["none", "None", "rs256", "HS256", "RS512", "", "RS256 "] {
        assert_eq!(JwtAlgorithm::from_name(unknown), None);
    }
}

#[test]
fn the_longest_salt_follows_the_modulus() {
    let salt = |pem| match TrustedKey::from_pem("k", pem, None).unwrap().public {
        PublicKey::Rsa(key) => salt_max(&key),
        PublicKey::P256(_) => 0,
    };
    assert_eq!(salt(SIGNER), 222);
    // 2049 bits: the encoded message has 2048, one byte less than the modulus.
    assert_eq!(
        salt(include_str!("../../../../../tests/fixtures/bundles/signer-2049.pub.pem")),
        222
    );
}
