//! A bundle as it lies in a file. Unknown and repeated fields are refused, because what no check
//! reads is what a forger may change.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use sigstore_types::{Bundle, MediaType};

/// Longest bundle: a signed statement about some thousand files, with its evidence.
pub const ATTESTATION_BYTES_MAX: usize = 4 << 20;
/// Most log entries, timestamps and certificates of one bundle.
pub(super) const EVIDENCE_MAX: usize = 16;
/// Longest inclusion proof: a tree of 2^64 leaves.
const PROOF_HASHES_MAX: usize = 64;

const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireBundle {
    media_type: String,
    verification_material: WireMaterial,
    message_signature: Option<WireMessage>,
    dsse_envelope: Option<WireEnvelope>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireMaterial {
    certificate: Option<WireRaw>,
    x509_certificate_chain: Option<WireChain>,
    public_key: Option<WireHint>,
    #[serde(default)]
    tlog_entries: Vec<WireEntry>,
    timestamp_verification_data: Option<WireStamps>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireRaw {
    #[serde(rename = "rawBytes")]
    _raw: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChain {
    certificates: Vec<WireRaw>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHint {
    #[serde(rename = "hint", default)]
    _hint: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireEntry {
    #[serde(rename = "logIndex", default)]
    _index: Option<Whole>,
    #[serde(rename = "logId")]
    _log: WireKeyId,
    #[serde(rename = "kindVersion")]
    _kind: WireKind,
    #[serde(rename = "integratedTime", default)]
    _time: Option<Whole>,
    #[serde(rename = "inclusionPromise")]
    _promise: Option<WirePromise>,
    inclusion_proof: Option<WireProof>,
    #[serde(rename = "canonicalizedBody")]
    _body: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKeyId {
    #[serde(rename = "keyId")]
    _key: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKind {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "version")]
    _version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePromise {
    #[serde(rename = "signedEntryTimestamp")]
    _signed: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireProof {
    #[serde(rename = "logIndex", default)]
    _index: Option<Whole>,
    #[serde(rename = "rootHash")]
    _root: Base64,
    #[serde(rename = "treeSize")]
    _size: Whole,
    #[serde(default)]
    hashes: Vec<Base64>,
    #[serde(rename = "checkpoint")]
    _checkpoint: Option<WireCheckpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCheckpoint {
    #[serde(rename = "envelope")]
    _envelope: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireStamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<WireStamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStamp {
    #[serde(rename = "signedTimestamp")]
    _signed: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireMessage {
    #[serde(rename = "messageDigest")]
    _digest: Option<WireDigest>,
    #[serde(rename = "signature")]
    _signature: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDigest {
    #[serde(rename = "algorithm")]
    _algorithm: String,
    #[serde(rename = "digest")]
    _digest: Base64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireEnvelope {
    #[serde(rename = "payload")]
    _payload: Base64,
    #[serde(rename = "payloadType")]
    _payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(rename = "sig")]
    _sig: Base64,
    #[serde(rename = "keyid", default)]
    _keyid: Option<String>,
}

/// Bytes as the only base64 text that stands for them.
#[derive(Debug)]
struct Base64;

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match STANDARD.decode(&text) {
            Ok(bytes) if STANDARD.encode(&bytes) == text => Ok(Self),
            _ => Err(D::Error::custom("a text that is not canonical base64")),
        }
    }
}

/// A number of 64 bits, as a number or as the text that programs write for it.
#[derive(Debug)]
struct Whole;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.is_u64(),
            Value::String(text) => {
                text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
            }
            _ => false,
        };
        if whole { Ok(Self) } else { Err(D::Error::custom("not a whole number")) }
    }
}

/// Why a file is no bundle.
#[derive(Debug)]
pub(super) enum WireError {
    Format(String),
    MediaType(String),
    Material(String),
}

/// Reads a bundle and its version.
pub(super) fn read(bytes: &[u8]) -> Result<Bundle, WireError> {
    let format = |problem: String| WireError::Format(problem);
    if bytes.len() > ATTESTATION_BYTES_MAX {
        let size = bytes.len();
        return Err(format(format!("{size} bytes, more than the {ATTESTATION_BYTES_MAX} allowed")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| format("not UTF-8".to_owned()))?;
    let wire: WireBundle = serde_json::from_str(text).map_err(|error| format(error.to_string()))?;
    if !MEDIA_TYPES.contains(&wire.media_type.as_str()) {
        let named: String = wire.media_type.chars().take(80).collect();
        return Err(WireError::MediaType(format!("{named:?} is not version 0.1, 0.2 or 0.3")));
    }
    count(&wire).map_err(format)?;
    shape(&wire)?;
    let bundle = Bundle::from_json(text).map_err(|error| format(error.to_string()))?;
    material(&wire, bundle.media_type()).map_err(WireError::Material)?;
    let evidence = &bundle.verification_material;
    let stamps = &evidence.timestamp_verification_data.rfc3161_timestamps;
    if repeats(&evidence.tlog_entries) || repeats(stamps) {
        return Err(format("the same evidence stands twice".to_owned()));
    }
    Ok(bundle)
}

fn repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, one)| list[..index].contains(one))
}

fn count(wire: &WireBundle) -> Result<(), String> {
    let material = &wire.verification_material;
    let stamps = material.timestamp_verification_data.as_ref();
    let counts = [
        ("log entries", material.tlog_entries.len()),
        ("timestamps", stamps.map_or(0, |stamps| stamps.rfc3161_timestamps.len())),
        (
            "certificates",
            material.x509_certificate_chain.as_ref().map_or(0, |chain| chain.certificates.len()),
        ),
    ];
    if let Some((what, count)) = counts.iter().find(|(_, count)| *count > EVIDENCE_MAX) {
        return Err(format!("{count} {what}, more than the {EVIDENCE_MAX} allowed"));
    }
    let proofs = material.tlog_entries.iter().filter_map(|entry| entry.inclusion_proof.as_ref());
    if let Some(proof) = proofs.into_iter().find(|proof| proof.hashes.len() > PROOF_HASHES_MAX) {
        return Err(format!("an inclusion proof of {} hashes", proof.hashes.len()));
    }
    Ok(())
}

fn shape(wire: &WireBundle) -> Result<(), WireError> {
    match (&wire.message_signature, &wire.dsse_envelope) {
        (Some(_), None) => Ok(()),
        (None, Some(envelope)) if envelope.signatures.len() == 1 => Ok(()),
        (None, Some(envelope)) => {
            let count = envelope.signatures.len();
            Err(WireError::Format(format!(
                "an envelope with {count} signatures, where one belongs"
            )))
        }
        _ => Err(WireError::Format("not exactly one of a signature and an envelope".to_owned())),
    }
}

/// Versions 0.1 and 0.2 carry a chain, version 0.3 one certificate.
fn material(wire: &WireBundle, version: MediaType) -> Result<(), String> {
    let material = &wire.verification_material;
    let third = version == MediaType::Bundle0_3;
    match (&material.certificate, &material.x509_certificate_chain, &material.public_key) {
        (Some(_), None, None) if third => Ok(()),
        (Some(_), None, None) => Err("one certificate, where this version has a chain".to_owned()),
        (None, Some(_), None) if third => {
            Err("a chain, where version 0.3 has one certificate".to_owned())
        }
        (None, Some(chain), None) if chain.certificates.is_empty() => {
            Err("a chain without a certificate".to_owned())
        }
        (None, Some(_), None) | (None, None, Some(_)) => Ok(()),
        _ => Err("not exactly one of a certificate, a chain and a public key".to_owned()),
    }
}
