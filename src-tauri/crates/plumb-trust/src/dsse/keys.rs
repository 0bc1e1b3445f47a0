//! Keys that sign statements: Ed25519, or ECDSA on P-256 with SHA-256.

use std::{cmp::Ordering, fmt, str::FromStr};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::pem::LineEnding;
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::encrypted;
use crate::{
    keys::{KeyError, encoding, read_pem},
    random::Fill,
};

/// `SubjectPublicKeyInfo` of Ed25519 (RFC 8410) before its 32 bytes of key.
const ED25519_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// `SubjectPublicKeyInfo` of P-256 (RFC 5480) before its 65 bytes of uncompressed point.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519_BYTES: usize = 32;
const P256_BYTES: usize = 65;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    Ed25519,
    EcdsaP256,
}

impl Algorithm {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of a key: SHA-256 of its `SubjectPublicKeyInfo` in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Digest);

impl KeyId {
    pub fn short(self) -> String {
        self.0.short()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = plumb_fleet::ids::DigestError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The public half of a signing key. Equal and ordered by its DER bytes; in documents it stands as
/// base64 of them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    algorithm: Algorithm,
    spki: Vec<u8>,
    id: KeyId,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in the only DER form each algorithm has.
    pub fn from_der(spki: &[u8]) -> Result<Self, KeyError> {
        let known = [
            (Algorithm::Ed25519, ED25519_PREFIX.as_slice(), ED25519_BYTES),
            (Algorithm::EcdsaP256, P256_PREFIX.as_slice(), P256_BYTES),
        ];
        let (algorithm, key) = known
            .into_iter()
            .find_map(|(algorithm, prefix, bytes)| {
                let key = spki.strip_prefix(prefix)?;
                (key.len() == bytes).then_some((algorithm, key))
            })
            .ok_or(KeyError::NotForStatements)?;
        let parsed = match algorithm {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, key),
            Algorithm::EcdsaP256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key),
        };
        let parsed = parsed.map_err(encoding)?;
        Ok(Self { algorithm, spki: spki.to_vec(), id: KeyId(Digest::of(spki)), parsed })
    }

    /// Reads `PUBLIC KEY` PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, document) = read_pem(pem)?;
        if label != "PUBLIC KEY" {
            return Err(KeyError::Label { label, expected: "PUBLIC KEY" });
        }
        Self::from_der(document.as_bytes())
    }

    pub fn to_pem(&self) -> String {
        der::pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.spki)
            .expect("a short block with a valid label encodes")
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key in DER (`SubjectPublicKeyInfo`, RFC 5280).
    pub fn der(&self) -> &[u8] {
        &self.spki
    }

    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether this key made a signature: 64 bytes (RFC 8032), or ASN.1 over SHA-256 (FIPS 186-5).
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm, self.id.short())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.spki.cmp(&other.spki)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::from_der(&STANDARD.decode(text).map_err(encoding)?)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        STANDARD.encode(key.spki)
    }
}

/// A private key, loaded to sign and dropped afterwards. It has no way out: the cryptographic library
/// clears its memory when it is dropped, and `Debug` shows its public half only.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

/// A key that was just made: the only moment at which its private half can be put somewhere.
pub struct NewKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl NewKey {
    /// Makes a key; the randomness is the cryptographic library's own.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let document = match algorithm {
            Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random),
            Algorithm::EcdsaP256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            }
        };
        let document = document.map_err(encoding)?;
        let public = SigningKey::from_pkcs8(document.as_ref())?.public;
        Ok(Self { pkcs8: Zeroizing::new(document.as_ref().to_vec()), public })
    }

    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key for use at once.
    pub fn signing(&self) -> Result<SigningKey, KeyError> {
        SigningKey::from_pkcs8(&self.pkcs8)
    }

    /// One word of text for the system's keyring: base64 of PKCS#8.
    pub fn to_keyring(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&*self.pkcs8))
    }

    /// An `ENCRYPTED PRIVATE KEY` file. `fill` needs a cryptographic source.
    pub fn to_encrypted_pem(&self, passphrase: &str, fill: Fill<'_>) -> Result<String, KeyError> {
        encrypted::seal(&self.pkcs8, passphrase, fill)
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Reads PKCS#8 in DER.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(pkcs8) {
            let spki = [&ED25519_PREFIX, pair.public_key().as_ref()].concat();
            return Ok(Self { pair: Pair::Ed25519(pair), public: PublicKey::from_der(&spki)? });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
            .map_err(|_| KeyError::NotForStatements)?;
        let spki = [&P256_PREFIX, pair.public_key().as_ref()].concat();
        Ok(Self { pair: Pair::EcdsaP256(pair), public: PublicKey::from_der(&spki)? })
    }

    /// Reads what [`NewKey::to_keyring`] wrote.
    pub fn from_keyring(text: &str) -> Result<Self, KeyError> {
        Self::from_pkcs8(&Zeroizing::new(STANDARD.decode(text).map_err(encoding)?))
    }

    /// Reads an `ENCRYPTED PRIVATE KEY` file (PKCS#8 with PBES2), also of `openssl pkcs8`. A key that
    /// is not encrypted is refused: whoever copies the file could sign.
    pub fn from_encrypted_pem(pem: &str, passphrase: &str) -> Result<Self, KeyError> {
        let (label, document) = read_pem(pem)?;
        match label.as_str() {
            "ENCRYPTED PRIVATE KEY" => {
                Self::from_pkcs8(&encrypted::open(document.as_bytes(), passphrase)?)
            }
            "PRIVATE KEY" => Err(KeyError::NotEncrypted),
            _ => Err(KeyError::Label { label, expected: "ENCRYPTED PRIVATE KEY" }),
        }
    }

    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message),
            Pair::EcdsaP256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        Ok(signature.map_err(encoding)?.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}
