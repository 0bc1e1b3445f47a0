//! What is signed, what is logged of it, and the bundle around both.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Fault, PkiError,
    recipe::{Content, LogKind, Material, Recipe, Version},
};

pub(crate) const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// A signature with what it is over.
#[derive(Debug)]
pub(crate) struct Signed {
    /// The artifact, or the payload of the envelope.
    pub(crate) payload: Vec<u8>,
    pub(crate) payload_type: &'static str,
    /// The signature that is logged, and the one in the bundle.
    pub(crate) logged: Vec<u8>,
    pub(crate) shown: Vec<u8>,
}

pub(crate) fn sign(recipe: &Recipe, key: &KeyPair) -> Result<Signed, PkiError> {
    let (payload, payload_type) = payload(recipe);
    let message = match recipe.content {
        Content::Message if recipe.has(Fault::SignatureOfAnotherArtifact) => b"other".to_vec(),
        Content::Message => payload.clone(),
        Content::Statement if recipe.has(Fault::PayloadSignedBare) => payload.clone(),
        Content::Statement => pae(payload_type, &payload),
    };
    let other = KeyPair::generate()?;
    let signer = if recipe.has(Fault::SignatureOfAnotherKey) { &other } else { key };
    let logged = signer.sign(&message)?;
    let shown =
        if recipe.has(Fault::SignatureNotLogged) { signer.sign(&message)? } else { logged.clone() };
    Ok(Signed { payload, payload_type, logged, shown })
}

fn payload(recipe: &Recipe) -> (Vec<u8>, &'static str) {
    if recipe.content == Content::Message {
        return (recipe.artifact.clone(), "");
    }
    let digest = match recipe.fault {
        Some(Fault::SubjectOfAnotherArtifact) => Sha256::digest(b"another artifact"),
        _ => Sha256::digest(&recipe.artifact),
    };
    let subject = match recipe.fault {
        Some(Fault::SubjectMissing) => json!([]),
        Some(Fault::SubjectWithoutDigest) => json!([{ "name": "policy-pack-v0", "digest": {} }]),
        _ => json!([{ "name": "policy-pack-v0", "digest": { "sha256": hex::encode(digest) } }]),
    };
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://example.com/policy-pack/v1",
        "predicate": { "builtBy": "release" },
    });
    match recipe.fault {
        Some(Fault::StatementMalformed) => (b"no statement".to_vec(), STATEMENT_TYPE),
        Some(Fault::PayloadTypeUnknown) => (statement.to_string().into_bytes(), "text/plain"),
        _ => (statement.to_string().into_bytes(), STATEMENT_TYPE),
    }
}

/// What DSSE signs: the type and the payload, each after its length.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The signer as a log writes it down.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) der: Vec<u8>,
    pub(crate) is_certificate: bool,
}

impl Signer {
    pub(crate) fn of_key(key: &KeyPair) -> Self {
        Self { der: key.subject_public_key_info(), is_certificate: false }
    }

    pub(crate) fn pem(&self) -> String {
        let label = if self.is_certificate { "CERTIFICATE" } else { "PUBLIC KEY" };
        let text = STANDARD.encode(&self.der);
        let lines: Vec<String> = text
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }
}

/// Kind, version and body of the log entry.
pub(crate) fn body(
    recipe: &Recipe,
    signed: &Signed,
    signer: &Signer,
) -> (&'static str, &'static str, Vec<u8>) {
    let other = recipe.has(Fault::EntryOfAnotherArtifact);
    let hashed = match (recipe.content, other) {
        (_, true) => b"another artifact".to_vec(),
        (Content::Message, _) => signed.payload.clone(),
        (Content::Statement, _) => pae(signed.payload_type, &signed.payload),
    };
    let payload_hash =
        if other { Sha256::digest(b"another artifact") } else { Sha256::digest(&signed.payload) };
    let pem = STANDARD.encode(signer.pem());
    let signature = STANDARD.encode(&signed.logged);
    let value = |digest: &[u8]| json!({ "algorithm": "sha256", "value": hex::encode(digest) });
    let (kind, version, spec) = match (recipe.log, recipe.content) {
        (LogKind::Second, _) => ("hashedrekord", "0.0.2", second_spec(&hashed, &signature, signer)),
        (LogKind::FirstInToto, _) => (
            "intoto",
            "0.0.2",
            json!({ "content": {
                "envelope": {
                    "payloadType": signed.payload_type,
                    "signatures": [{ "publicKey": pem, "sig": STANDARD.encode(&signature) }],
                },
                "hash": value(&Sha256::digest(b"the envelope as it was sent")),
                "payloadHash": value(&payload_hash),
            }}),
        ),
        (_, Content::Statement) => (
            "dsse",
            "0.0.1",
            json!({
                "envelopeHash": value(&Sha256::digest(b"the envelope as it was sent")),
                "payloadHash": value(&payload_hash),
                "signatures": [{ "signature": signature, "verifier": pem }],
            }),
        ),
        (_, Content::Message) => (
            "hashedrekord",
            "0.0.1",
            json!({
                "data": { "hash": value(&Sha256::digest(&hashed)) },
                "signature": { "content": signature, "publicKey": { "content": pem } },
            }),
        ),
    };
    let document = json!({ "apiVersion": version, "kind": kind, "spec": spec });
    let bytes = if recipe.has(Fault::EntryMalformed) {
        b"{\"spec\":{}}".to_vec()
    } else {
        serde_json_canonicalizer::to_vec(&document).expect("texts serialise")
    };
    match recipe.fault {
        Some(Fault::EntryKindUnknown) => ("cose", "0.0.1", bytes),
        Some(Fault::EntryKindOfOtherContent) => ("dsse", "0.0.1", bytes),
        _ => (kind, version, bytes),
    }
}

fn second_spec(hashed: &[u8], signature: &str, signer: &Signer) -> Value {
    let raw = json!({ "rawBytes": STANDARD.encode(&signer.der) });
    let mut verifier = json!({ "keyDetails": "PKIX_ECDSA_P256_SHA_256" });
    verifier[if signer.is_certificate { "x509Certificate" } else { "publicKey" }] = raw;
    json!({ "hashedRekordV002": {
        "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(hashed)) },
        "signature": { "content": signature, "verifier": verifier },
    }})
}

/// The bundle around signature, signer and evidence.
pub(crate) fn bundle(
    recipe: &Recipe,
    signed: &Signed,
    signer: &Signer,
    chain: &[Vec<u8>; 2],
    entries: &[Value],
    stamps: &[Vec<u8>],
) -> Value {
    let mut material = json!({ "tlogEntries": entries });
    let stamps: Vec<Value> =
        stamps.iter().map(|stamp| json!({ "signedTimestamp": STANDARD.encode(stamp) })).collect();
    material["timestampVerificationData"] = json!({ "rfc3161Timestamps": stamps });
    let mut der = signer.der.clone();
    if recipe.has(Fault::CertificateMalformed) {
        der.truncate(der.len() / 2);
    }
    let certificate = json!({ "rawBytes": STANDARD.encode(der) });
    let as_chain = match recipe.fault {
        Some(Fault::ChainInVersion3) => true,
        Some(Fault::CertificateInVersion2) => false,
        _ => recipe.version != Version::V03,
    };
    if recipe.material == Material::Key {
        let hint = STANDARD.encode(Sha256::digest(&signer.der));
        material["publicKey"] = json!({ "hint": hint });
    } else if as_chain {
        let mut certificates = vec![certificate];
        let rest = if recipe.has(Fault::RootInChain) { &chain[..] } else { &chain[..1] };
        certificates.extend(rest.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })));
        material["x509CertificateChain"] = json!({ "certificates": certificates });
    } else {
        material["certificate"] = certificate;
    }
    let mut bundle = json!({
        "mediaType": recipe.version.media_type(),
        "verificationMaterial": material,
    });
    let (name, content) = content(recipe, signed);
    bundle[name] = content;
    bundle
}

fn content(recipe: &Recipe, signed: &Signed) -> (&'static str, Value) {
    let signature = STANDARD.encode(&signed.shown);
    if recipe.content == Content::Message {
        let digest = match recipe.fault {
            Some(Fault::DigestForged) => Sha256::digest(b"another artifact"),
            _ => Sha256::digest(&signed.payload),
        };
        let algorithm = match recipe.fault {
            Some(Fault::DigestAlgorithmUnknown) => "CRC_32",
            _ => "SHA2_256",
        };
        let digest = json!({ "algorithm": algorithm, "digest": STANDARD.encode(digest) });
        return ("messageSignature", json!({ "messageDigest": digest, "signature": signature }));
    }
    let one = json!({ "sig": signature, "keyid": "" });
    let signatures = match recipe.fault {
        Some(Fault::EnvelopeSignedTwice) => vec![one.clone(), one],
        Some(Fault::EnvelopeUnsigned) => Vec::new(),
        _ => vec![one],
    };
    let payload = match recipe.fault {
        Some(Fault::PayloadChanged) => {
            String::from_utf8_lossy(&signed.payload).replace("release", "mallory").into_bytes()
        }
        _ => signed.payload.clone(),
    };
    let envelope = json!({
        "payload": STANDARD.encode(payload),
        "payloadType": signed.payload_type,
        "signatures": signatures,
    });
    ("dsseEnvelope", envelope)
}
