//! What an envelope proves, and what is refused before anything in it is believed.

use std::collections::BTreeMap;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_fleet::Digest;
use plumb_trust::{
    KeyError,
    dsse::{
        Algorithm, DsseError, Envelope, NewKey, PAYLOAD_TYPE, Predicate, PublicKey, SigningKey,
        Statement, Subject, pae,
    },
};
use serde::{Deserialize, Serialize};

use crate::seeded;

const OPENSSL_ED25519: &str = include_str!("../../../../../tests/fixtures/keys/ed25519.key");
const OPENSSL_P256: &str = include_str!("../../../../../tests/fixtures/keys/p256.key");
const OPENSSL_ED25519_PUBLIC: &str = include_str!("../../../../../tests/fixtures/keys/ed25519.pub");
const OPENSSL_P256_PUBLIC: &str = include_str!("../../../../../tests/fixtures/keys/p256.pub");
const PASSPHRASE: &str = "correct horse battery";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    parcels: u32,
    labels: BTreeMap<String, String>,
}

impl Predicate for Delivery {
    const TYPE: &'static str = "urn:example:delivery:v1";
}

fn delivery() -> Statement<Delivery> {
    let labels = BTreeMap::from([("to".to_owned(), "Aarhus".to_owned())]);
    Statement {
        subject: vec![Subject::new("parcel", Digest::of(b"a parcel"))],
        predicate: Delivery { parcels: 3, labels },
    }
}

fn key(algorithm: Algorithm) -> SigningKey {
    NewKey::generate(algorithm).and_then(|key| key.signing()).expect("a key can be made")
}

/// Reads an envelope and its statement with the keys a reader trusts.
fn check(bytes: &[u8], keys: &[&PublicKey]) -> Result<Statement<Delivery>, DsseError> {
    let envelope = Envelope::read(bytes)?;
    let first = envelope.verify_first(keys).and_then(|verified| verified.statement());
    let all = envelope.verify(keys.iter().copied()).and_then(|verified| verified.statement());
    assert_eq!(first, all, "both ways of looking agree");
    all
}

/// An envelope around any bytes, truly signed.
fn signed(payload: &[u8], payload_type: &str) -> (Vec<u8>, PublicKey) {
    let new = NewKey::generate(Algorithm::Ed25519).expect("a key can be made");
    let pkcs8 = STANDARD.decode(&*new.to_keyring()).expect("base64");
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).expect("our own key");
    let sig = STANDARD.encode(pair.sign(&pae(payload_type, payload)));
    let envelope = serde_json::json!({
        "payload": STANDARD.encode(payload),
        "payloadType": payload_type,
        "signatures": [{"sig": sig}],
    });
    (envelope.to_string().into_bytes(), new.public().clone())
}

#[test]
fn the_signed_bytes_are_those_of_the_specification() {
    let bytes = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn what_was_signed_is_read_back() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        let (key, stranger) = (key(algorithm), key(Algorithm::Ed25519));
        let bytes = Envelope::sign(&delivery(), &[&key]).expect("it signs").to_bytes();
        assert_eq!(check(&bytes, &[stranger.public(), key.public()]), Ok(delivery()));
        assert_eq!(check(&bytes, &[stranger.public()]), Err(DsseError::NoTrustedSignature));
        assert_eq!(check(&bytes, &[]), Err(DsseError::NoTrustedSignature));
    }
}

#[test]
fn the_name_of_the_key_decides_nothing() {
    let (key, other) = (key(Algorithm::Ed25519), key(Algorithm::EcdsaP256));
    let envelope = Envelope::sign(&delivery(), &[&key]).expect("it signs");
    let text = String::from_utf8(envelope.to_bytes()).expect("JSON");
    let id = key.public().id().to_string();
    assert!(text.contains(&id), "{text}");
    let keys = [other.public(), key.public()];
    for named in [other.public().id().to_string(), "nobody".to_owned(), String::new()] {
        assert_eq!(check(text.replace(&id, &named).as_bytes(), &keys), Ok(delivery()), "{named}");
    }
    let without = text.replace(&format!("\"keyid\":\"{id}\","), "");
    assert_eq!(check(without.as_bytes(), &keys), Ok(delivery()));
    // The name of a trusted key does not make a signature of it.
    let forged = text.replace(&id, &other.public().id().to_string());
    assert_eq!(check(forged.as_bytes(), &[other.public()]), Err(DsseError::NoTrustedSignature));
}

#[test]
fn several_keys_sign_the_same_bytes_and_each_counts_once() {
    let (one, two) = (key(Algorithm::Ed25519), key(Algorithm::EcdsaP256));
    let mut envelope = Envelope::sign(&delivery(), &[&one]).expect("it signs");
    let before = envelope.payload_digest();
    envelope.add_signature(&two).expect("another key");
    let again = envelope.add_signature(&one);
    assert_eq!(again, Err(DsseError::SignedAlready { key: one.public().id() }));
    let again = envelope.add_signature(&two);
    assert_eq!(again, Err(DsseError::SignedAlready { key: two.public().id() }));
    let keys = [one.public(), two.public(), one.public()];
    let verified = envelope.verify(keys).expect("both are trusted");
    assert_eq!(verified.signers().len(), 2);
    let one_only = envelope.verify([one.public()]).expect("one is trusted");
    assert_eq!(one_only.signers(), [one.public()]);
    assert_eq!((envelope.payload_digest(), envelope.signature_count()), (before, 2));
}

#[test]
fn an_envelope_is_read_strictly() {
    let key = key(Algorithm::Ed25519);
    let envelope = Envelope::sign(&delivery(), &[&key]).expect("it signs");
    let text = String::from_utf8(envelope.to_bytes()).expect("JSON");
    let read = |text: &str| check(text.as_bytes(), &[key.public()]).map_err(|e| e.to_string());
    // How the envelope around the payload is written changes nothing that was signed.
    let spaced = text.replace("\",\"", "\" ,\n \"");
    assert_ne!(spaced, text);
    assert_eq!(read(&spaced), Ok(delivery()));
    let payload = &text[text.find("\"payload\":\"").expect("a payload") + 11..];
    let payload = &payload[..payload.find('"').expect("its end")];
    let refusals = [
        (text.replacen('{', "{\"note\":1,", 1), "not a DSSE envelope: unknown field `note`"),
        (text.replacen('{', "{\"payload\":\"\",", 1), "not a DSSE envelope: duplicate field"),
        (text.replace("\"keyid\"", "\"keyId\""), "not a DSSE envelope: unknown field `keyId`"),
        (text.replace(PAYLOAD_TYPE, "application/json"), "the payload is \"application/json\""),
        (text.replace(payload, &payload[..payload.len() - 1]), "not a DSSE envelope: "),
        (text.replace(payload, &format!("{payload} ")), "not a DSSE envelope: "),
        (format!("{text}x"), "not a DSSE envelope: trailing characters"),
        (text[..text.len() - 1].to_owned(), "not a DSSE envelope: EOF"),
        ("[]".to_owned(), "not a DSSE envelope: "),
        (String::new(), "not a DSSE envelope: EOF"),
    ];
    for (changed, expected) in refusals {
        assert_ne!(changed, text);
        let refused = read(&changed).expect_err(&changed);
        assert!(refused.starts_with(expected), "{refused} is not {expected}");
    }
    let signatures = &text[text.find("\"signatures\":").expect("signatures")..text.len() - 1];
    let none = read(&text.replace(signatures, "\"signatures\":[]")).expect_err("none");
    assert_eq!(none, "an envelope with 0 signatures, where 1 to 32 belong");
    let one = signatures.trim_start_matches("\"signatures\":[").trim_end_matches(']');
    let many = format!("\"signatures\":[{}]", vec![one; 33].join(","));
    let many = read(&text.replace(signatures, &many)).expect_err("33");
    assert_eq!(many, "an envelope with 33 signatures, where 1 to 32 belong");
    let large = " ".repeat(plumb_trust::dsse::ENVELOPE_BYTES_MAX) + &text;
    assert!(matches!(check(large.as_bytes(), &[]), Err(DsseError::TooLarge { .. })));
}

#[test]
fn a_signed_payload_is_read_strictly_too() {
    let good = String::from_utf8(delivery().canonical_bytes()).expect("JSON");
    let read = |payload: &str| {
        let (bytes, public) = signed(payload.as_bytes(), PAYLOAD_TYPE);
        check(&bytes, &[&public])
    };
    assert_eq!(read(&good), Ok(delivery()));
    let refusals = [
        (good.replace("\"parcels\":3", "\"parcels\":3,\"x\":1"), "the statement cannot be used: "),
        (good.replacen('{', "{\"x\":1,", 1), "the statement cannot be used: unknown field `x`"),
        (
            good.replace("\"parcels\":3", "\"parcels\":3,\"parcels\":3"),
            "the statement cannot be used: duplicate field `parcels`",
        ),
        (
            good.replace("\"to\":\"Aarhus\"", "\"to\":\"Oslo\",\"to\":\"Aarhus\""),
            "the statement is not canonical JSON",
        ),
        (good.replace("\"to\":", "\"to\": "), "the statement is not canonical JSON"),
        (good.replace("Aarhus", "A\\u0061rhus"), "the statement is not canonical JSON"),
        (format!("{good}\n"), "the statement is not canonical JSON"),
        (good.replace("parcels\":3", "parcels\":3.0"), "the statement cannot be used: "),
        (good.replace("parcels\":3", "parcels\":-3"), "the statement cannot be used: "),
        (
            good.replace("delivery:v1", "delivery:v2"),
            "the statement is a \"urn:example:delivery:v2\"",
        ),
        (good.replace("Statement/v1", "Statement/v0.1"), "the statement has the type "),
        (good.replace("\"sha256\"", "\"sha512\""), "the statement cannot be used: unknown field"),
        (good.replace("{\"sha256\"", "{\"md5\":\"\",\"sha256\""), "the statement cannot be used: "),
        ("null".to_owned(), "the statement cannot be used: "),
        (String::new(), "the statement cannot be used: "),
    ];
    for (payload, expected) in refusals {
        assert_ne!(payload, good);
        let refused = read(&payload).expect_err(&payload).to_string();
        assert!(refused.starts_with(expected), "{refused} is not {expected}");
    }
    // Another kind of payload is refused although its signature is good.
    let (bytes, public) = signed(good.as_bytes(), "application/json");
    assert!(matches!(check(&bytes, &[&public]), Err(DsseError::PayloadType { .. })));
}

#[test]
fn no_changed_byte_of_an_envelope_verifies() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        let key = key(algorithm);
        let bytes = Envelope::sign(&delivery(), &[&key]).expect("it signs").to_bytes();
        let id = key.public().id().to_string();
        let at = String::from_utf8_lossy(&bytes).find(&id).expect("it is named");
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                let outcome = check(&changed, &[key.public()]);
                let in_name = (at..at + id.len()).contains(&index);
                assert!(in_name || outcome.is_err(), "byte {index}, bit {bit}");
            }
        }
    }
}

#[test]
fn random_edits_are_refused_or_change_nothing() {
    let key = key(Algorithm::Ed25519);
    let bytes = Envelope::sign(&delivery(), &[&key]).expect("it signs").to_bytes();
    let mut fill = seeded(19);
    let mut below = |limit: usize| {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % limit as u64).expect("smaller than a length")
    };
    for _ in 0..4_000 {
        let mut changed = bytes.clone();
        for _ in 0..=below(3) {
            let (from, to) = (below(changed.len()), below(changed.len()));
            match below(4) {
                0 => changed.truncate(from.max(1)),
                1 => changed[from] = b"{}[]\",:\\0\xff"[below(10)],
                2 => changed.insert(from, b"{}[]\",:\\0 "[below(10)]),
                _ => changed.swap(from, to),
            }
        }
        if let Ok(statement) = check(&changed, &[key.public()]) {
            assert_eq!(statement, delivery());
        }
    }
}

#[test]
fn keys_have_one_form_and_one_name() {
    let key = PublicKey::from_pem(OPENSSL_ED25519_PUBLIC).expect("a key of openssl");
    assert_eq!(
        (key.algorithm(), key.to_pem().as_str()),
        (Algorithm::Ed25519, OPENSSL_ED25519_PUBLIC)
    );
    assert_eq!(key.id().0, Digest::of(key.der()));
    let point = PublicKey::from_pem(OPENSSL_P256_PUBLIC).expect("a key of openssl");
    assert_eq!(
        (point.algorithm(), point.to_pem().as_str()),
        (Algorithm::EcdsaP256, OPENSSL_P256_PUBLIC)
    );
    let mut off_curve = point.der().to_vec();
    *off_curve.last_mut().expect("a point") ^= 1;
    assert!(matches!(PublicKey::from_der(&off_curve), Err(KeyError::Encoding { .. })));
    let mut long = key.der().to_vec();
    long.push(0);
    for bad in [&[][..], &key.der()[1..], &long, b"0"] {
        assert_eq!(PublicKey::from_der(bad), Err(KeyError::NotForStatements));
    }
    let json = serde_json::to_string(&key).expect("it serialises");
    assert_eq!(serde_json::from_str::<PublicKey>(&json).expect("it reads back"), key);
}

#[test]
fn keys_under_a_passphrase_are_read_whoever_wrote_them() {
    for (file, public) in
        [(OPENSSL_ED25519, OPENSSL_ED25519_PUBLIC), (OPENSSL_P256, OPENSSL_P256_PUBLIC)]
    {
        let key = SigningKey::from_encrypted_pem(file, PASSPHRASE).expect("a key of openssl");
        assert_eq!(key.public().to_pem(), public);
        for wrong in ["", "correct horse batterx"] {
            let refused = SigningKey::from_encrypted_pem(file, wrong).expect_err("another phrase");
            assert_eq!(refused, KeyError::WrongPassphrase);
        }
    }
    let new = NewKey::generate(Algorithm::EcdsaP256).expect("a key");
    assert_eq!(
        new.to_encrypted_pem("short", &mut seeded(2)),
        Err(KeyError::Passphrase { min: 12 })
    );
    let file = new.to_encrypted_pem(PASSPHRASE, &mut seeded(2)).expect("it encrypts");
    let key = SigningKey::from_encrypted_pem(&file, PASSPHRASE).expect("it reads back");
    assert_eq!(key.public(), new.public());
    let open = der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, &[0x30, 0]);
    let open = open.expect("it encodes");
    assert_eq!(SigningKey::from_encrypted_pem(&open, "").err(), Some(KeyError::NotEncrypted));
    assert!(SigningKey::from_encrypted_pem(OPENSSL_P256_PUBLIC, "").is_err());
}

#[test]
fn a_damaged_key_file_is_refused_and_never_spun_on() {
    let (_, document) = der::Document::from_pem(OPENSSL_ED25519).expect("a PEM file");
    let bytes = document.as_bytes();
    for index in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[index] ^= 0x40;
        let pem =
            der::pem::encode_string("ENCRYPTED PRIVATE KEY", der::pem::LineEnding::LF, &changed)
                .expect("it encodes");
        if let Ok(key) = SigningKey::from_encrypted_pem(&pem, PASSPHRASE) {
            // CBC lets bits of the first block through; the key is then another one and signs for nobody.
            assert_ne!(key.public().to_pem(), OPENSSL_ED25519_PUBLIC, "byte {index}");
        }
    }
}

#[test]
fn the_debug_form_of_a_key_shows_its_public_half_only() {
    let new = NewKey::generate(Algorithm::Ed25519).expect("a key");
    let id = new.public().id().short();
    assert_eq!(format!("{new:?}"), format!("NewKey(PublicKey(Ed25519 {id}))"));
    let key = SigningKey::from_keyring(&new.to_keyring()).expect("it reads back");
    assert_eq!(format!("{key:?}"), format!("SigningKey(PublicKey(Ed25519 {id}))"));
}
