//! What the agent is asked: strict, so that an older agent refuses what it does not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigValue, LogLevel};

/// Query of `GET status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// `false` leaves the list of policies empty, where their common digest is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<bool>,
}

/// One setting to change: `bundle.polling.min_delay_seconds`, `bundle.polling.max_delay_seconds` or
/// `deployment.locking`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigChange {
    pub key: String,
    pub value: ConfigValue,
}

/// The bundle a node should run from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    pub version: String,
    /// Digest of the bundle's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Content digest of its policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Take the pinned bundle, or the default one where nothing is pinned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyncRequest {
    /// Load it again even when exactly it is in force.
    pub force: bool,
}

/// Return to an earlier bundle and pin it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackRequest {
    /// A version, or nothing for the last known good bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Query of `GET logs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogsQuery {
    /// Only lines that hold this text, without regard to case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only lines of this level and worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// The newest so many (200 by default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Requests to try on the policies in force; nothing is recorded as a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateRequest {
    pub requests: Vec<EvaluateCase>,
}

/// One request to try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateCase {
    pub capability_id: String,
    #[serde(default)]
    pub context: BTreeMap<String, serde_json::Value>,
}

/// Query of `GET history`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryQuery {
    /// The newest so many (100 by default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
