//! Reading steps that are asked at the same time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParallelStep {
    /// Steps further down that change nothing.
    pub steps: Vec<crate::document::At<String>>,
}

impl Kind for ParallelStep {
    fn words(&self) -> Vec<&str> {
        Vec::new()
    }

    fn wrong(&self) -> Option<String> {
        (self.steps.len() < 2).then(|| "side by side are two steps or more".to_owned())
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Steps)
    }
}
