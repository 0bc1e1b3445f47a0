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
const TOPICS: [(&str, &str); 20] = [
    ("actions", include_str!("../../../../../assets/help/actions.md")),
    ("agent", include_str!("../../../../../assets/help/agent.md")),
    ("approvals", include_str!("../../../../../assets/help/approvals.md")),
    ("command-line", include_str!("../../../../../assets/help/command-line.md")),
    ("credentials", include_str!("../../../../../assets/help/credentials.md")),
    ("decisions", include_str!("../../../../../assets/help/decisions.md")),
    ("drift-states", include_str!("../../../../../assets/help/drift-states.md")),
    ("evidence", include_str!("../../../../../assets/help/evidence.md")),
    ("fleet-file", include_str!("../../../../../assets/help/fleet-file.md")),
    ("getting-started", include_str!("../../../../../assets/help/getting-started.md")),
    ("history", include_str!("../../../../../assets/help/history.md")),
    ("hub", include_str!("../../../../../assets/help/hub.md")),
    ("journal", include_str!("../../../../../assets/help/journal.md")),
    ("keys", include_str!("../../../../../assets/help/keys.md")),
    ("metrics", include_str!("../../../../../assets/help/metrics.md")),
    ("opa-sidecar", include_str!("../../../../../assets/help/opa-sidecar.md")),
    ("policy-packs", include_str!("../../../../../assets/help/policy-packs.md")),
    ("rollouts", include_str!("../../../../../assets/help/rollouts.md")),
    ("runbooks", include_str!("../../../../../assets/help/runbooks.md")),
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

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs, path::Path};

    use super::*;

    const BEGIN: &str = "<!-- settings: begin -->\n";
    const END: &str = "<!-- settings: end -->";

    /// Every flag of `agent serve` as a row.
    fn settings() -> String {
        let mut command = Arguments::command();
        command.build();
        let agent = command.find_subcommand("agent").expect("a command");
        let serve = agent.find_subcommand("serve").expect("a command");
        let mut table = "| Flag | Environment | Default | Means |\n|---|---|---|---|\n".to_owned();
        for flag in serve.get_arguments() {
            let Some(long) = flag.get_long().filter(|long| *long != "help") else { continue };
            if flag.is_hide_set() || flag.is_global_set() {
                continue;
            }
            let takes_value = flag.get_action().takes_values();
            let names = flag.get_value_names().unwrap_or_default();
            let value = if takes_value && !names.is_empty() {
                format!(" {}", names[0])
            } else {
                String::new()
            };
            let env = flag.get_env().map(|env| format!("`{}`", env.display())).unwrap_or_default();
            let default: Vec<_> =
                flag.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
            let default = if takes_value && !default.is_empty() {
                format!("`{}`", default.join(", "))
            } else {
                String::new()
            };
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            let help = help.replace('|', "\\|").replace(['<', '>'], "");
            let _ = writeln!(table, "| `--{long}{value}` | {env} | {default} | {help} |");
        }
        table
    }

    #[test]
    fn the_agent_help_lists_every_setting() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/help/agent.md");
        let text = fs::read_to_string(&path).expect("readable");
        let (head, rest) = text.split_once(BEGIN).expect("a place for the table");
        let (_, tail) = rest.split_once(END).expect("its end");
        let expected = format!("{head}{BEGIN}{}{END}{tail}", settings());
        if std::env::var_os("PLUMB_REGENERATE").is_some() {
            fs::write(&path, &expected).expect("writable");
        } else {
            assert!(text == expected, "run the tests with PLUMB_REGENERATE=1");
        }
    }
}
