//! Something only a person knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{ParameterType, Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionStep {
    pub ask: String,
    /// What the answer has to be: text where nothing is said. Conditions see a whole number as one.
    #[serde(rename = "type", default, skip_serializing_if = "ParameterType::is_text")]
    pub of: ParameterType,
    /// Answers to choose from.
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
        let chooses = self.of == ParameterType::Choice;
        if self.choices.len() == 1 || chooses && self.choices.is_empty() {
            return Some("a choice has two answers or more".to_owned());
        }
        if !self.choices.is_empty() && !chooses && self.of != ParameterType::Text {
            return Some("an answer out of choices has no other type".to_owned());
        }
        super::within(self.until_s, "a question")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (who, until_s) = (self.who.clone(), self.until_s);
        let choices = match self.of {
            ParameterType::Boolean => vec!["true".to_owned(), "false".to_owned()],
            _ => self.choices.clone(),
        };
        Ok(StepEffect::Ask {
            ask: substitute(&self.ask, values)?,
            of: self.of,
            choices,
            who,
            until_s,
        })
    }
}
