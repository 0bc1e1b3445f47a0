//! Whether tokens are there, also for names no fleet refers to yet.

use plumb_clients::KeyringStatus;

use crate::{
    app::App,
    error::AppError,
    views::settings::{CredentialView, SettingsView},
};

impl App {
    /// Credential references of all fleets, or the one of that name; never a secret.
    pub async fn credentials(&self, name: Option<&str>) -> Result<SettingsView, AppError> {
        let mut settings = self.settings().await?;
        let Some(name) = name else { return Ok(settings) };
        settings.credentials.retain(|credential| credential.name == name);
        if settings.credentials.is_empty() {
            settings.keyring_problem = None;
            let status = match self.0.options.tokens.status(name).await {
                KeyringStatus::Stored => "present".to_owned(),
                KeyringStatus::Missing => "missing".to_owned(),
                KeyringStatus::Unavailable { message } => {
                    settings.keyring_problem = Some(message);
                    "the keyring cannot be asked".to_owned()
                }
            };
            settings.credentials.push(CredentialView {
                reference: format!("keyring {name}"),
                kind: "keyring".to_owned(),
                name: name.to_owned(),
                fleets: Vec::new(),
                nodes: 0,
                status,
            });
        }
        Ok(settings)
    }
}
