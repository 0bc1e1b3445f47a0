//! A local program with its arguments: a list of words, never a line for a shell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandStep {
    /// The program and its arguments, each one word however it looks.
    pub argv: Vec<String>,
    /// Nothing else is in its environment but the path; values may be `secret:NAME`.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
    /// A folder below the one of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    #[serde(default = "super::timeout_s")]
    pub timeout_s: u32,
    /// Most that is kept of what it prints, in bytes.
    #[serde(default = "output_bytes_max")]
    pub output_bytes_max: u32,
    /// It changes nothing, so that it may be tried again.
    #[serde(default)]
    pub reads_only: bool,
    /// The dry run that this command repeats for real.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// The id of the step that ran with the flag.
    pub step: String,
    /// The word that is left out now.
    pub without: String,
}

const fn output_bytes_max() -> u32 {
    1024 * 1024
}

/// Programs that read their words as commands.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "env"];

impl Kind for CommandStep {
    fn mutates(&self) -> bool {
        !self.reads_only
    }

    fn words(&self) -> Vec<&str> {
        let all = self.argv.iter().chain(self.environment.values()).chain(&self.folder);
        all.map(String::as_str).collect()
    }

    fn wrong(&self) -> Option<String> {
        let Some(program) = self.argv.first() else {
            return Some("a command needs a program".to_owned());
        };
        if self.argv.len() > 256 || self.argv.iter().any(|word| word.len() > 8_192) {
            return Some("a command has at most 256 words of 8192 bytes".to_owned());
        }
        if self.argv.iter().any(|word| word.contains('\0')) {
            return Some("a word of a command holds no zero byte".to_owned());
        }
        let name = program.rsplit('/').next().unwrap_or_default();
        if program.contains("${") || program.contains(char::is_whitespace) || name.is_empty() {
            return Some("the program is one word, written out".to_owned());
        }
        if SHELLS.contains(&name) {
            let what = format!("{name} would read its words as commands: name the program itself");
            return Some(what);
        }
        if let Some(what) = self.folder.as_deref().and_then(super::capture::escapes) {
            return Some(what);
        }
        if !(1..=64 * 1024 * 1024).contains(&self.output_bytes_max) {
            return Some("output_bytes_max is 1 to 67108864".to_owned());
        }
        super::within(self.timeout_s, "a timeout")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let filled = |word: &String| substitute(word, values);
        let environment = super::filled(&self.environment, values)?;
        Ok(StepEffect::Run {
            argv: self.argv.iter().map(filled).collect::<Result<_, _>>()?,
            environment,
            folder: self.folder.clone(),
            timeout_s: self.timeout_s,
            output_bytes_max: self.output_bytes_max,
            reads_only: self.reads_only,
        })
    }
}
