//! Tokens: what stands in place of a secret.

use std::{fmt, sync::LazyLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::Regex;
use sha2::{Digest as _, Sha256};

/// What a token begins with. Letters, digits and hyphens, so that it fits into JSON, URLs and names.
const PREFIX: &str = "redacted-";
/// Bytes that stand for the secret: two secrets of one bundle in a billion pairs would not meet.
const ID_BYTES: usize = 8;
/// Bytes that show that this key made the token, so that a text cannot hide a secret by calling it one.
const CHECK_BYTES: usize = 4;
/// A token by its look.
static LOOK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("redacted-[0-9a-f]{24}").expect("the pattern is constant"));

/// The key of tokens. With another key the same secret has another token, and without it nobody can try
/// out which secret a token stands for.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// From 32 bytes of a cryptographic source.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A name for the key that tells nothing of it: tokens of equal names may be compared.
    pub fn id(&self) -> String {
        hex::encode(&self.mac(b"key", b"")[..ID_BYTES])
    }

    /// Random bytes for the canary of a rule in a source.
    pub(crate) fn canary(&self, source: &str, rule: &str) -> [u8; 32] {
        self.mac(b"canary", format!("{rule}\0{source}").as_bytes())
    }

    /// The token of a secret.
    pub(crate) fn token(&self, secret: &str) -> String {
        let id = &self.mac(b"secret", secret.as_bytes())[..ID_BYTES];
        format!("{PREFIX}{}{}", hex::encode(id), hex::encode(self.check(id)))
    }

    /// Places of tokens that this key made, as byte ranges in order.
    pub(crate) fn places(&self, text: &str) -> Vec<(usize, usize)> {
        if !text.contains(PREFIX) {
            return Vec::new();
        }
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(found) = LOOK.find_at(text, from) {
            if self.made(found.as_str()) {
                places.push((found.start(), found.end()));
                from = found.end();
            } else {
                // A real one may begin inside what only looks like one.
                from = found.start() + 1;
            }
        }
        places
    }

    fn made(&self, token: &str) -> bool {
        let bytes = token.strip_prefix(PREFIX).and_then(|hex| hex::decode(hex).ok());
        bytes.is_some_and(|bytes| self.check(&bytes[..ID_BYTES]) == bytes[ID_BYTES..])
    }

    fn check(&self, id: &[u8]) -> [u8; CHECK_BYTES] {
        let mac = self.mac(b"token", id);
        std::array::from_fn(|at| mac[at])
    }

    fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(purpose);
        mac.update(&[0]);
        // By its digest, so that purpose and message cannot run into each other.
        mac.update(&Sha256::digest(message));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}
