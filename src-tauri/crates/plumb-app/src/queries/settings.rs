//! Settings: fleets and the state of their credentials.

use std::collections::{BTreeMap, BTreeSet};

use plumb_clients::KeyringStatus;
use plumb_fleet::CredentialRef;

use crate::{
    app::App,
    error::AppError,
    queries::shell::summary,
    tasks::watch::KEPT,
    views::{
        fleet::ThresholdsView,
        settings::{CredentialView, FleetRules, SettingsView},
    },
};

impl App {
    /// Fleets, credential references and what is known of each; never a secret.
    pub async fn settings(&self) -> Result<SettingsView, AppError> {
        let states = self.fleet_states();
        let mut uses: BTreeMap<CredentialRef, (BTreeSet<String>, u32)> = BTreeMap::new();
        for state in &states {
            let Ok(loaded) = &state.loaded else { continue };
            for node in loaded.fleet.nodes.values() {
                if let Some(credential) = &node.credential {
                    let (fleets, nodes) = uses.entry(credential.clone()).or_default();
                    fleets.insert(state.name.to_string());
                    *nodes += 1;
                }
            }
        }
        let mut keyring_problem = None;
        let mut credentials = Vec::new();
        for (credential, (fleets, nodes)) in uses {
            let (kind, name, status) =
                self.credential_status(&credential, &mut keyring_problem).await;
            credentials.push(CredentialView {
                reference: format!("{kind} {name}"),
                kind: kind.to_owned(),
                name,
                fleets: fleets.into_iter().collect(),
                nodes,
                status,
            });
        }
        let heard = self.0.heard.lock().expect("no panic while it is held").clone();
        Ok(SettingsView {
            fleets: states.iter().map(|state| summary(state)).collect(),
            credentials,
            keyring_problem,
            cache_file: self.cache().path().display().to_string(),
            record_file: self.record().path().display().to_string(),
            kept_days: u32::try_from(KEPT.as_hours() / 24).unwrap_or(u32::MAX),
            quiet: {
                let mut conn = self.record().read().await?;
                let quiet = plumb_store::quiet::list(&mut conn).await?;
                quiet.iter().map(ToString::to_string).collect()
            },
            notification_problem: heard.problem,
            notification_clicks: heard.clicks,
            open: self.open_rules(),
        })
    }

    fn open_rules(&self) -> Option<FleetRules> {
        let open = self.0.open_fleet.read().expect("no panic while the choice is held").clone()?;
        let (_, loaded) = self.loaded(open.as_str()).ok()?;
        let file = &loaded.fleet;
        Some(FleetRules {
            fleet: file.name.to_string(),
            sweep_interval_s: file.sweep_interval_s,
            deadline_s: file.deadline_s,
            thresholds: ThresholdsView {
                digest_age_s: file.thresholds.digest_age_s,
                load_age_s: file.thresholds.load_age_s,
            },
            trusted_keys: file.trusted_keys.iter().map(|key| key.id.clone()).collect(),
        })
    }

    async fn credential_status(
        &self,
        credential: &CredentialRef,
        problem: &mut Option<String>,
    ) -> (&'static str, String, String) {
        let word = |present: bool| if present { "present" } else { "missing" }.to_owned();
        match credential {
            CredentialRef::Env(name) => {
                ("env", name.clone(), word(std::env::var_os(name).is_some()))
            }
            CredentialRef::Command(words) => {
                let program = words.first().cloned().unwrap_or_default();
                ("command", program, "asked when it is needed".to_owned())
            }
            CredentialRef::Keyring(name) => {
                let status = match self.0.options.tokens.status(name).await {
                    KeyringStatus::Stored => word(true),
                    KeyringStatus::Missing => word(false),
                    KeyringStatus::Unavailable { message } => {
                        *problem = Some(message);
                        "the keyring cannot be asked".to_owned()
                    }
                };
                ("keyring", name.clone(), status)
            }
        }
    }
}
