//! `credential`: tokens in the system's keyring, never shown and never an argument.

use std::io::{self, IsTerminal as _};

use clap::Subcommand;
use plumb_app::views::settings::CredentialView;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    commands::fleet::read_bounded,
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table},
    },
};

/// Longest token, with the line break after it.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(crate) enum Credential {
    /// Store a token: asked for without echo, or read from standard input
    Set {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a token
    Delete {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Whether tokens are there; never what they are
    Status {
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// References to tokens, and whether each is there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CredentialsDocument {
    pub(crate) credentials: Vec<CredentialView>,
    /// Why the keyring cannot be asked, and the way without it.
    pub(crate) keyring_problem: Option<String>,
}

impl Credential {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let name = match self {
                    Self::Set { name } => {
                        app.set_secret(name, secret(name)?).await?;
                        session.out.say(format!("stored {name} in the keyring"));
                        Some(name)
                    }
                    Self::Delete { name } => {
                        app.delete_secret(name).await?;
                        session.out.say(format!("removed {name} from the keyring"));
                        Some(name)
                    }
                    Self::Status { name } => name.as_ref(),
                };
                let settings = app.credentials(name.map(String::as_str)).await?;
                let document = CredentialsDocument {
                    credentials: settings.credentials,
                    keyring_problem: settings.keyring_problem,
                };
                session.out.show(&document, |out| {
                    let mut table = Table::new(&["reference", "status", "nodes", "fleets"]);
                    for credential in &document.credentials {
                        table.row([
                            Cell::from(&credential.reference),
                            Cell::from(&credential.status),
                            Cell::from(credential.nodes.to_string()),
                            Cell::from(credential.fleets.join(", ")),
                        ]);
                    }
                    table.print(out);
                    if let Some(problem) = &document.keyring_problem {
                        out.say(out.style.bad(&printable(problem)));
                    }
                });
                let missing = document.credentials.iter().any(|c| c.status == "missing");
                Ok(match self {
                    Self::Status { .. } if document.keyring_problem.is_some() => Exit::Internal,
                    Self::Status { .. } => Exit::fine_if(!missing),
                    Self::Set { .. } | Self::Delete { .. } => Exit::Fine,
                })
            })
            .await
    }
}

fn secret(name: &str) -> Result<SecretString, Failure> {
    if !io::stdin().is_terminal() {
        let text = read_bounded(io::stdin().lock(), "standard input", TOKEN_BYTES_MAX)?;
        return Ok(SecretString::from(text.trim().to_owned()));
    }
    rpassword::prompt_password(format!("Token for {name} (not shown): "))
        .map(|text| SecretString::from(text.trim().to_owned()))
        .map_err(|error| {
            Failure::internal(
                format!("the token could not be read: {error}"),
                "give it on standard input",
            )
        })
}
