//! A decision: the first arm whose condition holds; all arms are in the document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchStep {
    pub arms: Vec<Arm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub title: String,
    /// In CEL, over parameters and results of earlier steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<crate::document::At<String>>,
    /// Steps that belong to this arm alone, further down; none means going on.
    #[serde(default)]
    pub steps: Vec<crate::document::At<String>>,
}

impl Kind for BranchStep {
    fn words(&self) -> Vec<&str> {
        Vec::new()
    }

    fn wrong(&self) -> Option<String> {
        let last = self.arms.len().saturating_sub(1);
        let open = |(number, arm): (usize, &Arm)| arm.when.is_none() != (number == last);
        if self.arms.len() < 2 {
            Some("a branch has two arms or more".to_owned())
        } else if self.arms.iter().enumerate().any(open) {
            Some("every arm but the last has a condition, and the last has none".to_owned())
        } else {
            None
        }
    }

    fn effect(&self, _: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Steps)
    }
}
