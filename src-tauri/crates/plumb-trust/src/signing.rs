//! Private keys: for signing offline on the command line, for the demo and for tests. No server
//! path signs with RSA (RUSTSEC-2023-0071 is about timing seen over a network).

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey as _,
    pkcs1v15,
    pkcs8::{
        AlgorithmIdentifierRef, DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _,
        LineEnding, PrivateKeyInfo, SubjectPublicKeyInfoRef,
        der::{AnyRef, Decode as _, Encode as _, asn1::BitStringRef},
    },
    pss,
    sha2::Sha256,
    signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _},
    traits::PublicKeyParts as _,
};

use crate::{
    keys::{JwtAlgorithm, KeyError, TrustedKey, check_bits, encoding, read_pem, salt_max},
    random::{Fill, FillRng},
};

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error("the signature could not be made: {problem}")]
    Sign { problem: String },
    #[error("the file {name:?} cannot be hashed: {problem}")]
    File { name: String, problem: String },
}

/// A private key. Its `Debug` form shows nothing of it.
pub struct SigningKey(Private);

enum Private {
    Rsa(Box<RsaPrivateKey>),
    P256 { pair: EcdsaKeyPair, pkcs8: Vec<u8> },
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Private::Rsa(key) => write!(f, "SigningKey(RSA {} bits)", key.n().bits()),
            Private::P256 { .. } => f.write_str("SigningKey(ECDSA P-256)"),
        }
    }
}

impl SigningKey {
    /// Reads `PRIVATE KEY` (PKCS#8, RSA or P-256) or `RSA PRIVATE KEY` (PKCS#1) PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, document) = read_pem(pem)?;
        match label.as_str() {
            "PRIVATE KEY" => {
                let key = PrivateKeyInfo::from_der(document.as_bytes()).map_err(encoding)?;
                if key.algorithm.oid == rsa::pkcs1::ALGORITHM_OID {
                    Self::rsa(RsaPrivateKey::from_pkcs8_der(document.as_bytes()).map_err(encoding)?)
                } else {
                    Self::p256(document.as_bytes())
                }
            }
            "RSA PRIVATE KEY" => {
                Self::rsa(RsaPrivateKey::from_pkcs1_der(document.as_bytes()).map_err(encoding)?)
            }
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
            _ => {
                let expected = "PRIVATE KEY or RSA PRIVATE KEY";
                Err(KeyError::Label { label, expected })
            }
        }
    }

    fn rsa(key: RsaPrivateKey) -> Result<Self, KeyError> {
        check_bits(key.n().bits())?;
        Ok(Self(Private::Rsa(Box::new(key))))
    }

    fn p256(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| KeyError::Kind)?;
        Ok(Self(Private::P256 { pair, pkcs8: pkcs8.to_vec() }))
    }

    /// Makes an RSA key: about a fifth of a second for 2048 bits in a release build.
    pub fn generate_rsa(bits: usize, fill: Fill<'_>) -> Result<Self, KeyError> {
        check_bits(bits)?;
        Self::rsa(RsaPrivateKey::new(&mut FillRng(fill), bits).map_err(encoding)?)
    }

    /// Makes an ECDSA key on P-256; the randomness is the cryptographic library's own.
    pub fn generate_p256() -> Result<Self, KeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(encoding)?;
        Self::p256(document.as_ref())
    }

    /// The key as PKCS#8 PEM. Whoever asks is responsible for where it goes.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        match &self.0 {
            Private::Rsa(key) => {
                Ok(key.to_pkcs8_pem(LineEnding::LF).map_err(encoding)?.to_string())
            }
            Private::P256 { pkcs8, .. } => {
                let document =
                    rsa::pkcs8::Document::try_from(pkcs8.as_slice()).map_err(encoding)?;
                document.to_pem("PRIVATE KEY", LineEnding::LF).map_err(encoding)
            }
        }
    }

    /// The public half as SPKI PEM, as a reader's [`crate::KeySet`] takes it.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        match &self.0 {
            Private::Rsa(key) => {
                key.to_public_key().to_public_key_pem(LineEnding::LF).map_err(encoding)
            }
            Private::P256 { pair, .. } => {
                let curve = rsa::pkcs8::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
                let spki = SubjectPublicKeyInfoRef {
                    algorithm: AlgorithmIdentifierRef {
                        oid: rsa::pkcs8::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1"),
                        parameters: Some(AnyRef::from(&curve)),
                    },
                    subject_public_key: BitStringRef::from_bytes(pair.public_key().as_ref())
                        .map_err(encoding)?,
                };
                let der = spki.to_der().map_err(encoding)?;
                let document = rsa::pkcs8::Document::try_from(der.as_slice()).map_err(encoding)?;
                document.to_pem("PUBLIC KEY", LineEnding::LF).map_err(encoding)
            }
        }
    }

    /// The public half as a key to trust.
    pub fn trusted(
        &self,
        id: impl Into<String>,
        algorithm: Option<JwtAlgorithm>,
    ) -> Result<TrustedKey, KeyError> {
        TrustedKey::from_pem(id, &self.public_pem()?, algorithm)
    }

    /// RSA-PSS with SHA-256 and the longest salt, as Python's `PSS.MAX_LENGTH`.
    pub(crate) fn sign_pss_max(
        &self,
        message: &[u8],
        fill: Fill<'_>,
    ) -> Result<Vec<u8>, SignError> {
        let salt = match &self.0 {
            Private::Rsa(key) => salt_max(&key.to_public_key()),
            Private::P256 { .. } => 0,
        };
        self.sign_pss(message, salt, fill)
    }

    fn sign_pss(&self, message: &[u8], salt: usize, fill: Fill<'_>) -> Result<Vec<u8>, SignError> {
        let key = self.rsa_key(JwtAlgorithm::Ps256)?;
        let signer = pss::SigningKey::<Sha256>::new_with_salt_len(key.clone(), salt);
        let signature =
            signer.try_sign_with_rng(&mut FillRng(fill), message).map_err(sign_error)?;
        Ok(signature.to_vec())
    }

    fn rsa_key(&self, algorithm: JwtAlgorithm) -> Result<&RsaPrivateKey, SignError> {
        match &self.0 {
            Private::Rsa(key) => Ok(key),
            Private::P256 { .. } => {
                Err(KeyError::Algorithm { kind: "ECDSA P-256", algorithm }.into())
            }
        }
    }

    /// Signs the input of a JSON web signature (RFC 7518).
    pub(crate) fn sign_jwt(
        &self,
        algorithm: JwtAlgorithm,
        message: &[u8],
        fill: Fill<'_>,
    ) -> Result<Vec<u8>, SignError> {
        match algorithm {
            JwtAlgorithm::Rs256 => {
                let key = self.rsa_key(algorithm)?;
                let signer = pkcs1v15::SigningKey::<Sha256>::new(key.clone());
                Ok(signer.try_sign(message).map_err(sign_error)?.to_vec())
            }
            JwtAlgorithm::Ps256 => self.sign_pss(message, 32, fill),
            JwtAlgorithm::Es256 => match &self.0 {
                Private::P256 { pair, .. } => {
                    let signature = pair.sign(&SystemRandom::new(), message).map_err(sign_error)?;
                    Ok(signature.as_ref().to_vec())
                }
                Private::Rsa(_) => Err(KeyError::Algorithm { kind: "RSA", algorithm }.into()),
            },
        }
    }
}

fn sign_error(error: impl fmt::Display) -> SignError {
    SignError::Sign { problem: error.to_string() }
}
