//! Something only a person knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionStep {
    pub ask: String,
    /// Answers to choose from; without them it is text.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Group that may answer; whoever runs it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How long it waits, in seconds; it halts then.
    #[serde(default = "super::patience_s")]
    pub until_s: u32,
}

impl Kind for QuestionStep {
    fn words(&self) -> Vec<&str> {
        vec![&self.ask]
    }

    fn wrong(&self) -> Option<String> {
        if self.choices.len() == 1 {
            return Some("a choice has two answers or more".to_owned());
        }
        super::within(self.until_s, "a question")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (choices, who, until_s) = (self.choices.clone(), self.who.clone(), self.until_s);
        Ok(StepEffect::Ask { ask: substitute(&self.ask, values)?, choices, who, until_s })
    }
}
