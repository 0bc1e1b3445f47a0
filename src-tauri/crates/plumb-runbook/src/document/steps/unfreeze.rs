//! The end of a freeze.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnfreezeStep {
    /// The step that froze.
    pub step: String,
}

impl Kind for UnfreezeStep {
    fn mutates(&self) -> bool {
        true
    }

    fn words(&self) -> Vec<&str> {
        Vec::new()
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Unfreeze { step: self.step.clone() })
    }
}
