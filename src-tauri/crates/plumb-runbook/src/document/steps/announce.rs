//! Something said to people, with the proof that it was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnounceStep {
    pub to: String,
    pub text: String,
}

impl Kind for AnnounceStep {
    fn mutates(&self) -> bool {
        true
    }

    fn words(&self) -> Vec<&str> {
        vec![&self.to, &self.text]
    }

    fn wrong(&self) -> Option<String> {
        (self.text.trim().is_empty()).then(|| "an announcement says something".to_owned())
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (to, text) = (substitute(&self.to, values)?, substitute(&self.text, values)?);
        Ok(StepEffect::Announce { to, text })
    }
}
