//! `help`: topics to read, and the words of every command.

use clap::{Args, CommandFactory as _};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::Arguments,
    exit::{Exit, Failure, Outcome},
    session::Session,
};

/// Help texts, the same as in the window, by topic.
const TOPICS: [(&str, &str); 11] = [
    ("actions", include_str!("../../../../../assets/help/actions.md")),
    ("command-line", include_str!("../../../../../assets/help/command-line.md")),
    ("credentials", include_str!("../../../../../assets/help/credentials.md")),
    ("drift-states", include_str!("../../../../../assets/help/drift-states.md")),
    ("fleet-file", include_str!("../../../../../assets/help/fleet-file.md")),
    ("getting-started", include_str!("../../../../../assets/help/getting-started.md")),
    ("keys", include_str!("../../../../../assets/help/keys.md")),
    ("metrics", include_str!("../../../../../assets/help/metrics.md")),
    ("opa-sidecar", include_str!("../../../../../assets/help/opa-sidecar.md")),
    ("policy-packs", include_str!("../../../../../assets/help/policy-packs.md")),
    ("troubleshooting", include_str!("../../../../../assets/help/troubleshooting.md")),
];

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// `topics`, a topic, or the words of a command
    #[arg(value_name = "TOPIC OR COMMAND")]
    words: Vec<String>,
}

/// A text to read, or the list of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HelpDocument {
    pub(crate) topics: Vec<String>,
    pub(crate) text: String,
}

impl Help {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let text = self.text()?;
        let topics = TOPICS.iter().map(|(name, _)| (*name).to_owned()).collect();
        session.out.show(&HelpDocument { topics, text: text.clone() }, |out| out.raw(&text));
        Ok(Exit::Fine)
    }

    fn text(&self) -> Result<String, Failure> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        if let [word] = words[..] {
            if word == "topics" {
                let titles = TOPICS.iter().map(|(name, text)| {
                    let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
                    format!("{name:<18}{title}\n")
                });
                return Ok(titles.collect::<String>() + "\nplumb help TOPIC shows one.\n");
            }
            if let Some((_, text)) = TOPICS.iter().find(|(name, _)| *name == word) {
                return Ok((*text).to_owned());
            }
        }
        let mut command = Arguments::command();
        command.build();
        for word in &words {
            command = command
                .find_subcommand(word)
                .ok_or_else(|| {
                    Failure::usage(
                        format!("there is no topic or command {word:?}"),
                        "see: plumb help topics",
                    )
                })?
                .clone();
        }
        Ok(command.render_long_help().to_string())
    }
}
