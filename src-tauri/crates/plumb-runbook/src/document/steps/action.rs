//! Something done to nodes: what the console and `plumb policy` do.

use plumb_fleet::{ContentDigest, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::action::Action;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionStep {
    pub verb: Verb,
    /// The version of pin, rollback and resolve_conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The content of the version, by its digest, where a version names several bundles; `any` is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The setting of set_config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Also nodes that already run what is wanted; sync only.
    #[serde(default)]
    pub force: bool,
    /// `all`, `drifted`, or names of nodes with commas between them.
    pub nodes: String,
    /// In waves, each proven before the next; without it all nodes are changed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
}

/// How nodes are changed one after the other. What was changed goes back when a wave fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Waves {
    OneByOne,
    /// One node, then growing shares of the others in percent; the last wave takes the rest.
    Canary {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<String>,
        percent: Vec<u8>,
    },
    /// Nodes with this value of a label, then the others.
    BlueGreen {
        label: String,
        first: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Sync,
    Pin,
    Unpin,
    Rollback,
    Restart,
    ResolveConflict,
    SetConfig,
}

impl Kind for ActionStep {
    fn mutates(&self) -> bool {
        true
    }

    fn words(&self) -> Vec<&str> {
        let given = [&self.version, &self.content, &self.key, &self.value];
        let of_waves: Vec<&String> = match &self.waves {
            Some(Waves::Canary { first, .. }) => first.iter().collect(),
            Some(Waves::BlueGreen { label, first }) => vec![label, first],
            Some(Waves::OneByOne) | None => Vec::new(),
        };
        let given = given.into_iter().flatten().chain([&self.nodes]).chain(of_waves);
        given.map(String::as_str).collect()
    }

    fn wrong(&self) -> Option<String> {
        let takes_version = matches!(self.verb, Verb::Pin | Verb::Rollback | Verb::ResolveConflict);
        let needs_version = matches!(self.verb, Verb::Pin | Verb::ResolveConflict);
        let sets = self.verb == Verb::SetConfig;
        if needs_version && self.version.is_none() {
            Some("this action needs a version".to_owned())
        } else if !takes_version && self.version.is_some() {
            Some("this action takes no version".to_owned())
        } else if sets != self.key.is_some() || sets != self.value.is_some() {
            Some("set_config takes a key and a value, and no other action does".to_owned())
        } else if self.force && self.verb != Verb::Sync {
            Some("only sync takes force".to_owned())
        } else if self.nodes.trim().is_empty() {
            Some("say for which nodes: all, drifted, or a name".to_owned())
        } else {
            None
        }
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let action = self.action(values)?;
        Ok(StepEffect::Act {
            action,
            nodes: substitute(&self.nodes, values)?,
            waves: self.waves.as_ref().map(|waves| waves.filled(values)).transpose()?,
        })
    }
}

impl Waves {
    /// The same with the values of a run.
    fn filled(&self, values: &Values) -> Result<Self, String> {
        Ok(match self {
            Self::OneByOne => Self::OneByOne,
            Self::Canary { first, percent } => Self::Canary {
                first: first.as_deref().map(|first| substitute(first, values)).transpose()?,
                percent: percent.clone(),
            },
            Self::BlueGreen { label, first } => Self::BlueGreen {
                label: substitute(label, values)?,
                first: substitute(first, values)?,
            },
        })
    }
}

impl ActionStep {
    /// The action with the values of a run: what a plan is made of.
    pub fn action(&self, values: &Values) -> Result<Action, String> {
        let filled = |text: &Option<String>| {
            text.as_deref().map(|text| substitute(text, values)).transpose()
        };
        let version = filled(&self.version)?
            .map(|text| Version::new(text).map_err(|error| error.to_string()))
            .transpose()?;
        let wanted = || version.clone().ok_or_else(|| "this action needs a version".to_owned());
        let content = filled(&self.content)?.filter(|text| text != "any");
        let content = content
            .map(|text| text.parse::<ContentDigest>().map_err(|error| error.to_string()))
            .transpose()?;
        Ok(match self.verb {
            Verb::Sync => Action::Sync { force: self.force },
            Verb::Pin => Action::Pin { version: wanted()?, content, sync: false },
            Verb::Unpin => Action::Unpin,
            Verb::Rollback => Action::Rollback { to: version },
            Verb::Restart => Action::Restart,
            Verb::ResolveConflict => Action::ResolveConflict { to: wanted()?, content },
            Verb::SetConfig => Action::SetConfig {
                key: filled(&self.key)?.ok_or("set_config needs a key")?,
                value: filled(&self.value)?.ok_or("set_config needs a value")?,
            },
        })
    }
}
