//! Keys of people in the window: made, taken from files, and whose they are.

use camino::Utf8PathBuf;
use secrecy::SecretString;

use crate::{
    actions::{consent::named, rosters::fleet_id},
    app::App,
    console_key::Passphrase,
    error::AppError,
    personal_keys::Algorithm,
    views::{
        approvals::PersonalKeyView,
        consent::{KeyAlgorithm, KeyFileRequest, NewKeyRequest, OwnKeysView},
    },
};

impl App {
    /// Keys of this machine, and as whom it asks for changes of a fleet where a roster rules that.
    pub async fn signing_keys(&self, fleet: Option<&str>) -> Result<OwnKeysView, AppError> {
        let keys = self.personal_keys()?;
        let roster = match fleet {
            Some(fleet) => self.roster_of(&fleet_id(fleet)?).await?,
            None => None,
        };
        let (asks_as, unknown) = match roster.map(|roster| self.requester(&roster)) {
            None => (None, None),
            Some(Ok(person)) => (Some(person.to_string()), None),
            Some(Err(error)) => (None, Some(error.message)),
        };
        Ok(OwnKeysView { keys, asks_as, unknown })
    }

    /// Makes a key: in the keyring, or in a file under a passphrase.
    pub async fn make_own_key(&self, asked: NewKeyRequest) -> Result<PersonalKeyView, AppError> {
        let algorithm = match asked.algorithm {
            KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
            KeyAlgorithm::EcdsaP256 => Algorithm::EcdsaP256,
        };
        let file = asked.file.map(of_file).transpose()?;
        self.make_personal_key(asked.name.trim(), algorithm, file).await
    }

    /// Takes a key that is in a file already; its private half stays there.
    pub async fn take_own_key(
        &self,
        name: &str,
        file: KeyFileRequest,
    ) -> Result<PersonalKeyView, AppError> {
        let (path, passphrase) = of_file(file)?;
        let passphrase = Passphrase::new(move || Ok(passphrase.clone()));
        self.take_personal_key(name.trim(), path, passphrase).await
    }
}

fn of_file(file: KeyFileRequest) -> Result<(Utf8PathBuf, SecretString), AppError> {
    Ok((named(&file.path)?, file.passphrase))
}
