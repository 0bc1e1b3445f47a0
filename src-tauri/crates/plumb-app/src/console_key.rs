//! The key that this console signs with: heads of journals, and certificates.

use std::{fmt, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_clients::{KeySafe, KeySafeError};
use plumb_fleet::RunId;
use plumb_store::{SqliteConnection, heads::KeyRow};
use plumb_trust::{
    KeyError,
    dsse::{Algorithm, NewKey, PublicKey, SigningKey},
    keys::PEM_BYTES_MAX,
};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use crate::{
    app::App,
    error::{AppError, Code, chain},
    views::journal::ConsoleKeyView,
};

/// Name of the key in the keyring.
const NAME: &str = "console";
/// What to do where there is no keyring.
const WITHOUT_KEYRING: &str = "unlock the keyring, or keep a key in a file under a passphrase: plumb journal key --make FILE, then give --console-key FILE";

/// Where the console's signing key is kept.
#[derive(Debug, Clone)]
pub enum KeyPlace {
    /// Made at its first use.
    Keyring(KeySafe),
    /// PKCS#8 under a passphrase.
    File { path: Utf8PathBuf, passphrase: Passphrase },
}

/// Asks for the passphrase of a key file, each time it is needed.
#[derive(Clone)]
pub struct Passphrase(Arc<dyn Fn() -> Result<SecretString, AppError> + Send + Sync>);

impl Passphrase {
    pub fn new(ask: impl Fn() -> Result<SecretString, AppError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(crate) fn ask(&self) -> Result<SecretString, AppError> {
        (self.0)()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

impl KeyPlace {
    /// As a person is told it.
    fn sentence(&self) -> String {
        match self {
            Self::Keyring(_) => "the system's keyring".to_owned(),
            Self::File { path, .. } => path.to_string(),
        }
    }
}

impl App {
    /// The public half of the key that this console signs with; the key is made where there is none.
    pub async fn console_key(&self) -> Result<ConsoleKeyView, AppError> {
        let key = self.load_key().await?;
        let mut record = self.record().write().await?;
        self.keep_key(&mut record, &key).await?;
        record.commit().await?;
        Ok(view_of(key.public(), self.0.options.console_key.sentence()))
    }

    /// The key for one run, held until that has ended. Without a key the run goes on unsigned, and
    /// why is remembered for whoever looks at it.
    pub(crate) async fn signer(&self, run: RunId) -> Option<Arc<SigningKey>> {
        match self.load_key().await {
            Ok(key) => Some(Arc::new(key)),
            Err(error) => {
                let problem = format!("{}; {}", error.message, error.hint);
                warn!(%run, error = %problem, "no key to sign with");
                *self.0.unsigned.lock().expect("no panic while a reason is held") =
                    Some((run, problem));
                None
            }
        }
    }

    /// The key for a run that another program began, its public half kept as at a start.
    pub(crate) async fn signer_again(
        &self,
        run: RunId,
    ) -> Result<Option<Arc<SigningKey>>, AppError> {
        let key = self.signer(run).await;
        if let Some(key) = &key {
            let mut record = self.record().write().await?;
            self.keep_key(&mut record, key).await?;
            record.commit().await?;
        }
        Ok(key)
    }

    /// Why this process had no key for a run.
    pub(crate) fn unsigned_because(&self, run: RunId) -> Option<String> {
        let newest = self.0.unsigned.lock().expect("no panic while a reason is held");
        newest.as_ref().filter(|(of, _)| *of == run).map(|(_, why)| why.clone())
    }

    /// Keeps the public half, so that what it signs can be verified when the key is gone.
    pub(crate) async fn keep_key(
        &self,
        record: &mut SqliteConnection,
        key: &SigningKey,
    ) -> Result<(), AppError> {
        let public = key.public();
        let row =
            KeyRow { fingerprint: public.id().0, pem: public.to_pem(), first_used_at: self.now() };
        plumb_store::heads::keep_key(record, &row).await?;
        Ok(())
    }

    /// Keys that this console signed with, for verifying what it signed.
    pub(crate) async fn own_keys(&self) -> Result<Vec<PublicKey>, AppError> {
        let mut conn = self.record().read().await?;
        let kept = plumb_store::heads::keys(&mut conn).await?;
        kept.iter().map(|row| public_key(&row.pem)).collect()
    }

    pub(crate) async fn load_key(&self) -> Result<SigningKey, AppError> {
        match &self.0.options.console_key {
            KeyPlace::Keyring(safe) => of_keyring(safe).await,
            KeyPlace::File { path, passphrase } => {
                let (path, passphrase) = (path.clone(), passphrase.clone());
                // Deriving a key from a passphrase takes long on purpose, and somebody may have to type it.
                tokio::task::spawn_blocking(move || of_file(&path, &passphrase))
                    .await
                    .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
            }
        }
    }
}

/// A public key as people hand it over.
pub fn public_key(pem: &str) -> Result<PublicKey, AppError> {
    PublicKey::from_pem(pem).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("the public key cannot be used: {}", chain(&error)),
            "give the PEM that `plumb journal key` prints at the console that signed",
        )
    })
}

/// Several of them.
pub(crate) fn public_keys(pems: &[String]) -> Result<Vec<PublicKey>, AppError> {
    pems.iter().map(|pem| public_key(pem)).collect()
}

/// Makes a key in a file under a passphrase, and gives its public half.
pub fn make_key_file(
    path: &Utf8Path,
    passphrase: &SecretString,
) -> Result<ConsoleKeyView, AppError> {
    let made = NewKey::generate(Algorithm::Ed25519).and_then(|key| {
        let mut fill = |bytes: &mut [u8]| rand::fill(bytes);
        let pem = key.to_encrypted_pem(passphrase.expose_secret(), &mut fill)?;
        Ok((pem, key.public().clone()))
    });
    let (pem, public) = made.map_err(|error| {
        AppError::new(Code::Invalid, chain(&error), "choose a longer passphrase")
    })?;
    write_private(path, &pem).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("{path} could not be made: {error}"),
            "name a file that is not there yet, in a folder that is",
        )
    })?;
    Ok(view_of(&public, path.to_string()))
}

fn view_of(public: &PublicKey, place: String) -> ConsoleKeyView {
    ConsoleKeyView { fingerprint: public.id().to_string(), pem: public.to_pem(), place }
}

/// A new file that only its owner can read, synced. Never over one that is there: it may be the only copy
/// of a key.
pub(crate) fn write_private(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The key in the keyring, made at its first use. What is stored is read back: of two processes that make
/// one at the same time, both go on with the same.
async fn of_keyring(safe: &KeySafe) -> Result<SigningKey, AppError> {
    let unsafe_now = |error: KeySafeError| {
        AppError::new(Code::Keyring, format!("no key to sign with: {error}"), WITHOUT_KEYRING)
    };
    let unusable = |error: KeyError| {
        let message = format!("the console's key in the keyring cannot be used: {}", chain(&error));
        AppError::new(
            Code::Keyring,
            message,
            "remove the entry named console; a new key is made then",
        )
    };
    let mut kept = safe.load(NAME).await.map_err(unsafe_now)?;
    if kept.is_none() {
        let fresh = NewKey::generate(Algorithm::Ed25519).map_err(unusable)?;
        let word = SecretString::from(fresh.to_keyring().to_string());
        safe.store(NAME, word).await.map_err(unsafe_now)?;
        kept = safe.load(NAME).await.map_err(unsafe_now)?;
    }
    let kept = kept.ok_or_else(|| {
        AppError::new(Code::Keyring, "the keyring does not keep what it is given", WITHOUT_KEYRING)
    })?;
    SigningKey::from_keyring(kept.expose_secret()).map_err(unusable)
}

fn of_file(path: &Utf8Path, passphrase: &Passphrase) -> Result<SigningKey, AppError> {
    sealed_key(path, passphrase).map_err(|error| {
        let message = |error: String| format!("no key to sign with: {path}: {error}");
        match error {
            SealedKeyError::Unreadable(error) => AppError::new(
                Code::Keyring,
                message(error.to_string()),
                format!("make one with: plumb journal key --make {path}"),
            ),
            SealedKeyError::NoPassphrase(error) => error,
            SealedKeyError::Unusable(error) => AppError::new(
                Code::Keyring,
                message(chain(&error)),
                "give the file that `plumb journal key --make` wrote, and its passphrase",
            ),
        }
    })
}

/// Why a key file gives no key.
pub(crate) enum SealedKeyError {
    Unreadable(std::io::Error),
    NoPassphrase(AppError),
    Unusable(KeyError),
}

/// The key in a file under a passphrase, which is asked for once the file is read. Deriving takes long on
/// purpose.
pub(crate) fn sealed_key(
    path: &Utf8Path,
    passphrase: &Passphrase,
) -> Result<SigningKey, SealedKeyError> {
    use std::io::Read as _;
    let mut pem = String::new();
    let file = std::fs::File::open(path).map_err(SealedKeyError::Unreadable)?;
    // One byte more than a key may have, so that a longer file is refused by whoever reads it.
    let read = file.take(PEM_BYTES_MAX as u64 + 1).read_to_string(&mut pem);
    read.map_err(SealedKeyError::Unreadable)?;
    let passphrase = passphrase.ask().map_err(SealedKeyError::NoPassphrase)?;
    SigningKey::from_encrypted_pem(&pem, passphrase.expose_secret())
        .map_err(SealedKeyError::Unusable)
}
