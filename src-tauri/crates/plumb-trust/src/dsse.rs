//! Signed statements: in-toto Statement v1 (<https://in-toto.io/Statement/v1>) in a DSSE envelope
//! (<https://github.com/secure-systems-lab/dsse>, version 1.0.2).
//!
//! A payload can be read as a statement only through [`Verified`], so nothing is parsed before a key
//! that the caller trusts signed it. Both documents are read strictly: unknown fields and duplicate
//! keys are refused, and a payload must be canonical JSON (RFC 8785), so that every reader of the
//! signed bytes reads the same statement.

mod encrypted;
mod keys;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_fleet::Digest;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
};
use serde_json::value::RawValue;

pub use encrypted::PASSPHRASE_CHARS_MIN;
pub use keys::{Algorithm, KeyId, NewKey, PublicKey, SigningKey};

use crate::keys::KeyError;

/// Type of a payload that is an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Type of version 1 of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Longest envelope that is read: an approval that acknowledges a finding on each of 10,000 nodes with
/// the longest names has 2 MB, a certificate of 10,000 stragglers with the longest reasons 10 MB.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 20;
/// Most signatures in one envelope: more people than a rule about root keys asks for.
pub const SIGNATURES_MAX: usize = 32;
/// Longest signature and key name that are read; ECDSA P-256 in ASN.1 has 72 bytes.
const SIGNATURE_BYTES_MAX: usize = 128;

/// Why an envelope or its statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsseError {
    #[error("an envelope of {bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("not a DSSE envelope: {problem}")]
    Envelope { problem: String },
    #[error("the payload is {found:?}, not an in-toto statement ({PAYLOAD_TYPE})")]
    PayloadType { found: String },
    #[error("an envelope with {count} signatures, where 1 to {SIGNATURES_MAX} belong")]
    Signatures { count: usize },
    #[error("none of the trusted keys made a signature of this envelope")]
    NoTrustedSignature,
    #[error("the statement has the type {found:?}, not {STATEMENT_TYPE}")]
    StatementType { found: String },
    #[error("the statement is a {found:?}, where a {expected:?} was expected")]
    PredicateType { found: String, expected: &'static str },
    #[error("the statement cannot be used: {problem}")]
    Statement { problem: String },
    #[error("the statement is not canonical JSON (RFC 8785)")]
    NotCanonical,
    #[error("the key cannot sign")]
    Sign(#[source] KeyError),
    #[error("the key {key} signed this envelope already", key = key.short())]
    SignedAlready { key: KeyId },
}

/// What a statement is about: a name and a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    pub name: String,
    pub digest: Sha256Of,
}

/// A digest set with the one algorithm we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sha256Of {
    pub sha256: Digest,
}

impl Subject {
    pub fn new(name: impl Into<String>, sha256: Digest) -> Self {
        Self { name: name.into(), digest: Sha256Of { sha256 } }
    }
}

/// What one of our statements says. Its type is a URI with a version, which rises with any change.
pub trait Predicate: Serialize + DeserializeOwned {
    const TYPE: &'static str;
}

/// Subjects, and what is said about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<P> {
    pub subject: Vec<Subject>,
    pub predicate: P,
}

#[derive(Serialize)]
struct StatementOut<'a, P> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: &'a [Subject],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: &'a P,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementIn<'a> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(borrow)]
    predicate: &'a RawValue,
}

impl<P: Predicate> Statement<P> {
    /// Canonical bytes (RFC 8785): what is signed.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let out = StatementOut {
            kind: STATEMENT_TYPE,
            subject: &self.subject,
            predicate_type: P::TYPE,
            predicate: &self.predicate,
        };
        serde_json_canonicalizer::to_vec(&out).expect("a statement always serialises")
    }

    fn read(payload: &[u8]) -> Result<Self, DsseError> {
        let problem =
            |error: serde_json::Error| DsseError::Statement { problem: error.to_string() };
        let read: StatementIn<'_> = serde_json::from_slice(payload).map_err(problem)?;
        if read.kind != STATEMENT_TYPE {
            return Err(DsseError::StatementType { found: shown(&read.kind) });
        }
        if read.predicate_type != P::TYPE {
            let found = shown(&read.predicate_type);
            return Err(DsseError::PredicateType { found, expected: P::TYPE });
        }
        let predicate = serde_json::from_str(read.predicate.get()).map_err(problem)?;
        let statement = Self { subject: read.subject, predicate };
        // Also refuses a key that stands twice in a map, which serde would merge.
        if statement.canonical_bytes() != payload {
            return Err(DsseError::NotCanonical);
        }
        Ok(statement)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

/// The bytes that are signed (DSSE pre-authentication encoding).
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A payload with its signatures, nothing of it believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Bytes,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// Which key signed, as its maker says: where to look first, never a reason to believe.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
    sig: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeWire {
    payload: Bytes,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

/// Bytes as the only base64 text that stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The engine refuses missing padding, spaces, and bits after the end.
        STANDARD.decode(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Envelope {
    /// Signs a statement with one key or several.
    pub fn sign<P: Predicate>(
        statement: &Statement<P>,
        keys: &[&SigningKey],
    ) -> Result<Self, DsseError> {
        let payload = Bytes(statement.canonical_bytes());
        let mut envelope = Self { payload, signatures: Vec::new() };
        for key in keys {
            envelope.add_signature(key)?;
        }
        Ok(envelope)
    }

    /// Adds the signature of another key over the same bytes.
    pub fn add_signature(&mut self, key: &SigningKey) -> Result<(), DsseError> {
        let count = self.signatures.len() + 1;
        if count > SIGNATURES_MAX {
            return Err(DsseError::Signatures { count });
        }
        let message = pae(PAYLOAD_TYPE, &self.payload.0);
        let public = key.public();
        if self.signatures.iter().any(|made| public.verifies(&message, &made.sig.0)) {
            return Err(DsseError::SignedAlready { key: public.id() });
        }
        let sig = Bytes(key.sign(&message).map_err(DsseError::Sign)?);
        self.signatures.push(Signature { keyid: public.id().to_string(), sig });
        Ok(())
    }

    /// Reads an envelope strictly; its payload stays closed.
    pub fn read(bytes: &[u8]) -> Result<Self, DsseError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(DsseError::TooLarge { bytes: bytes.len(), max: ENVELOPE_BYTES_MAX });
        }
        let problem = |problem: String| DsseError::Envelope { problem };
        let wire: EnvelopeWire =
            serde_json::from_slice(bytes).map_err(|error| problem(error.to_string()))?;
        if wire.payload_type != PAYLOAD_TYPE {
            return Err(DsseError::PayloadType { found: shown(&wire.payload_type) });
        }
        let count = wire.signatures.len();
        if count == 0 || count > SIGNATURES_MAX {
            return Err(DsseError::Signatures { count });
        }
        let long = |made: &Signature| made.sig.0.len().max(made.keyid.len()) > SIGNATURE_BYTES_MAX;
        if wire.signatures.iter().any(long) {
            return Err(problem(format!("a signature or keyid above {SIGNATURE_BYTES_MAX} bytes")));
        }
        Ok(Self { payload: wire.payload, signatures: wire.signatures })
    }

    /// The envelope as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = EnvelopeWire {
            payload: self.payload.clone(),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: self.signatures.clone(),
        };
        serde_json_canonicalizer::to_vec(&wire).expect("an envelope always serialises")
    }

    /// SHA-256 of the payload: the same however the envelope around it is written or signed.
    pub fn payload_digest(&self) -> Digest {
        Digest::of(&self.payload.0)
    }

    pub const fn signature_count(&self) -> usize {
        self.signatures.len()
    }

    /// The keys that its signatures name, as their makers say, in order.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|made| made.keyid.as_str())
    }

    /// The statement before any signature is checked: for people who are about to sign it too.
    pub(crate) fn unverified_statement<P: Predicate>(&self) -> Result<Statement<P>, DsseError> {
        Statement::read(&self.payload.0)
    }

    /// Opens the payload if one of these keys signed it, and says which of them did. Every signature is
    /// tried with every key; a signature of nobody here is passed over.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<Verified<'_, 'k>, DsseError> {
        let message = pae(PAYLOAD_TYPE, &self.payload.0);
        let signed = |key: &&PublicKey| {
            self.signatures.iter().any(|made| key.verifies(&message, &made.sig.0))
        };
        let mut signers: Vec<&PublicKey> = keys.into_iter().filter(signed).collect();
        signers.sort();
        signers.dedup();
        if signers.is_empty() {
            return Err(DsseError::NoTrustedSignature);
        }
        Ok(Verified { payload: &self.payload.0, signers })
    }

    /// As [`Envelope::verify`], for many keys of which one signed: tries the key first that the
    /// envelope names, then all others, and stops at the first that fits.
    pub fn verify_first<'k>(&self, keys: &[&'k PublicKey]) -> Result<Verified<'_, 'k>, DsseError> {
        let message = pae(PAYLOAD_TYPE, &self.payload.0);
        let named: Vec<KeyId> =
            self.signatures.iter().filter_map(|made| made.keyid.parse().ok()).collect();
        let signed = |key: &&&PublicKey| {
            self.signatures.iter().any(|made| key.verifies(&message, &made.sig.0))
        };
        let first = keys.iter().filter(|key| named.contains(&key.id())).find(signed);
        let signer = first.or_else(|| keys.iter().find(signed));
        let signer = *signer.ok_or(DsseError::NoTrustedSignature)?;
        Ok(Verified { payload: &self.payload.0, signers: vec![signer] })
    }
}

/// A payload that trusted keys signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'e, 'k> {
    payload: &'e [u8],
    signers: Vec<&'k PublicKey>,
}

impl<'k> Verified<'_, 'k> {
    /// Whose signatures are good, each key once.
    pub fn signers(&self) -> &[&'k PublicKey] {
        &self.signers
    }

    /// The statement, if it is one of this type and nothing else.
    pub fn statement<P: Predicate>(&self) -> Result<Statement<P>, DsseError> {
        Statement::read(self.payload)
    }
}
