//! Trusted public keys, by name.

use std::fmt;

use plumb_fleet::ids::Digest;
use rsa::{
    BigUint, RsaPublicKey,
    pkcs1::{self, der::Decode as _},
    pkcs8::{
        Document, EncodePublicKey as _, ObjectIdentifier,
        spki::{SubjectPublicKeyInfoRef, der::Encode as _},
    },
    traits::PublicKeyParts as _,
};

/// Smallest accepted RSA modulus (R277).
pub const RSA_BITS_MIN: usize = 2048;
/// Largest accepted RSA modulus: the cost of a check grows with its square.
pub const RSA_BITS_MAX: usize = 8192;
/// Longest accepted PEM text: a key of [`RSA_BITS_MAX`] bits needs 6.5 KB with its private half.
pub const PEM_BYTES_MAX: usize = 32 << 10;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Why a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key text of {bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("not a PEM text: {problem}")]
    Pem { problem: String },
    #[error("a PEM block {label:?} where {expected} was expected")]
    Label { label: String, expected: &'static str },
    #[error("the private key is encrypted; decrypt it first, for example with openssl pkey")]
    Encrypted,
    #[error("the key cannot be read: {problem}")]
    Encoding { problem: String },
    #[error("neither an RSA key nor an ECDSA key on P-256")]
    Kind,
    #[error("an RSA key of {bits} bits, less than the {min} required")]
    TooShort { bits: usize, min: usize },
    #[error("an RSA key of {bits} bits, more than the {max} allowed")]
    TooLong { bits: usize, max: usize },
    #[error("an {kind} key cannot sign {algorithm}")]
    Algorithm { kind: &'static str, algorithm: JwtAlgorithm },
    #[error(
        "neither an Ed25519 key nor an ECDSA key on P-256, in the form of RFC 8410 or RFC 5480"
    )]
    NotForStatements,
    #[error("the private key is not encrypted; encrypt it, for example with openssl pkcs8 -topk8")]
    NotEncrypted,
    #[error("the private key is encrypted in a way that is not read here; {needed} is needed")]
    Encryption { needed: &'static str },
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    #[error("a passphrase has at least {min} characters")]
    Passphrase { min: usize },
    #[error("two trusted keys are named {id:?}")]
    DuplicateId { id: String },
}

/// Algorithms of OPA's bundle signatures (RFC 7518).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum JwtAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
}

impl JwtAlgorithm {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }

    /// Reads a name exactly as written; `none` and every other algorithm are unknown here.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Ps256, Self::Es256].into_iter().find(|known| known.as_str() == name)
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa(RsaPublicKey),
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
}

impl PublicKey {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "ECDSA P-256",
        }
    }

    fn fits(&self, algorithm: JwtAlgorithm) -> bool {
        matches!(self, Self::P256(_)) == (algorithm == JwtAlgorithm::Es256)
    }
}

/// A public key somebody decided to trust.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    id: String,
    pub(crate) public: PublicKey,
    algorithm: JwtAlgorithm,
    fingerprint: Digest,
}

impl TrustedKey {
    /// Reads `PUBLIC KEY` (SPKI) or `RSA PUBLIC KEY` (PKCS#1) PEM. The algorithm is what OPA
    /// signatures by this key must name; RS256 or ES256 by its kind when not given.
    pub fn from_pem(
        id: impl Into<String>,
        pem: &str,
        algorithm: Option<JwtAlgorithm>,
    ) -> Result<Self, KeyError> {
        let (public, spki) = read_public(pem)?;
        let default = match public {
            PublicKey::Rsa(_) => JwtAlgorithm::Rs256,
            PublicKey::P256(_) => JwtAlgorithm::Es256,
        };
        let algorithm = algorithm.unwrap_or(default);
        if !public.fits(algorithm) {
            return Err(KeyError::Algorithm { kind: public.kind(), algorithm });
        }
        Ok(Self { id: id.into(), public, algorithm, fingerprint: Digest::of(&spki) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn algorithm(&self) -> JwtAlgorithm {
        self.algorithm
    }

    /// SHA-256 of the key in DER (`SubjectPublicKeyInfo`, RFC 5280).
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// `RSA` or `ECDSA P-256`.
    pub fn kind(&self) -> &'static str {
        self.public.kind()
    }
}

/// The keys a reader trusts, in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<TrustedKey>,
}

impl KeySet {
    /// A set that trusts nobody.
    pub const fn new() -> Self {
        Self { keys: Vec::new() }
    }

    /// Reads named PEM texts.
    pub fn from_pems<'a>(
        pems: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, KeyError> {
        let mut keys = Self::new();
        for (id, pem) in pems {
            keys.add(TrustedKey::from_pem(id, pem, None)?)?;
        }
        Ok(keys)
    }

    /// Adds a key under a name not yet taken.
    pub fn add(&mut self, key: TrustedKey) -> Result<(), KeyError> {
        if self.keys.iter().any(|known| known.id == key.id) {
            return Err(KeyError::DuplicateId { id: key.id });
        }
        self.keys.push(key);
        Ok(())
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TrustedKey> {
        self.keys.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// One PEM block: its label and its bytes.
pub(crate) fn read_pem(pem: &str) -> Result<(String, Document), KeyError> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(KeyError::TooLarge { bytes: pem.len(), max: PEM_BYTES_MAX });
    }
    let (label, document) =
        Document::from_pem(pem).map_err(|error| KeyError::Pem { problem: error.to_string() })?;
    Ok((label.to_owned(), document))
}

fn read_public(pem: &str) -> Result<(PublicKey, Vec<u8>), KeyError> {
    let (label, document) = read_pem(pem)?;
    match label.as_str() {
        "PUBLIC KEY" => {
            let spki = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(encoding)?;
            Ok((public_from_spki(&spki)?, spki.to_der().map_err(encoding)?))
        }
        "RSA PUBLIC KEY" => {
            let key = public_from_pkcs1(document.as_bytes())?;
            let spki = key.to_public_key_der().map_err(encoding)?;
            Ok((PublicKey::Rsa(key), spki.into_vec()))
        }
        _ => {
            let expected = "PUBLIC KEY or RSA PUBLIC KEY";
            Err(KeyError::Label { label, expected })
        }
    }
}

fn public_from_spki(spki: &SubjectPublicKeyInfoRef<'_>) -> Result<PublicKey, KeyError> {
    let bits = spki.subject_public_key.as_bytes().ok_or(KeyError::Kind)?;
    if spki.algorithm.oid == RSA_ENCRYPTION {
        return public_from_pkcs1(bits).map(PublicKey::Rsa);
    }
    let on_p256 = spki.algorithm.parameters_oid().is_ok_and(|curve| curve == P256);
    if spki.algorithm.oid == EC_PUBLIC_KEY && on_p256 {
        return Ok(PublicKey::P256(bits.to_vec()));
    }
    Err(KeyError::Kind)
}

fn public_from_pkcs1(der: &[u8]) -> Result<RsaPublicKey, KeyError> {
    let key = pkcs1::RsaPublicKey::from_der(der).map_err(encoding)?;
    let modulus = BigUint::from_bytes_be(key.modulus.as_bytes());
    let exponent = BigUint::from_bytes_be(key.public_exponent.as_bytes());
    let bits = modulus.bits();
    check_bits(bits)?;
    RsaPublicKey::new_with_max_size(modulus, exponent, RSA_BITS_MAX).map_err(encoding)
}

pub(crate) fn check_bits(bits: usize) -> Result<(), KeyError> {
    if bits < RSA_BITS_MIN {
        return Err(KeyError::TooShort { bits, min: RSA_BITS_MIN });
    }
    if bits > RSA_BITS_MAX {
        return Err(KeyError::TooLong { bits, max: RSA_BITS_MAX });
    }
    Ok(())
}

pub(crate) fn encoding(error: impl fmt::Display) -> KeyError {
    KeyError::Encoding { problem: error.to_string() }
}

/// The longest salt a PSS signature by this key can carry: `emLen - hLen - 2` (RFC 8017, 9.1.1).
pub(crate) fn salt_max(key: &RsaPublicKey) -> usize {
    (key.n().bits() - 1).div_ceil(8) - 32 - 2
}

#[cfg(test)]
mod tests;
