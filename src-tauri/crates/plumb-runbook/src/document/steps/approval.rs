//! Consent of groups, each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalStep {
    pub what: String,
    /// Groups; the owners' approvals when none is named.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default = "super::patience_s")]
    pub until_s: u32,
}

impl Kind for ApprovalStep {
    fn words(&self) -> Vec<&str> {
        vec![&self.what]
    }

    fn wrong(&self) -> Option<String> {
        super::within(self.until_s, "an approval")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (groups, until_s) = (self.groups.clone(), self.until_s);
        Ok(StepEffect::Approve { what: substitute(&self.what, values)?, groups, until_s })
    }
}
