//! Another runbook of the library, as one step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookStep {
    pub file: crate::document::At<String>,
    #[serde(default)]
    pub parameters: std::collections::BTreeMap<String, String>,
}

impl Kind for RunbookStep {
    fn words(&self) -> Vec<&str> {
        self.parameters.values().map(String::as_str).collect()
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Steps)
    }
}
