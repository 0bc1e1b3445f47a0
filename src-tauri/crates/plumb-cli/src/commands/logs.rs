//! `policy logs`: log lines of agents by text, level and age (R040).

use clap::{Args, ValueEnum};
use futures::future::join_all;
use plumb_app::{
    error::Code,
    views::{node::LogLine, versions::MembersView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::Nodes,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        age::{moment, parse_seconds},
        escape::printable,
        style::Hue,
    },
};

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Only lines of this level and worse
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Only lines of this long: 90s, 30m, 24h
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    Debug,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Log lines, node by node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogsDocument {
    pub(crate) fleet: String,
    /// How many lines of all nodes there are.
    pub(crate) lines: u64,
    /// How many of them are warnings or worse.
    pub(crate) warnings: u64,
    /// How many nodes serve logs and told none: what they would say is in no count.
    pub(crate) unread: u64,
    pub(crate) nodes: Vec<NodeLogs>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NodeLogs {
    pub(crate) node: String,
    /// Oldest first.
    pub(crate) lines: Vec<LogLine>,
    /// Why there are none, where they could not be had.
    pub(crate) failure: Option<String>,
    /// The node API serves no logs at all.
    pub(crate) cannot_do: bool,
}

impl LogsDocument {
    fn of(fleet: &str, nodes: Vec<NodeLogs>) -> Self {
        let lines = || nodes.iter().flat_map(|node| &node.lines);
        let warns = |line: &&LogLine| matches!(line.level.as_str(), "error" | "warning");
        let unread = nodes.iter().filter(|node| node.failure.is_some() && !node.cannot_do);
        let (all, warnings, unread) =
            (lines().count(), lines().filter(warns).count(), unread.count());
        let [lines, warnings, unread] = [all, warnings, unread].map(|count| count as u64);
        Self { fleet: fleet.to_owned(), lines, warnings, unread, nodes }
    }
}

impl Logs {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let names = match self.nodes.named() {
                    Some(named) => named.to_vec(),
                    None => names(&app.members(fleet).await?),
                };
                let level = self.level.map_or("", Level::name);
                let last_s = self.last.unwrap_or(0);
                let asking: Vec<_> = names
                    .iter()
                    .map(|node| app.node_logs(fleet, node, &self.filter, level, last_s))
                    .collect();
                let mut nodes = Vec::new();
                for (node, answer) in names.iter().zip(join_all(asking).await) {
                    let (lines, failure, cannot_do) = match answer {
                        Ok(lines) => (lines, None, false),
                        Err(error) if error.code == Code::NotFound => return Err(error.into()),
                        Err(error) => {
                            (Vec::new(), Some(error.message), error.code == Code::Invalid)
                        }
                    };
                    nodes.push(NodeLogs { node: node.clone(), lines, failure, cannot_do });
                }
                let asked: Vec<_> = nodes.iter().filter(|node| !node.cannot_do).collect();
                let nobody = !asked.is_empty() && asked.iter().all(|node| node.failure.is_some());
                let document = LogsDocument::of(fleet, nodes);
                session.out.show(&document, |out| show(out, &document));
                Ok(if nobody { Exit::Unreachable } else { Exit::Fine })
            })
            .await
    }
}

fn names(members: &MembersView) -> Vec<String> {
    members.nodes.iter().map(|node| node.id.clone()).collect()
}

fn show(out: &Output, document: &LogsDocument) {
    let mut lines: Vec<(&str, &LogLine)> = document
        .nodes
        .iter()
        .flat_map(|node| node.lines.iter().map(|line| (node.node.as_str(), line)))
        .collect();
    lines.sort_by_key(|(_, line)| line.at_ms);
    for (node, line) in &lines {
        let level = format!("{:<7}", line.level);
        let level = match line.level.as_str() {
            "error" => out.style.bad(&level),
            "warning" => out.style.paint(Hue::Orange, &level),
            _ => out.style.faint(&level),
        };
        let at = moment(line.at_ms);
        out.say(format!("{at}  {level}  {}  {}", printable(node), printable(&line.message)));
    }
    if lines.is_empty() {
        out.say("no line");
    }
    for node in &document.nodes {
        if let Some(failure) = &node.failure {
            out.note(out.style.faint(&format!("# {}", printable(failure))));
        }
    }
}
