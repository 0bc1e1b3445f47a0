//! Text under a passphrase: PBKDF2 with HMAC-SHA-256 and AES-256-GCM, in a JSON document that says so.

pub mod stream;

use std::num::NonZeroU32;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{dsse::PASSPHRASE_CHARS_MIN, random::Fill};

/// The format that is written and read; it is bound to what it holds.
const FORMAT: &str = "plumbline-locked/1";
/// OWASP's advice for PBKDF2 with HMAC-SHA-256 (2023).
const ITERATIONS: u32 = 600_000;
const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Why something was not locked or unlocked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("the passphrase is shorter than {min} characters")]
    Passphrase { min: usize },
    #[error("it is no locked file: {problem}")]
    Format { problem: String },
    #[error("the passphrase is wrong, or the file was altered")]
    WrongPassphrase,
    #[error("the cryptographic library refuses it")]
    Library,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    nonce: String,
    salt: String,
    sealed: String,
}

/// Locks bytes; `fill` needs a cryptographic source.
pub fn lock(plain: &[u8], passphrase: &str, fill: Fill<'_>) -> Result<String, LockError> {
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(LockError::Passphrase { min: PASSPHRASE_CHARS_MIN });
    }
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_LEN]);
    fill(&mut salt);
    fill(&mut nonce);
    let mut sealed = Zeroizing::new(plain.to_vec());
    key(passphrase, &salt)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(FORMAT.as_bytes()),
            &mut *sealed,
        )
        .map_err(|_| LockError::Library)?;
    let document = Document {
        format: FORMAT.to_owned(),
        nonce: STANDARD.encode(nonce),
        salt: STANDARD.encode(salt),
        sealed: STANDARD.encode(&*sealed),
    };
    Ok(serde_json::to_string(&document).expect("words always serialise") + "\n")
}

/// Unlocks what [`lock`] wrote.
pub fn unlock(text: &str, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, LockError> {
    let wrong = |problem: &str| LockError::Format { problem: problem.to_owned() };
    let read: Document = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    if read.format != FORMAT {
        return Err(wrong("another program or version wrote it"));
    }
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| wrong("it is not base64"));
    let nonce = <[u8; NONCE_LEN]>::try_from(bytes(&read.nonce)?)
        .map_err(|_| wrong("its nonce has another length"))?;
    let mut sealed = Zeroizing::new(bytes(&read.sealed)?);
    let length = key(passphrase, &bytes(&read.salt)?)?
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(FORMAT.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| LockError::WrongPassphrase)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

fn key(passphrase: &str, salt: &[u8]) -> Result<LessSafeKey, LockError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let iterations = NonZeroU32::new(ITERATIONS).expect("a constant above zero");
    pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, salt, passphrase.as_bytes(), &mut *key);
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| LockError::Library)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(bytes: &mut [u8]) {
        bytes.fill(7);
    }

    #[test]
    fn what_is_locked_opens_with_its_passphrase_only() {
        let word = "a passphrase of tests";
        let locked = lock(b"a map", word, &mut fill).expect("locks");
        assert!(!locked.contains("a map"));
        assert_eq!(&**unlock(&locked, word).expect("opens"), b"a map");
        assert_eq!(unlock(&locked, "another passphrase"), Err(LockError::WrongPassphrase));
        let mut document: Document = serde_json::from_str(&locked).expect("JSON");
        let mut sealed = STANDARD.decode(&document.sealed).expect("base64");
        sealed[0] ^= 1;
        document.sealed = STANDARD.encode(sealed);
        let altered = serde_json::to_string(&document).expect("JSON");
        assert_eq!(unlock(&altered, word), Err(LockError::WrongPassphrase));
        assert!(matches!(unlock("{}", word), Err(LockError::Format { .. })));
        let short = lock(b"a map", "short", &mut fill);
        assert_eq!(short, Err(LockError::Passphrase { min: PASSPHRASE_CHARS_MIN }));
    }
}
