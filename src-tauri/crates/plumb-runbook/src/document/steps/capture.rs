//! A file of evidence with its SHA-256.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureStep {
    /// Step whose output is kept, or a file below the folder of the run.
    pub from: CaptureFrom,
    /// Name below the folder of artifacts.
    pub into: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureFrom {
    /// What a step answered, as JSON.
    Result(String),
    /// What a command printed.
    Output(String),
    /// A file the run left.
    File(String),
}

impl Kind for CaptureStep {
    fn words(&self) -> Vec<&str> {
        match &self.from {
            CaptureFrom::File(path) => vec![path, &self.into],
            CaptureFrom::Result(_) | CaptureFrom::Output(_) => vec![&self.into],
        }
    }

    fn wrong(&self) -> Option<String> {
        let from = match &self.from {
            CaptureFrom::File(path) => escapes(path),
            CaptureFrom::Result(_) | CaptureFrom::Output(_) => None,
        };
        from.or_else(|| escapes(&self.into))
    }
}

/// Why a path would leave the folder it is below. Nothing is filled in: a value may hold `..`.
pub(crate) fn escapes(path: &str) -> Option<String> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    let outside = path.starts_with('/')
        || path.contains(['\\', '\0', ':'])
        || path.starts_with('~')
        || path.contains("${")
        || path.len() > 255
        || path.split('/').any(odd);
    outside.then(|| format!("{path:?} is not a path below the folder of the run"))
}
