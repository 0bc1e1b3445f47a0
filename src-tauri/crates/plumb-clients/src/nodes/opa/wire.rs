//! Documents of OPA 1.9 as captured; the metrics inside the status are skipped, not kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::nodes::loose::{Moment, Number};

/// Every answer stands in `result`.
#[derive(Debug, Deserialize)]
pub(crate) struct Document<T> {
    pub(crate) result: T,
}

/// `GET /v1/status`.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) bundles: BTreeMap<String, Bundle>,
    pub(crate) discovery: Option<Bundle>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) plugins: BTreeMap<String, Plugin>,
}

/// What OPA says of one bundle it follows.
#[derive(Debug, Deserialize)]
pub(crate) struct Bundle {
    pub(crate) active_revision: Option<String>,
    #[serde(default = "never")]
    pub(crate) last_successful_activation: Moment,
    #[serde(default = "never")]
    pub(crate) last_successful_request: Moment,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<Value>,
    pub(crate) http_code: Option<Number>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Plugin {
    #[serde(default)]
    pub(crate) state: String,
}

/// One module of `GET /v1/policies`; its syntax tree is skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Module {
    pub(crate) id: String,
    pub(crate) raw: String,
}

/// An error of OPA.
#[derive(Debug, Deserialize)]
pub(crate) struct OpaError {
    #[serde(default)]
    pub(crate) message: String,
}

const fn never() -> Moment {
    Moment(None)
}

/// Go writes empty maps and lists as `null`.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
