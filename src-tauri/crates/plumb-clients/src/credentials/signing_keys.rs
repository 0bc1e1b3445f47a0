//! Private keys in the system's keyring, apart from tokens, and never held here.

use secrecy::SecretString;

use crate::credentials::{CredentialError, Keyring};

/// Where signing keys are kept: one word of text each, by name.
#[derive(Debug, Clone)]
pub struct KeySafe {
    keyring: Keyring,
}

/// Why the keyring could not be asked for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySafeError {
    #[error("the keyring is locked or there is none ({detail})")]
    NoAccess { detail: String },
    #[error("no keyring service runs on this machine ({detail})")]
    NoService { detail: String },
    #[error("the keyring did not answer within {seconds} s, it may be waiting for its password")]
    TimedOut { seconds: u64 },
    #[error("the key {name} in the keyring cannot be used: {detail}")]
    Entry { name: String, detail: String },
}

impl KeySafe {
    /// The keyring of this system.
    pub fn system() -> Self {
        Self::with_keyring(&Keyring::system())
    }

    /// Another keyring, for example `keyring_core::mock`.
    pub fn with_keyring(keyring: &Keyring) -> Self {
        Self { keyring: keyring.of_keys() }
    }

    /// The key of this name, or nothing when none was stored.
    pub async fn load(&self, name: &str) -> Result<Option<SecretString>, KeySafeError> {
        match self.keyring.get(name).await {
            Ok(key) => Ok(Some(key)),
            Err(CredentialError::NoEntry { .. }) => Ok(None),
            Err(error) => Err(of(error, name)),
        }
    }

    /// Stores a key under a name, in place of one that was there.
    pub async fn store(&self, name: &str, key: SecretString) -> Result<(), KeySafeError> {
        self.keyring.set(name, key).await.map_err(|error| of(error, name))
    }
}

/// The same without what is said about tokens.
fn of(error: CredentialError, name: &str) -> KeySafeError {
    match error {
        CredentialError::NoAccess { detail } => KeySafeError::NoAccess { detail },
        CredentialError::NoService { detail } => KeySafeError::NoService { detail },
        CredentialError::KeyringTimedOut { seconds } => KeySafeError::TimedOut { seconds },
        CredentialError::Entry { detail, .. } => {
            KeySafeError::Entry { name: name.to_owned(), detail }
        }
        other => KeySafeError::Entry { name: name.to_owned(), detail: other.to_string() },
    }
}
