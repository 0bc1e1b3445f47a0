//! What the agent answers: may grow fields, so readers ignore what they do not know.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Guards;

/// Everything a sweep needs of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub agent_version: String,
    pub started_at: Timestamp,
    pub uptime_s: u64,
    /// The agent's clock when it answered.
    pub clock: Timestamp,
    /// The verified bundle that was loaded last; nothing while there is none.
    pub bundle: Option<BundleStatus>,
    pub pinned: Option<Pin>,
    pub last_known_good: Option<LastKnownGood>,
    /// Content digest of the rules really in force, which in field-compatible mode may be others
    /// than the bundle's.
    pub content: Option<String>,
    pub ordering: Ordering,
    /// Rules really in force, by digest; empty when the query said so.
    pub policies: Vec<PolicyRef>,
    pub mode: Mode,
    pub reloads: Reloads,
    pub last_reload: Option<ReloadRecord>,
    /// What the agent runs instead of the bundle it should run, and why.
    pub fallback: Option<Fallback>,
    pub fallback_active: bool,
    /// The part of `policy` in `/healthz` that a fleet console keeps; absent from agents that do not
    /// tell it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStanding>,
    /// Values of the settings by their dotted keys, as `GET config` tells them; absent from agents
    /// that do not tell them here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, ConfigValue>,
    /// What the agent holds changes to by itself; absent from agents that hold them to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<Guards>,
}

/// The bundle in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleStatus {
    pub id: String,
    pub version: String,
    /// Digest of the file's bytes.
    pub digest: String,
    /// Content digest of the bundle's policies.
    pub content: String,
    pub ordering: Ordering,
    pub path: String,
    pub bytes: u64,
    pub policies_count: u32,
    pub issued_at: Option<Timestamp>,
    pub issuer: Option<String>,
    pub loaded_at: Timestamp,
    /// When its source last offered exactly this digest.
    pub confirmed_at: Timestamp,
    pub signature: SignatureStatus,
}

/// Whether order decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    ByPosition,
    Unordered,
}

/// What the agent found about a bundle's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignatureStatus {
    pub verdict: SignatureVerdict,
    pub scheme: String,
    /// Id of the trusted key.
    pub key: String,
    pub checks: Vec<SignatureCheck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureVerdict {
    Valid,
    Invalid,
    Unsigned,
}

/// One thing that was checked, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignatureCheck {
    pub name: String,
    pub passed: bool,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRef {
    pub id: String,
    pub digest: String,
}

/// The bundle the node was told to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pin {
    pub version: String,
    pub digest: Option<String>,
    pub content: Option<String>,
    pub since: Timestamp,
}

/// The bundle that was in force before the present one, still at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastKnownGood {
    pub version: String,
    pub digest: String,
    pub content: String,
    pub path: String,
}

/// What the agent runs instead of what it should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fallback {
    pub since: Timestamp,
    pub reason: String,
}

/// How what the source offers was verified, and how its reloads and decisions came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStanding {
    /// Each check, as it came out the last time something was verified.
    pub verification: Vec<CheckSeen>,
    /// Key or certificate, log and time that carried the newest answer, where something did.
    #[serde(default)]
    pub carried_by: Option<String>,
    pub source: Origin,
    /// Attempts to reload that failed, up to the newest.
    pub consecutive_failures: u64,
    /// Since the agent was started.
    #[serde(default)]
    pub decisions: Option<DecisionTotals>,
}

/// What a check said the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckSeen {
    pub check: String,
    /// Nothing when it was not made.
    pub passed: Option<bool>,
    /// When it was last made.
    pub at: Option<Timestamp>,
}

/// Where bundles come from. The location carries no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// `file` or `pack`.
    pub kind: String,
    pub location: String,
}

/// Decisions asked for over HTTP, and those answered with a server error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionTotals {
    pub all: u64,
    pub failed: u64,
}

/// How the agent was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mode {
    pub field_compatible: bool,
    pub no_bundle: NoBundle,
    pub insecure_behind_proxy: bool,
    pub authentication: Authentication,
    pub tls: bool,
    pub watch: bool,
}

/// What a request is told while there is no verified bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoBundle {
    /// 503: nothing is allowed that nobody decided.
    Deny,
    /// Everything is allowed, as the field's service does.
    Allow,
}

/// What mutating requests have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    Token,
    Mtls,
    /// Nothing: loopback only.
    None,
}

/// Counters since the agent was first started here; they never go down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reloads {
    pub total: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub average_ms: f64,
}

/// One attempt to load a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadRecord {
    pub timestamp: Timestamp,
    /// Nothing when the attempt came to nothing.
    pub version: Option<String>,
    pub success: bool,
    pub duration_ms: f64,
    pub policies_loaded: u32,
    pub error: Option<String>,
    pub trigger: Trigger,
    pub path: Option<String>,
    pub digest: Option<String>,
    pub content: Option<String>,
}

/// Who asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The agent's own start.
    Start,
    /// `POST /reload` or `POST /bundle/reload`.
    Request,
    Sync,
    Rollback,
    Restart,
    /// A file below the roots changed.
    Watch,
    Poll,
    /// A look at the pack registry that brought no pack; no reload was tried.
    Fetch,
}

/// The policies really in force, with their text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    pub version: Option<String>,
    pub content: Option<String>,
    pub ordering: Ordering,
    pub policies: Vec<PolicyText>,
}

/// One policy with the canonical text its digest is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyText {
    pub id: String,
    pub digest: String,
    pub text: String,
}

/// Every setting that may be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    pub settings: Vec<ConfigSetting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigSetting {
    pub key: String,
    pub value: ConfigValue,
    pub default: ConfigValue,
    pub description: String,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConfigValue {
    Flag(bool),
    Number(u64),
    Text(String),
}

/// Names of the settings an agent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKey {
    PollingMinDelay,
    PollingMaxDelay,
    DeploymentLocking,
}

impl ConfigKey {
    pub const ALL: [Self; 3] =
        [Self::PollingMinDelay, Self::PollingMaxDelay, Self::DeploymentLocking];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PollingMinDelay => "bundle.polling.min_delay_seconds",
            Self::PollingMaxDelay => "bundle.polling.max_delay_seconds",
            Self::DeploymentLocking => "deployment.locking",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// What is pinned now, and what was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pinned {
    pub pinned: Option<Pin>,
    pub previous: Option<Pin>,
}

/// What `sync` and `rollback` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// `false` when exactly this bundle was in force and its source confirmed it.
    pub changed: bool,
    pub version: String,
    pub digest: String,
    pub content: String,
    pub path: String,
    pub policies_loaded: u32,
    pub duration_ms: f64,
    pub loaded_at: Timestamp,
    pub confirmed_at: Timestamp,
    pub pinned: Option<Pin>,
}

/// The agent dropped what it held and started again from disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restarted {
    pub started_at: Timestamp,
    /// The version it came up with, or nothing when it has no verified bundle.
    pub version: Option<String>,
    pub content: Option<String>,
}

/// Lines of the agent's own log, newest last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logs {
    pub lines: Vec<LogLine>,
    /// Older lines the ring no longer holds.
    pub dropped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: LogLevel,
    pub message: String,
}

/// Severities, worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Answers to test requests, in their order, all by the same policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluated {
    pub policy_version: String,
    pub content: Option<String>,
    pub results: Vec<Evaluation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    pub capability_id: String,
    pub decision: Decision,
    /// The policy that decided, or nothing when none matched.
    pub policy: Option<String>,
}

/// A decision as the field's service words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    pub allowed: bool,
    pub require_confirmation: bool,
    pub reason: String,
    pub suggested_alternative: Option<String>,
    pub risk_level: Option<String>,
}

/// Requests that were sampled as they were asked, most often asked first, with what was masked taken out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedRequests {
    /// The share of requests that is looked at, above 0 and at most 1; nothing where none is.
    pub share: Option<f64>,
    /// Since when.
    pub since: Option<Timestamp>,
    pub requests: Vec<RecordedRequest>,
    /// Sampled requests of which nothing is kept any more, or that were too large to keep.
    pub dropped: u64,
}

/// One request, and how often it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedRequest {
    /// What decided saw as its input, without what was masked.
    pub input: serde_json::Value,
    /// What was masked, as JSON pointers into `input`; nobody has it any more.
    pub erased: Vec<String>,
    /// When it was sampled last.
    pub at: Timestamp,
    /// How often it was sampled.
    pub count: u64,
}

/// Every attempt on record, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    pub entries: Vec<ReloadRecord>,
    /// Attempts that were made but could not be written to disk.
    pub lost: u64,
}

/// Stored packs, the active one first, and signed bundles that stand below the agent's roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundlesFound {
    pub bundles: Vec<FoundBundle>,
    /// More files stand there than are looked at.
    pub truncated: bool,
}

/// One stored pack or `*.signed.json` file; what it says of itself counts only when it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundBundle {
    pub path: String,
    pub bytes: u64,
    pub verified: bool,
    /// Why it would be refused.
    pub reason: Option<String>,
    pub bundle_id: Option<String>,
    pub version: Option<String>,
    pub digest: Option<String>,
    pub content: Option<String>,
    pub issued_at: Option<Timestamp>,
    pub policies_count: Option<u32>,
    pub key: Option<String>,
    /// What vouches for a stored pack; absent from files, and from packs that are not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<FoundPack>,
}

/// A stored pack as anybody can judge it: its digest, and the attestation beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundPack {
    pub role: PackRole,
    /// Digest of the tar, which the attestation is about.
    pub digest: String,
    /// The attestation's bytes in base64 (RFC 4648, with padding).
    pub attestation: String,
}

/// What a pack is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackRole {
    /// It is in force, or is what a start would bring into force.
    Active,
    /// A former one, kept to return to.
    Lkg,
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// One of [`super::problem`].
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Path that was asked for.
    pub instance: Option<String>,
    pub request_id: Option<String>,
}
