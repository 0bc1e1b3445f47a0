//! Somebody looked and says so, with their name and a reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestStep {
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(default = "super::patience_s")]
    pub until_s: u32,
}

impl Kind for AttestStep {
    fn words(&self) -> Vec<&str> {
        vec![&self.what]
    }

    fn wrong(&self) -> Option<String> {
        if self.what.trim().is_empty() {
            return Some("an attestation says what is attested".to_owned());
        }
        super::within(self.until_s, "an attestation")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (who, until_s) = (self.who.clone(), self.until_s);
        Ok(StepEffect::Attest { what: substitute(&self.what, values)?, who, until_s })
    }
}
