//! `key`: keys of people; the private half stays in the keyring or under a passphrase.

use camino::Utf8PathBuf;
use clap::Subcommand;
use plumb_app::{
    App,
    personal_keys::{Algorithm, KeyChoice},
    views::approvals::PersonalKeyView,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::KeyArgs,
    commands::passphrase,
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table, short},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key, in the keyring or in a file under a passphrase
    New {
        #[arg(value_name = "NAME")]
        name: String,
        /// ECDSA on P-256 instead of Ed25519
        #[arg(long)]
        p256: bool,
        /// Keep the private half in this file, under a passphrase
        #[arg(long, value_name = "FILE")]
        file: Option<Utf8PathBuf>,
    },
    /// Take a key that is in a file already under a name; the private half stays there
    Import {
        #[arg(value_name = "NAME")]
        name: String,
        /// Key file under a passphrase, of this program or `openssl pkcs8`
        #[arg(long, value_name = "FILE")]
        file: Utf8PathBuf,
    },
    /// Keys of this machine
    List,
    /// The public half of a key, for the roster
    Show {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Keys of this machine, never their private halves.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeysDocument {
    pub(crate) keys: Vec<PersonalKeyView>,
}

impl Key {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let keys = match self {
                    Self::New { name, p256, file } => {
                        let algorithm =
                            if *p256 { Algorithm::EcdsaP256 } else { Algorithm::Ed25519 };
                        let file = match file {
                            Some(file) => Some((file.clone(), passphrase::new()?)),
                            None => None,
                        };
                        vec![app.make_personal_key(name, algorithm, file).await?]
                    }
                    Self::Import { name, file } => {
                        let file = std::path::absolute(file.as_std_path())
                            .ok()
                            .and_then(|file| Utf8PathBuf::from_path_buf(file).ok())
                            .unwrap_or_else(|| file.clone());
                        let passphrase = passphrase::of_file(file.as_str());
                        vec![app.take_personal_key(name, file, passphrase).await?]
                    }
                    Self::List => app.personal_keys()?,
                    Self::Show { name } => vec![named(app, name)?],
                };
                let document = KeysDocument { keys };
                session.out.show(&document, |out| {
                    if let (Self::New { .. } | Self::Import { .. } | Self::Show { .. }, [key]) =
                        (self, document.keys.as_slice())
                    {
                        out.say(format!("{} {} {}", key.name, key.algorithm, key.fingerprint));
                        out.say(format!("in a roster: {}", key.public_key));
                        out.raw(&key.pem);
                        return;
                    }
                    let mut table = Table::new(&["name", "algorithm", "fingerprint", "kept in"]);
                    for key in &document.keys {
                        table.row([
                            Cell::from(printable(&key.name)),
                            Cell::from(key.algorithm.clone()),
                            Cell::from(short(Some(&key.fingerprint))),
                            Cell::from(printable(&key.place)),
                        ]);
                    }
                    table.print(out);
                });
                Ok(Exit::Fine)
            })
            .await
    }
}

fn named(app: &App, name: &str) -> Result<PersonalKeyView, Failure> {
    app.personal_keys()?.into_iter().find(|key| key.name == name).ok_or_else(|| {
        Failure::usage(format!("there is no key named {name}"), "list them: plumb key list")
    })
}

impl KeyArgs {
    /// The key these words name; a key in a file asks for its passphrase when it is used.
    pub(crate) fn choice(&self, app: &App) -> Result<KeyChoice, Failure> {
        let of_file = |path: Utf8PathBuf| KeyChoice::File {
            passphrase: passphrase::of_file(path.as_str()),
            path,
        };
        if let Some(path) = &self.file {
            return Ok(of_file(path.clone()));
        }
        let keys = app.personal_keys()?;
        let chosen = match (&self.name, keys.as_slice()) {
            (Some(name), _) => keys.iter().find(|key| key.name == *name),
            (None, [only]) => Some(only),
            _ => None,
        };
        Ok(match chosen.map(|key| key.place.as_str()) {
            Some("keyring") | None => KeyChoice::Kept(self.name.clone()),
            Some(path) => of_file(path.into()),
        })
    }
}
