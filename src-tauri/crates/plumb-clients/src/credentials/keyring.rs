//! The operating system's keyring, always off the async threads and under a time limit.

use std::{fmt, sync::Arc};

use keyring_core::{CredentialStore, Entry, Error as StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::{
    credentials::{CredentialError, checked},
    escape::escape,
    limits::{EXCERPT_CHARS_MAX, KEYRING_TIME_MAX},
};

/// Under which all our tokens stand.
const SERVICE: &str = "plumbline";
/// Under which signing keys stand: a fleet file names tokens, and what it can name is sent to nodes.
const KEY_SERVICE: &str = "plumbline signing keys";

/// What the keyring says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringStatus {
    Stored,
    Missing,
    /// The keyring cannot be asked; the message says what to do.
    Unavailable {
        message: String,
    },
}

/// Opens the store; done again for each use because a keyring may start after us.
type Open = dyn Fn() -> Result<Arc<CredentialStore>, StoreError> + Send + Sync;

/// A keyring: the system's, or one that is given.
#[derive(Clone)]
pub struct Keyring {
    open: Arc<Open>,
    service: &'static str,
}

impl Keyring {
    /// The keyring of this system.
    pub fn system() -> Self {
        Self { open: Arc::new(system_store), service: SERVICE }
    }

    /// A given store, for tests.
    pub fn of_store(store: Arc<CredentialStore>) -> Self {
        Self { open: Arc::new(move || Ok(store.clone())), service: SERVICE }
    }

    /// The same keyring where it keeps signing keys.
    pub(crate) fn of_keys(&self) -> Self {
        Self { service: KEY_SERVICE, ..self.clone() }
    }

    pub(crate) async fn get(&self, name: &str) -> Result<SecretString, CredentialError> {
        let password = self.with_entry(name, |entry| entry.get_password().map(SecretString::from));
        checked(password.await?, name)
    }

    pub(crate) async fn set(&self, name: &str, token: SecretString) -> Result<(), CredentialError> {
        self.with_entry(name, move |entry| entry.set_password(token.expose_secret())).await
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), CredentialError> {
        self.with_entry(name, Entry::delete_credential).await
    }

    async fn with_entry<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Entry) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CredentialError> {
        let (open, service, entry) = (self.open.clone(), self.service, name.to_owned());
        // A locked keyring blocks on its password dialog; the thread stays with it, we do not.
        let asked = tokio::task::spawn_blocking(move || {
            let store = open()?;
            work(&Entry::new_in_store(&store, service, &entry)?)
        });
        let timed_out = CredentialError::KeyringTimedOut { seconds: KEYRING_TIME_MAX.as_secs() };
        match timeout(KEYRING_TIME_MAX, asked).await {
            Err(_) => Err(timed_out),
            Ok(Err(error)) => Err(CredentialError::NoService { detail: error.to_string() }),
            Ok(Ok(result)) => result.map_err(|error| from_store(&error, name)),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// The store of this system; one more `cfg` per system that gets one.
#[cfg(target_os = "linux")]
fn system_store() -> Result<Arc<CredentialStore>, StoreError> {
    let store: Arc<CredentialStore> = zbus_secret_service_keyring_store::Store::new()?;
    Ok(store)
}

#[cfg(not(target_os = "linux"))]
fn system_store() -> Result<Arc<CredentialStore>, StoreError> {
    Err(StoreError::NotSupportedByStore("this build has no keyring for this system".to_owned()))
}

fn from_store(error: &StoreError, name: &str) -> CredentialError {
    let name = escape(name, EXCERPT_CHARS_MAX);
    let detail = |text: &dyn fmt::Display| escape(&text.to_string(), EXCERPT_CHARS_MAX);
    match error {
        StoreError::NoEntry => CredentialError::NoEntry { name },
        StoreError::NoStorageAccess(cause) => CredentialError::NoAccess { detail: detail(cause) },
        StoreError::PlatformFailure(cause) => CredentialError::NoService { detail: detail(cause) },
        StoreError::NotSupportedByStore(cause) => {
            CredentialError::NoService { detail: detail(cause) }
        }
        // These two carry the secret itself and must not be printed.
        StoreError::BadEncoding(_) | StoreError::BadDataFormat(..) => {
            CredentialError::Entry { name, detail: "it is not text".to_owned() }
        }
        other => CredentialError::Entry { name, detail: detail(other) },
    }
}
