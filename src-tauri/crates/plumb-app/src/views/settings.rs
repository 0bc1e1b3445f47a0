//! Settings: fleets and credentials. Secrets never stand here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct SettingsView {
    pub fleets: Vec<super::shell::FleetSummary>,
    pub credentials: Vec<CredentialView>,
    /// Why the keyring cannot be used, and the way without it.
    pub keyring_problem: Option<String>,
    /// Folders of the two database files.
    pub cache_file: String,
    pub record_file: String,
    /// How long sweeps, changes and reloads stay in the cache.
    pub kept_days: u32,
    /// Fleets of which the desktop is told nothing.
    pub quiet: Vec<String>,
    /// Why the desktop takes no notifications; nothing until one was to be shown.
    pub notification_problem: Option<String>,
    /// Whether the desktop tells of a click on one; nothing until one was shown.
    pub notification_clicks: Option<bool>,
    /// What the file of the open fleet says beside its nodes; nothing where none is open.
    pub open: Option<FleetRules>,
}

/// How a fleet is looked at and whom it trusts, as its file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct FleetRules {
    pub fleet: String,
    pub sweep_interval_s: u32,
    pub deadline_s: u32,
    pub thresholds: super::fleet::ThresholdsView,
    /// Names of the keys whose signatures count.
    pub trusted_keys: Vec<String>,
}

/// One credential reference of the open fleets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CredentialView {
    /// For example `keyring payments-eu` or `env PLUMB_TOKEN`.
    pub reference: String,
    pub kind: String,
    pub name: String,
    pub fleets: Vec<String>,
    pub nodes: u32,
    /// `present`, `missing`, or why it cannot be told.
    pub status: String,
}

/// A fleet about to be saved from an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ImportPreview {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    pub unchanged: u32,
    pub problems: Vec<String>,
    /// The file as it would be written.
    pub toml: String,
}

/// A file that was chosen, with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ChosenText {
    /// Name of the file without its folder.
    pub name: String,
    pub text: String,
}

/// Where nodes are imported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum ImportFormat {
    FleetToml,
    PrometheusFileSd,
    Csv,
}
