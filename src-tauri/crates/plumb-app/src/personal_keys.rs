//! Keys of people: private halves in the system's keyring or in files under a passphrase, public halves
//! in the program's folder.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
pub use plumb_trust::dsse::{Algorithm, PublicKey};
use plumb_trust::dsse::{NewKey, SigningKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    console_key::{KeyPlace, Passphrase, SealedKeyError, sealed_key, write_private},
    error::{AppError, Code, chain},
    views::approvals::PersonalKeyView,
};

/// Stands before the name of a person's key in the keyring, where the console's key stands too.
const PREFIX: &str = "person ";
/// How the place of a key is told that stands in no file.
pub(crate) const IN_KEYRING: &str = "keyring";
/// Longest description of a key.
const DESCRIPTION_BYTES_MAX: u64 = 64 << 10;

/// Which key to sign with.
#[derive(Debug, Clone)]
pub enum KeyChoice {
    /// The only key of this machine, or the one of this name.
    Kept(Option<String>),
    File {
        path: Utf8PathBuf,
        passphrase: Passphrase,
    },
}

/// What is kept of a key beside the private half.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    key: PublicKey,
    /// Nothing means the keyring.
    file: Option<Utf8PathBuf>,
}

impl App {
    /// Makes a key under a name: in the keyring, or in a file under a passphrase.
    pub async fn make_personal_key(
        &self,
        name: &str,
        algorithm: Algorithm,
        file: Option<(Utf8PathBuf, SecretString)>,
    ) -> Result<PersonalKeyView, AppError> {
        let path = self.free(name)?;
        let key = NewKey::generate(algorithm)
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?;
        let place = if let Some((file, passphrase)) = file {
            seal(&key, &file, &passphrase)?;
            Some(file)
        } else {
            self.keep_in_keyring(name, &key).await?;
            None
        };
        describe(&path, name, Description { key: key.public().clone(), file: place })
    }

    /// Takes a key that somebody has in a file already under a name. The private half stays in that file;
    /// the passphrase shows that it can be used, and is not kept.
    pub async fn take_personal_key(
        &self,
        name: &str,
        file: Utf8PathBuf,
        passphrase: Passphrase,
    ) -> Result<PersonalKeyView, AppError> {
        let path = self.free(name)?;
        let choice = KeyChoice::File { path: file.clone(), passphrase };
        let key = self.personal_key(&choice).await?.public().clone();
        let fingerprint = key.id().to_string();
        if let Some(known) =
            self.personal_keys()?.into_iter().find(|known| known.fingerprint == fingerprint)
        {
            let message = format!("this key is here already, by the name {}", known.name);
            return Err(AppError::new(Code::Invalid, message, "sign with that"));
        }
        describe(&path, name, Description { key, file: Some(file) })
    }

    async fn keep_in_keyring(&self, name: &str, key: &NewKey) -> Result<(), AppError> {
        let (safe, entry) = (self.key_safe(), format!("{PREFIX}{name}"));
        let refused = |error: &dyn std::fmt::Display| {
            AppError::new(
                Code::Keyring,
                format!("the key was not kept: {error}"),
                "unlock the keyring, or keep the key in a file: plumb key new NAME --file FILE",
            )
        };
        // The keyring is one for all data folders, and a key that is written over is lost.
        if safe.load(&entry).await.map_err(|error| refused(&error))?.is_some() {
            let message = format!("the keyring holds a key named {name} already");
            return Err(AppError::new(Code::Invalid, message, "choose another name"));
        }
        let word = SecretString::from(key.to_keyring().to_string());
        safe.store(&entry, word).await.map_err(|error| refused(&error))
    }

    /// Every key of this machine, by name.
    pub fn personal_keys(&self) -> Result<Vec<PersonalKeyView>, AppError> {
        let folder = self.keys_folder();
        let Ok(entries) = folder.read_dir_utf8() else { return Ok(Vec::new()) };
        let mut keys = Vec::new();
        for entry in entries.flatten() {
            if let Some(name) = entry.file_name().strip_suffix(".json") {
                keys.push(view(name, self.described(name)?));
            }
        }
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    /// The private half, for one signature.
    pub(crate) async fn personal_key(&self, choice: &KeyChoice) -> Result<SigningKey, AppError> {
        match choice {
            KeyChoice::File { path, passphrase } => {
                let (path, passphrase) = (path.clone(), passphrase.clone());
                // Deriving a key from a passphrase takes long on purpose, and somebody may have to type it.
                tokio::task::spawn_blocking(move || unseal(&path, &passphrase))
                    .await
                    .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
            }
            KeyChoice::Kept(name) => {
                let name = self.key_named(name.as_deref())?;
                match self.described(&name)?.file {
                    None => self.of_keyring(&name).await,
                    Some(path) => {
                        let message = format!("the key {name} is in {path}");
                        Err(AppError::new(Code::Keyring, message, format!("give --key {path}")))
                    }
                }
            }
        }
    }

    fn key_named(&self, name: Option<&str>) -> Result<String, AppError> {
        let keys = self.personal_keys()?;
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        match (name, names.as_slice()) {
            (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
            (None, [only]) => Ok((*only).to_owned()),
            (Some(name), _) => {
                let message = format!("there is no key named {name}");
                let hint = format!("there are: {}", names.join(", "));
                Err(AppError::new(Code::NotFound, message, hint))
            }
            (None, []) => Err(AppError::new(
                Code::NotFound,
                "this machine has no key of a person",
                "make one: plumb key new NAME; or give one in a file: --key FILE",
            )),
            (None, several) => {
                let message = format!("there are {} keys", several.len());
                let hint = format!("say which with --key-name: {}", several.join(", "));
                Err(AppError::new(Code::Invalid, message, hint))
            }
        }
    }

    async fn of_keyring(&self, name: &str) -> Result<SigningKey, AppError> {
        let refused = |message: String| {
            AppError::new(Code::Keyring, message, "unlock the keyring, or sign with --key FILE")
        };
        let entry = format!("{PREFIX}{name}");
        let kept = self
            .key_safe()
            .load(&entry)
            .await
            .map_err(|error| refused(format!("the key {name} could not be had: {error}")))?;
        let kept = kept.ok_or_else(|| refused(format!("the keyring holds no key {name}")))?;
        SigningKey::from_keyring(kept.expose_secret())
            .map_err(|error| refused(format!("the key {name} cannot be used: {}", chain(&error))))
    }

    /// The same keyring as for the console's own key, where that has one.
    fn key_safe(&self) -> plumb_clients::KeySafe {
        match &self.0.options.console_key {
            KeyPlace::Keyring(safe) => safe.clone(),
            KeyPlace::File { .. } => plumb_clients::KeySafe::system(),
        }
    }

    fn keys_folder(&self) -> Utf8PathBuf {
        self.0.options.data_dir.join("keys")
    }

    fn description(&self, name: &str) -> Utf8PathBuf {
        self.keys_folder().join(format!("{name}.json"))
    }

    /// Where a key of this name is described; a name that is taken is refused.
    fn free(&self, name: &str) -> Result<Utf8PathBuf, AppError> {
        checked(name)?;
        let path = self.description(name);
        if path.exists() {
            let message = format!("there is a key named {name} already");
            return Err(AppError::new(Code::Invalid, message, "choose another name"));
        }
        Ok(path)
    }

    fn described(&self, name: &str) -> Result<Description, AppError> {
        let path = self.description(name);
        let text = read_limited(&path, DESCRIPTION_BYTES_MAX).map_err(|error| {
            let message = format!("{path} could not be read: {error}");
            AppError::new(Code::NotFound, message, "list keys with: plumb key list")
        })?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("{path} does not describe a key: {error}");
            AppError::new(Code::Invalid, message, "make the key again under another name")
        })
    }
}

fn checked(name: &str) -> Result<(), AppError> {
    plumb_fleet::NodeId::new(name).map(drop).map_err(|error| {
        let message = format!("the name of the key {error}");
        AppError::new(Code::Invalid, message, "for example: plumb key new mara")
    })
}

fn describe(
    path: &Utf8Path,
    name: &str,
    description: Description,
) -> Result<PersonalKeyView, AppError> {
    let text = serde_json::to_string_pretty(&description).expect("a description serialises");
    write_private(path, &text).map_err(|error| not_made(path, &error))?;
    Ok(view(name, description))
}

fn not_made(path: &Utf8Path, error: &std::io::Error) -> AppError {
    AppError::new(
        Code::Invalid,
        format!("{path} could not be made: {error}"),
        "name a file that is not there yet, in a folder that is",
    )
}

fn seal(key: &NewKey, path: &Utf8Path, passphrase: &SecretString) -> Result<(), AppError> {
    let mut fill = |bytes: &mut [u8]| rand::fill(bytes);
    let pem = key.to_encrypted_pem(passphrase.expose_secret(), &mut fill).map_err(|error| {
        AppError::new(Code::Invalid, chain(&error), "choose a longer passphrase")
    })?;
    write_private(path, &pem).map_err(|error| not_made(path, &error))
}

fn unseal(path: &Utf8Path, passphrase: &Passphrase) -> Result<SigningKey, AppError> {
    sealed_key(path, passphrase).map_err(|error| match error {
        SealedKeyError::Unreadable(error) => AppError::new(
            Code::NotFound,
            format!("{path} could not be read: {error}"),
            "make a key: plumb key new NAME --file FILE",
        ),
        SealedKeyError::NoPassphrase(error) => error,
        SealedKeyError::Unusable(error) => AppError::new(
            Code::Keyring,
            format!("{path}: {}", chain(&error)),
            "give a file that `plumb key new --file` or `openssl pkcs8 -topk8` wrote, and its passphrase",
        ),
    })
}

fn read_limited(path: &Utf8Path, bytes_max: u64) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(bytes_max).read_to_string(&mut text)?;
    Ok(text)
}

fn view(name: &str, description: Description) -> PersonalKeyView {
    PersonalKeyView {
        name: name.to_owned(),
        fingerprint: description.key.id().to_string(),
        algorithm: description.key.algorithm().to_string(),
        pem: description.key.to_pem(),
        public_key: String::from(description.key),
        place: description.file.map_or_else(|| IN_KEYRING.to_owned(), Utf8PathBuf::into_string),
    }
}
