//! A file of evidence with its SHA-256.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

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
    /// The words a command was run with.
    Command(String),
    /// One value of what a step answered.
    Field(Field),
    /// Only the SHA-256 of a file below the folder of the run; `into` is the name it is listed under.
    Digest(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub step: String,
    pub name: String,
}

impl CaptureFrom {
    /// The step it is about, where it is about one.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Result(step) | Self::Output(step) | Self::Command(step) => Some(step),
            Self::Field(field) => Some(&field.step),
            Self::File(_) | Self::Digest(_) => None,
        }
    }

    /// The file it is about, below the folder of the run.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File(path) | Self::Digest(path) => Some(path),
            _ => None,
        }
    }
}

impl Kind for CaptureStep {
    fn words(&self) -> Vec<&str> {
        self.from.file().into_iter().chain([self.into.as_str()]).collect()
    }

    fn wrong(&self) -> Option<String> {
        self.from.file().and_then(escapes).or_else(|| escapes(&self.into))
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Capture { from: self.from.clone(), into: self.into.clone() })
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
