//! What stands at the top of a runbook.

use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::At;

/// The front matter: what the library lists, and what is asked for before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrontMatter {
    pub title: At<String>,
    /// A number or name by which others speak of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub kind: RunbookKind,
    pub component: String,
    pub severity: Severity,
    pub on_call_scope: String,
    pub owners: Owners,
    pub last_updated: Date,
    /// What it is about, and when it applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The doctor check that tells whether it is needed, and whether it helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doctor_check: Option<At<String>>,
    #[serde(default)]
    pub symptoms: Vec<String>,
    /// Names of alerts it answers.
    #[serde(default)]
    pub alerts: Vec<String>,
    /// What is affected, by the kind of impact.
    #[serde(default)]
    pub impact: BTreeMap<String, String>,
    /// Other runbooks of the library, by the name of their file.
    #[serde(default)]
    pub related: Vec<At<String>>,
    /// Documents elsewhere; only shown.
    #[serde(default)]
    pub references: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// In production it runs only when a rehearsal of these very documents came out green so lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed_within_h: Option<u32>,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Folder below which a run leaves its evidence, in a folder named by its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<At<String>>,
}

/// How its steps are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunbookKind {
    /// From symptom to verified end.
    #[default]
    Guide,
    /// Preconditions, freeze, dry-run, execution, validation, unfreeze: none is skipped.
    Rollout,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// Who runs it, and who has to consent; never the same people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owners {
    pub run: At<String>,
    /// Groups that all have to approve.
    #[serde(default)]
    pub approvals: Vec<At<String>>,
}

/// Where the work on the runbook itself is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    pub sprint: String,
    pub task: String,
}

/// A value asked for once, before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub name: At<String>,
    #[serde(rename = "type")]
    pub of: ParameterType,
    pub ask: String,
    #[serde(default)]
    pub choices: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<At<String>>,
}

/// What a value of a parameter or an answer to a question has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    #[default]
    Text,
    Integer,
    Boolean,
    Choice,
    Node,
    Version,
    /// SHA-256 in hex.
    Digest,
}

impl ParameterType {
    /// Whether it is text, as answers are where a question says nothing else.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips so")]
    pub(super) const fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }

    /// What a value has to be, as the end of a sentence.
    pub fn wanted(self, choices: &[String]) -> String {
        match self {
            Self::Text => "a text of 1 to 4096 bytes".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Choice => format!("one of {}", choices.join(", ")),
            Self::Node => "the name of a node".to_owned(),
            Self::Version => "a version".to_owned(),
            Self::Digest => "a SHA-256 of 64 hex digits".to_owned(),
        }
    }

    /// Whether a value is one.
    pub fn takes(self, choices: &[String], value: &str) -> bool {
        match self {
            Self::Text => !value.is_empty() && value.len() <= 4_096,
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Choice => choices.iter().any(|choice| choice == value),
            // Both of these mean many nodes wherever a runbook names nodes.
            Self::Node => {
                !matches!(value, "all" | "drifted") && plumb_fleet::NodeId::new(value).is_ok()
            }
            Self::Version => plumb_fleet::Version::new(value).is_ok(),
            Self::Digest => value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()),
        }
    }

    /// A value as expressions see it.
    pub fn typed(self, value: &str) -> serde_json::Value {
        match self {
            Self::Integer => value.parse::<i64>().map_or_else(|_| value.into(), Into::into),
            Self::Boolean => (value == "true").into(),
            _ => value.into(),
        }
    }
}

impl Parameter {
    /// Why a value is not one of this parameter.
    pub fn refuses(&self, value: &str) -> Option<String> {
        let right = self.of.takes(&self.choices, value);
        (!right).then(|| format!("{} is {}", self.name.value, self.of.wanted(&self.choices)))
    }
}
