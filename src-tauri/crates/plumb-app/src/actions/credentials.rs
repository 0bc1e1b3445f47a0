//! Tokens in the system's keyring: stored and deleted, never shown.

use plumb_clients::CredentialError;
use secrecy::SecretString;

use crate::{
    app::App,
    error::{AppError, Code},
};

impl App {
    /// Stores a token in the system's keyring under a name that fleet files may refer to.
    pub async fn set_secret(&self, name: &str, secret: SecretString) -> Result<(), AppError> {
        checked(name)?;
        self.0.options.tokens.set(name, secret).await.map_err(|error| keyring(&error))?;
        self.announce([crate::topics::Topic::Shell]);
        Ok(())
    }

    /// Removes a token from the system's keyring.
    pub async fn delete_secret(&self, name: &str) -> Result<(), AppError> {
        checked(name)?;
        self.0.options.tokens.delete(name).await.map_err(|error| keyring(&error))?;
        self.announce([crate::topics::Topic::Shell]);
        Ok(())
    }
}

fn checked(name: &str) -> Result<(), AppError> {
    plumb_fleet::FleetId::new(name).map(drop).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("the credential's name {error}"),
            "use the name in the fleet file",
        )
    })
}

fn keyring(error: &CredentialError) -> AppError {
    let hint = match error {
        CredentialError::NoEntry { .. } => "nothing has to be deleted",
        _ => "or give the token in an environment variable: credential = { env = \"NAME\" }",
    };
    AppError::new(Code::Keyring, error.to_string(), hint)
}
