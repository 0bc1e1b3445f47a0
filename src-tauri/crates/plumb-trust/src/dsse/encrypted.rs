//! Private keys under a passphrase: PKCS#8 with PBES2 (RFC 8018), PBKDF2 with HMAC-SHA-256 and
//! AES-256-CBC, which is what `openssl pkcs8 -topk8` writes and Python's `cryptography` reads.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{
        AES_256, AES_256_KEY_LEN, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
        PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::{FixedLength, IV_LEN_128_BIT},
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
};
use der::{
    Any, Decode as _, Encode as _, Sequence,
    asn1::{ObjectIdentifier, OctetString},
    pem::LineEnding,
};
use zeroize::Zeroizing;

use crate::{
    keys::{KeyError, encoding},
    random::Fill,
};

/// OWASP's advice for PBKDF2 with HMAC-SHA-256 (2023).
const ITERATIONS: u32 = 600_000;
/// `openssl` writes 2,048 unless told otherwise; fewer protect nothing.
const ITERATIONS_MIN: u32 = 1_000;
/// About two seconds; a file that asks for more only wants to keep us busy.
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
/// Shortest and longest salt that is read.
const SALT_BYTES_READ: std::ops::RangeInclusive<usize> = 8..=64;
const BLOCK_BYTES: usize = 16;
/// Shortest passphrase for a new file.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");

#[derive(Sequence)]
struct EncryptedKey {
    scheme: Algorithm,
    sealed: OctetString,
}

/// An algorithm and its parameters, as every field of PBES2 has them.
#[derive(Sequence)]
struct Algorithm {
    oid: ObjectIdentifier,
    parameters: Any,
}

#[derive(Sequence)]
struct Pbes2 {
    derivation: Algorithm,
    cipher: Algorithm,
}

#[derive(Sequence)]
struct Pbkdf2 {
    salt: OctetString,
    iterations: u32,
    #[asn1(optional = "true")]
    key_bytes: Option<u16>,
    prf: Algorithm,
}

/// Encrypts PKCS#8 bytes and writes them as PEM.
pub(super) fn seal(pkcs8: &[u8], passphrase: &str, fill: Fill<'_>) -> Result<String, KeyError> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(KeyError::Passphrase { min: PASSPHRASE_CHARS_MIN });
    }
    let (mut salt, mut iv) = ([0; SALT_BYTES], [0; IV_LEN_128_BIT]);
    fill(&mut salt);
    fill(&mut iv);
    let key = derive(passphrase, &salt, ITERATIONS)?;
    let mut sealed = Zeroizing::new(pkcs8.to_vec());
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(unbound(&key)?).map_err(encoding)?;
    cipher
        .less_safe_encrypt(&mut *sealed, EncryptionContext::Iv128(FixedLength::from(&iv)))
        .map_err(encoding)?;
    let derivation = Pbkdf2 {
        salt: OctetString::new(salt).map_err(encoding)?,
        iterations: ITERATIONS,
        key_bytes: None,
        prf: Algorithm { oid: HMAC_SHA256, parameters: Any::null() },
    };
    let iv = OctetString::new(iv).map_err(encoding)?;
    let scheme = Pbes2 {
        derivation: Algorithm { oid: PBKDF2, parameters: any(&derivation)? },
        cipher: Algorithm { oid: AES_256_CBC, parameters: any(&iv)? },
    };
    let whole = EncryptedKey {
        scheme: Algorithm { oid: PBES2, parameters: any(&scheme)? },
        sealed: OctetString::new(sealed.as_slice()).map_err(encoding)?,
    };
    let document = whole.to_der().map_err(encoding)?;
    der::pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &document).map_err(encoding)
}

/// Decrypts an `EncryptedPrivateKeyInfo` in DER to PKCS#8 bytes.
pub(super) fn open(document: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let whole = EncryptedKey::from_der(document).map_err(encoding)?;
    let scheme: Pbes2 = parameters(&whole.scheme, PBES2, "PBES2")?;
    let derivation: Pbkdf2 = parameters(&scheme.derivation, PBKDF2, "PBKDF2")?;
    let iv: OctetString = parameters(&scheme.cipher, AES_256_CBC, "AES-256-CBC")?;
    if derivation.prf.oid != HMAC_SHA256 || derivation.prf.parameters != Any::null() {
        return Err(KeyError::Encryption { needed: "HMAC-SHA-256" });
    }
    if derivation.key_bytes.is_some_and(|bytes| usize::from(bytes) != AES_256_KEY_LEN) {
        return Err(KeyError::Encryption { needed: "a key of 32 bytes" });
    }
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&derivation.iterations) {
        return Err(KeyError::Encryption { needed: "1,000 to 10,000,000 iterations" });
    }
    if !SALT_BYTES_READ.contains(&derivation.salt.as_bytes().len()) {
        return Err(KeyError::Encryption { needed: "a salt of 8 to 64 bytes" });
    }
    let iv = <[u8; IV_LEN_128_BIT]>::try_from(iv.as_bytes())
        .map_err(|_| KeyError::Encryption { needed: "an initial block of 16 bytes" })?;
    let sealed = whole.sealed.as_bytes();
    if sealed.is_empty() || sealed.len() % BLOCK_BYTES != 0 {
        return Err(KeyError::Encryption { needed: "whole blocks" });
    }
    let key = derive(passphrase, derivation.salt.as_bytes(), derivation.iterations)?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(unbound(&key)?).map_err(encoding)?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = cipher
        .decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(&iv)))
        .map_err(|_| KeyError::WrongPassphrase)?
        .len();
    buffer.truncate(length);
    // One wrong passphrase in some hundred leaves padding that looks right.
    der::AnyRef::from_der(&buffer).map_err(|_| KeyError::WrongPassphrase)?;
    Ok(buffer)
}

fn derive(
    passphrase: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<Zeroizing<[u8; AES_256_KEY_LEN]>, KeyError> {
    let iterations = NonZeroU32::new(iterations)
        .ok_or(KeyError::Encryption { needed: "1,000 to 10,000,000 iterations" })?;
    let mut key = Zeroizing::new([0; AES_256_KEY_LEN]);
    pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, salt, passphrase.as_bytes(), &mut *key);
    Ok(key)
}

fn unbound(key: &[u8; AES_256_KEY_LEN]) -> Result<UnboundCipherKey, KeyError> {
    UnboundCipherKey::new(&AES_256, key).map_err(encoding)
}

fn any(value: &impl der::Encode) -> Result<Any, KeyError> {
    Any::from_der(&value.to_der().map_err(encoding)?).map_err(encoding)
}

fn parameters<T: for<'a> der::Decode<'a>>(
    algorithm: &Algorithm,
    oid: ObjectIdentifier,
    needed: &'static str,
) -> Result<T, KeyError> {
    if algorithm.oid != oid {
        return Err(KeyError::Encryption { needed });
    }
    let bytes = algorithm.parameters.to_der().map_err(encoding)?;
    T::from_der(&bytes).map_err(encoding)
}
