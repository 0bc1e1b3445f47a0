//! Nothing else is changed from here on: a signed lease, announced ahead.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeStep {
    pub reason: String,
    /// How long ahead it has to be announced, in hours.
    #[serde(default)]
    pub announced_h: u32,
    /// When the watchdog calls somebody because it was not lifted, in seconds.
    pub lease_s: u32,
}

impl Kind for FreezeStep {
    fn mutates(&self) -> bool {
        true
    }

    fn words(&self) -> Vec<&str> {
        vec![&self.reason]
    }

    fn wrong(&self) -> Option<String> {
        super::within(self.lease_s, "a lease")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (announced_h, lease_s) = (self.announced_h, self.lease_s);
        Ok(StepEffect::Freeze { reason: substitute(&self.reason, values)?, announced_h, lease_s })
    }
}
