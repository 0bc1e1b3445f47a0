//! A pause; with monitors, a soak that must hold all the time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitStep {
    pub seconds: u32,
    /// In CEL, as runs of the first format know it; new documents write monitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<crate::document::At<String>>,
}

impl Kind for WaitStep {
    fn words(&self) -> Vec<&str> {
        Vec::new()
    }

    fn wrong(&self) -> Option<String> {
        super::within(self.seconds, "a wait")
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Wait { seconds: self.seconds })
    }
}
