//! A check of the doctor; its verdict is the result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoctorStep {
    /// For example `check.policy.version-consistency`.
    pub check: String,
}

impl Kind for DoctorStep {
    fn words(&self) -> Vec<&str> {
        vec![&self.check]
    }

    fn wrong(&self) -> Option<String> {
        (!self.check.starts_with("check."))
            .then(|| "the name of a check begins with check.".to_owned())
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Doctor { check: substitute(&self.check, values)? })
    }
}
