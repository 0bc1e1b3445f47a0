//! `fleet`: the fleets this machine knows.

use std::{
    fs::File,
    io::{self, Read as _},
};

use clap::{Subcommand, ValueEnum};
use plumb_app::views::{
    settings::{ImportFormat, ImportPreview},
    shell::FleetSummary,
    versions::MembersView,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    confirm::agree,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table, or_dash, short},
    },
};

/// Largest list that is imported.
const LIST_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Fleet {
    /// Fleets and their files
    List,
    /// Add a fleet file
    Add {
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Forget a fleet; its file and what was recorded stay
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Nodes, keys and signed bundles of a fleet
    Show {
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Take nodes from a list, with the difference shown before saving
    Import(Import),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// How the list is written
    #[arg(long, value_enum)]
    format: Format,
    /// The list
    #[arg(value_name = "FILE", conflicts_with = "stdin", required_unless_present = "stdin")]
    file: Option<String>,
    /// Read the list from standard input
    #[arg(long)]
    stdin: bool,
    /// Name of the fleet; also --fleet
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Save without asking
    #[arg(long)]
    yes: bool,
    /// Show the difference, and stop
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Prometheus file_sd, JSON
    Prometheus,
    /// Columns id, url, api, group; every other is a label
    Csv,
    /// A whole fleet file
    Toml,
}

impl From<Format> for ImportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Prometheus => Self::PrometheusFileSd,
            Format::Csv => Self::Csv,
            Format::Toml => Self::FleetToml,
        }
    }
}

/// Fleets this machine knows.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FleetsDocument {
    pub(crate) fleets: Vec<FleetSummary>,
}

/// An import, and whether it was saved.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportDocument {
    pub(crate) fleet: String,
    pub(crate) preview: ImportPreview,
    pub(crate) saved: bool,
}

impl Fleet {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::List => list(session).await,
            Self::Add { file } => add(session, file).await,
            Self::Remove { name } => remove(session, name).await,
            Self::Show { name } => show(session, name.as_deref()).await,
            Self::Import(import) => import.run(session).await,
        }
    }
}

async fn list(session: Session<'_>) -> Outcome {
    session
        .with_app(async |app| {
            let document = FleetsDocument { fleets: app.shell().await?.fleets };
            session.out.show(&document, |out| table(out, &document.fleets));
            Ok(Exit::Fine)
        })
        .await
}

async fn add(session: Session<'_>, file: &str) -> Outcome {
    session
        .with_app(async |app| {
            let shell = app.add_fleet(file).await?;
            let document = FleetsDocument { fleets: shell.fleets };
            session.out.show(&document, |out| {
                out.say(format!("added {}", shell.fleet.as_deref().unwrap_or_default()));
                table(out, &document.fleets);
            });
            Ok(Exit::Fine)
        })
        .await
}

async fn remove(session: Session<'_>, name: &str) -> Outcome {
    session
        .with_app(async |app| {
            let document = FleetsDocument { fleets: app.remove_fleet(name).await?.fleets };
            session.out.show(&document, |out| {
                out.say(format!("forgot {name}; its file and what was recorded stay"));
                table(out, &document.fleets);
            });
            Ok(Exit::Fine)
        })
        .await
}

fn table(out: &Output, fleets: &[FleetSummary]) {
    if fleets.is_empty() {
        out.say("no fleet is known; add one: plumb fleet add FILE");
        return;
    }
    let mut table = Table::new(&["fleet", "environment", "nodes", "mode", "file"]);
    for fleet in fleets {
        let mode = match (&fleet.error, fleet.read_only) {
            (Some(_), _) => "unreadable",
            (None, true) => "read-only",
            (None, false) => "read and change",
        };
        table.row([
            Cell::from(&fleet.name),
            Cell::from(&fleet.environment),
            Cell::from(fleet.nodes.to_string()),
            Cell::from(mode),
            Cell::from(&fleet.file),
        ]);
    }
    table.print(out);
    for fleet in fleets {
        if let Some(error) = &fleet.error {
            out.say(out.style.bad(&printable(&format!("{}: {error}", fleet.name))));
        }
    }
}

async fn show(session: Session<'_>, name: Option<&str>) -> Outcome {
    session
        .with_app(async |app| {
            let fleet = match name {
                Some(name) => name.to_owned(),
                None => session.fleet(app).await?,
            };
            let view = app.members(&fleet).await?;
            session.out.show(&view, |out| members(out, &view));
            Ok(Exit::Fine)
        })
        .await
}

fn members(out: &Output, view: &MembersView) {
    let mode = if view.read_only { ", read-only" } else { "" };
    let environment =
        if view.environment.is_empty() { "no environment" } else { &view.environment };
    out.say(format!("{} ({}{mode})", out.style.bold(&view.fleet), printable(environment)));
    out.say(format!("  file    {}", printable(&view.file)));
    out.say(format!(
        "  sweep   every {} s, {} s for a node to answer",
        view.sweep_interval_s, view.deadline_s
    ));
    out.say(format!("  keys    {}", printable(&view.trusted_keys.join(", "))));
    let mut table = Table::new(&["node", "api", "url", "credential", "labels"]);
    for node in &view.nodes {
        let labels: Vec<String> =
            node.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        table.row([
            Cell::from(&node.id),
            Cell::from(&node.api),
            Cell::from(&node.url),
            Cell::from(or_dash(node.credential.as_deref())),
            Cell::from(labels.join(" ")),
        ]);
    }
    table.print(out);
    if !view.bundles.is_empty() {
        let mut table = Table::new(&["signed bundle", "content", "policies", "key", "file"]);
        for bundle in &view.bundles {
            table.row([
                Cell::from(&bundle.version),
                Cell::from(short(Some(&bundle.content))),
                Cell::from(bundle.policies.to_string()),
                Cell::from(&bundle.key),
                Cell::from(&bundle.file),
            ]);
        }
        table.print(out);
    }
}

impl Import {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let text = match &self.file {
            Some(file) => read_text(file, LIST_BYTES_MAX)?,
            None => read_bounded(io::stdin().lock(), "standard input", LIST_BYTES_MAX)?,
        };
        let name = self.name(session, &text)?;
        session
            .with_app(async |app| {
                let known = app.shell().await?.fleets.iter().any(|fleet| fleet.name == name);
                let existing = known.then_some(name.as_str());
                let preview =
                    app.preview_import(existing, self.format.into(), &text, &name).await?;
                show_preview(session.out, &name, &preview);
                let saved = preview.problems.is_empty() && !self.dry_run;
                if saved {
                    agree(session.out, self.yes)?;
                    app.save_import(&name, &preview.toml, None).await?;
                }
                let exit = if preview.problems.is_empty() { Exit::Fine } else { Exit::Usage };
                let document = ImportDocument { fleet: name.clone(), preview, saved };
                session.out.show(&document, |out| {
                    out.say(if document.saved { "saved" } else { "not saved" });
                });
                Ok(exit)
            })
            .await
    }

    fn name(&self, session: Session<'_>, text: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        if let Some(name) = self.name.as_ref().or(session.global.fleet.as_ref()) {
            return Ok(name.clone());
        }
        if self.format == Format::Toml
            && let Ok(named) = toml::from_str::<Named>(text)
        {
            return Ok(named.name);
        }
        Err(Failure::usage("the fleet has no name", "name it with --name"))
    }
}

fn show_preview(out: &Output, name: &str, preview: &ImportPreview) {
    out.say(format!(
        "{name}: {} added, {} removed, {} changed, {} as they were",
        preview.added.len(),
        preview.removed.len(),
        preview.changed.len(),
        preview.unchanged
    ));
    for (mark, nodes) in [("+", &preview.added), ("-", &preview.removed), ("~", &preview.changed)] {
        for node in nodes {
            out.say(format!("  {mark} {}", printable(node)));
        }
    }
    for problem in &preview.problems {
        out.say(out.style.bad(&format!("  problem: {}", printable(problem))));
    }
}

/// Reads a text file under a limit.
pub(crate) fn read_text(path: &str, bytes_max: u64) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| {
        Failure::usage(format!("{path} could not be read: {error}"), "give the path of a file")
    })?;
    read_bounded(file, path, bytes_max)
}

pub(crate) fn read_bounded(
    source: impl io::Read,
    name: &str,
    bytes_max: u64,
) -> Result<String, Failure> {
    let mut text = String::new();
    source.take(bytes_max + 1).read_to_string(&mut text).map_err(|error| {
        Failure::usage(format!("{name} could not be read: {error}"), "give a text in UTF-8")
    })?;
    if text.len() as u64 > bytes_max {
        let message = format!("{name} is larger than {bytes_max} bytes");
        return Err(Failure::usage(message, "give a smaller one"));
    }
    Ok(text)
}
