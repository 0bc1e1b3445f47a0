//! How a command reaches a hub.

use std::path::PathBuf;

use clap::Args;
use plumb_app::hub::{HubAccess, HubClient, HubError};

use crate::{
    commands::token::{Purpose, token},
    exit::{Exit, Failure},
    session::Session,
};

const TOKEN: Purpose = Purpose {
    name: "the token for the hub",
    without: "ask your administrator for one: plumb hub token create",
};

#[derive(Debug, Args)]
pub(crate) struct HubArgs {
    /// Address of the hub
    #[arg(long = "hub", value_name = "URL", env = "PLUMB_HUB")]
    url: Option<String>,
    /// File with our token; or in PLUMB_HUB_TOKEN
    #[arg(long = "hub-token-file", value_name = "FILE", env = "PLUMB_HUB_TOKEN_FILE")]
    token_file: Option<String>,
    /// PEM certificates the hub's has to descend from; the system's without it
    #[arg(long = "hub-ca", value_name = "FILE", env = "PLUMB_HUB_CA")]
    ca: Option<String>,
    /// PEM certificate shown to the hub
    #[arg(long = "hub-cert", value_name = "FILE", env = "PLUMB_HUB_CERT", requires = "key")]
    certificate: Option<String>,
    /// Its private key
    #[arg(long = "hub-key", value_name = "FILE", env = "PLUMB_HUB_KEY", requires = "certificate")]
    key: Option<String>,
}

impl HubArgs {
    /// Whether a hub is named.
    pub(crate) fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// Refuses what belongs to a hub where none is named: it was meant for one.
    pub(crate) fn is_left_out(&self) -> Result<(), Failure> {
        if self.token_file.is_some() || self.ca.is_some() || self.certificate.is_some() {
            let message = "a token or certificates for a hub are given, but no hub is named";
            return Err(Failure::usage(message, "give --hub URL, or set PLUMB_HUB"));
        }
        Ok(())
    }

    /// The hub that is named, or else the one of the fleet file, and what that calls the fleet; for what no console keeps
    /// itself.
    pub(crate) async fn client_or_of_fleet(
        &self,
        session: Session<'_>,
    ) -> Result<(HubClient, Option<String>), Failure> {
        if self.is_named() {
            return Ok((self.client()?, session.global.fleet.clone()));
        }
        self.is_left_out()?;
        let mut found = None;
        session
            .with_app(async |app| {
                if let Some(fleet) = session.fleet_of_inbox(app).await? {
                    found = app.named_hub(&fleet).await?;
                }
                Ok(Exit::Fine)
            })
            .await?;
        let (client, name) = found.ok_or_else(|| {
            Failure::usage(
                "no hub is named, neither here nor in the fleet file",
                "give --hub URL, set PLUMB_HUB, or add [hub] with its url to the fleet file: plumb help hub",
            )
        })?;
        Ok((client, session.global.fleet.is_some().then_some(name)))
    }

    pub(crate) fn client(&self) -> Result<HubClient, Failure> {
        let url = self
            .url
            .clone()
            .ok_or_else(|| Failure::usage("no hub is named", "give --hub URL, or set PLUMB_HUB"))?;
        let mut access = HubAccess { url, folder: PathBuf::from("."), ..HubAccess::default() };
        access.token = token(self.token_file.as_deref(), "PLUMB_HUB_TOKEN", TOKEN)?;
        access.tls.ca.clone_from(&self.ca);
        access.tls.certificate.clone_from(&self.certificate);
        access.tls.key.clone_from(&self.key);
        HubClient::new(&access).map_err(failed)
    }
}

/// A hub that did not do it, as a command tells it.
pub(crate) fn failed(error: HubError) -> Failure {
    error.into()
}

/// Where the help says what to do.
pub(crate) fn guided(guide: &str) -> String {
    format!("see {:?} in: plumb help troubleshooting", crate::text::escape::printable(guide))
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let (exit, hint) = match &error {
            HubError::Url { .. }
            | HubError::PlainText { .. }
            | HubError::Client(_)
            | HubError::Token(_) => (Exit::Usage, "see: plumb help hub"),
            HubError::Unreachable { .. } => {
                (Exit::Unreachable, "look whether it runs: GET /healthz")
            }
            HubError::Refused { status: 401, .. } => {
                (Exit::Usage, "give a token with --hub-token-file or PLUMB_HUB_TOKEN")
            }
            HubError::Refused { status: 403, .. } => {
                (Exit::Usage, "ask for a role that may: plumb hub token create")
            }
            HubError::Refused { status: 500.., .. } => (Exit::Unreachable, "try again"),
            HubError::Refused { .. } => (Exit::Usage, ""),
            HubError::Malformed { .. } => (Exit::Internal, "is this address that of a hub?"),
        };
        let hint = error.guide().map_or_else(|| hint.to_owned(), guided);
        Self::new(exit, error.to_string(), hint)
    }
}
