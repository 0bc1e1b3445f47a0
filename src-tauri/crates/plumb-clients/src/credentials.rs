//! Bearer tokens: found where the fleet file says, kept briefly, never written or logged.

mod command;
mod keyring;
mod signing_keys;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use plumb_fleet::CredentialRef;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::{
    escape::escape,
    limits::{EXCERPT_CHARS_MAX, FAILURE_TTL, KEYRING_TTL, TOKEN_BYTES_MAX},
    once::{Made, Once},
};
pub use keyring::{Keyring, KeyringStatus};
pub use signing_keys::{KeySafe, KeySafeError};

/// Why a token could not be had, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error(
        "the keyring holds no token named {name}; store one with `plumb credential set {name}`, or use an environment variable instead: credential = {{ env = \"NAME\" }}"
    )]
    NoEntry { name: String },
    #[error(
        "the keyring is locked or there is none ({detail}); unlock it, or use an environment variable instead: credential = {{ env = \"NAME\" }}"
    )]
    NoAccess { detail: String },
    #[error(
        "no keyring service runs on this machine ({detail}); use an environment variable instead: credential = {{ env = \"NAME\" }}"
    )]
    NoService { detail: String },
    #[error(
        "the keyring did not answer within {seconds} s, it may be waiting for its password; unlock it, or use an environment variable instead: credential = {{ env = \"NAME\" }}"
    )]
    KeyringTimedOut { seconds: u64 },
    #[error("the keyring entry {name} cannot be used: {detail}")]
    Entry { name: String, detail: String },
    #[error("the environment variable {name} is not set; set it to the token before starting")]
    NoVariable { name: String },
    #[error("the token command {program} does not start: {detail}")]
    CommandStart { program: String, detail: String },
    #[error("the token command {program} ended with {status}{said}")]
    CommandEnded { program: String, status: String, said: String },
    #[error("the token command {program} did not end within {seconds} s")]
    CommandTimedOut { program: String, seconds: u64 },
    #[error("the token from {source_name} is {problem}")]
    BadToken { source_name: String, problem: &'static str },
}

/// A token and, where its source told, the moment it stops working.
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) good_until: Option<Instant>,
}

type Held = Result<SecretString, CredentialError>;

/// Resolves credential references. Cheap to clone; clones share what is held.
#[derive(Clone)]
pub struct TokenSource {
    inner: Arc<Inner>,
}

struct Inner {
    keyring: Keyring,
    held: Once<CredentialRef, Held>,
}

impl TokenSource {
    /// Tokens of this machine: its keyring, its environment, its commands.
    pub fn system() -> Self {
        Self::with_keyring(Keyring::system())
    }

    /// Tokens with another keyring, for example `keyring_core::mock`.
    pub fn with_keyring(keyring: Keyring) -> Self {
        Self { inner: Arc::new(Inner { keyring, held: Once::new() }) }
    }

    /// The token a reference stands for. Callers that ask at once share one look-up.
    pub async fn token(&self, credential: &CredentialRef, now: Timestamp) -> Held {
        match credential {
            // Read each time: it costs nothing and tests change it.
            CredentialRef::Env(name) => from_env(name),
            CredentialRef::Keyring(name) => {
                let (keyring, name) = (self.inner.keyring.clone(), name.clone());
                self.inner
                    .held
                    .get(credential.clone(), || async move {
                        let value = keyring.get(&name).await;
                        let ttl = if value.is_ok() { KEYRING_TTL } else { FAILURE_TTL };
                        Made { value, good_until: Some(Instant::now() + ttl) }
                    })
                    .await
            }
            CredentialRef::Command(words) => {
                let words = words.clone();
                self.inner
                    .held
                    .get(credential.clone(), || async move {
                        let (value, good_until) = match command::run(&words, now).await {
                            Ok(token) => (Ok(token.secret), token.good_until),
                            Err(error) => (Err(error), Some(Instant::now() + FAILURE_TTL)),
                        };
                        Made { value, good_until }
                    })
                    .await
            }
        }
    }

    /// Drops a held token, for example because a node refused it; the next use asks its source.
    pub fn forget(&self, credential: &CredentialRef) {
        self.inner.held.forget(credential);
    }

    /// Stores a token in the keyring.
    pub async fn set(&self, name: &str, token: SecretString) -> Result<(), CredentialError> {
        self.inner.keyring.set(name, checked(token, name)?).await?;
        self.forget(&CredentialRef::Keyring(name.to_owned()));
        Ok(())
    }

    /// Removes a token from the keyring.
    pub async fn delete(&self, name: &str) -> Result<(), CredentialError> {
        self.inner.keyring.delete(name).await?;
        self.forget(&CredentialRef::Keyring(name.to_owned()));
        Ok(())
    }

    /// Whether the keyring holds a token of that name.
    pub async fn status(&self, name: &str) -> KeyringStatus {
        match self.inner.keyring.get(name).await {
            Ok(_) => KeyringStatus::Stored,
            Err(CredentialError::NoEntry { .. }) => KeyringStatus::Missing,
            Err(error) => KeyringStatus::Unavailable { message: error.to_string() },
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

fn from_env(name: &str) -> Held {
    let shown = || escape(name, EXCERPT_CHARS_MAX);
    // `var` would panic on names with `=` or NUL.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(CredentialError::NoVariable { name: shown() });
    }
    let value = std::env::var(name).map_err(|_| CredentialError::NoVariable { name: shown() })?;
    checked(SecretString::from(value.trim().to_owned()), name)
}

/// A token that can stand in a header.
pub(crate) fn checked(token: SecretString, source: &str) -> Held {
    use secrecy::ExposeSecret as _;
    let text = token.expose_secret();
    let problem = if text.is_empty() {
        "empty"
    } else if text.len() > TOKEN_BYTES_MAX {
        "longer than 16 KiB"
    } else if !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        "no single word of printable ASCII"
    } else {
        return Ok(token);
    };
    Err(CredentialError::BadToken { source_name: escape(source, EXCERPT_CHARS_MAX), problem })
}
