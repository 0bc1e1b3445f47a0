//! `incidents`: what alerts became, asked of a hub.

use clap::{Args, Subcommand};
use plumb_app::hub::path_part;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{
        alerts::text,
        hub::access::{HubArgs, failed},
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// Incidents that are worked on, open or mitigating, the worst first
    List(List),
    /// An incident with its timeline
    Show(One),
    /// The draft of a postmortem, in Markdown
    Draft(One),
    /// Add a note to the timeline
    Note(Note),
    /// Move it to open, mitigating or resolved
    Move(Move),
    /// Close it for good
    Close(Close),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those that are resolved or closed, too
    #[arg(long)]
    all: bool,
    /// Only of this service
    #[arg(long)]
    service: Option<String>,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Reference of the incident, as lists show it
    #[arg(value_name = "INCIDENT")]
    incident: String,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Note {
    #[command(flatten)]
    one: One,
    /// What happened
    #[arg(long)]
    text: String,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    one: One,
    /// open, mitigating or resolved
    #[arg(long)]
    to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Close {
    #[command(flatten)]
    one: One,
    /// How it ended
    #[arg(long)]
    resolution: Option<String>,
}

/// A draft as a document.
#[derive(Debug, Serialize)]
struct DraftDocument {
    incident: String,
    markdown: String,
}

impl One {
    fn path(&self, below: &str) -> String {
        format!("/v1/incidents/{}{below}", path_part(&self.incident))
    }

    async fn post(&self, session: Session<'_>, below: &str, body: &Value) -> Outcome {
        let client = self.hub.client()?;
        let answer: Value = client.call("POST", &self.path(below), body).await.map_err(failed)?;
        session.out.show(&answer, |out| {
            let incident = &answer["incident"];
            let (name, state) = (text(&incident["incident_ref"]), text(&incident["state"]));
            out.say(format!("{name} is {state}, {} entries", incident["entries"]));
        });
        Ok(Exit::Fine)
    }
}

impl Incidents {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::List(list) => list.run(session).await,
            Self::Show(one) => {
                let answer: Value = one.hub.client()?.get(&one.path("")).await.map_err(failed)?;
                session.out.show(&answer, |out| show(out, &answer));
                Ok(Exit::Fine)
            }
            Self::Draft(one) => {
                let client = one.hub.client()?;
                let bytes = client.get_bytes(&one.path("/draft")).await.map_err(failed)?;
                let markdown = String::from_utf8(bytes).map_err(|_| {
                    Failure::internal("the draft is no text", "is this address that of a hub?")
                })?;
                let document = DraftDocument { incident: one.incident.clone(), markdown };
                session.out.show(&document, |out| out.raw(&document.markdown));
                Ok(Exit::Fine)
            }
            Self::Note(note) => {
                note.one.post(session, "/events", &json!({ "note": note.text })).await
            }
            Self::Move(to) => to.one.post(session, "/move", &json!({ "to": to.to })).await,
            Self::Close(close) => {
                let body = json!({ "resolution": close.resolution });
                close.one.post(session, "/close", &body).await
            }
        }
    }
}

impl List {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let mut path = format!("/v1/incidents?with_closed={}", self.all);
        if let Some(service) = &self.service {
            path.extend(["&service=", &path_part(service)]);
        }
        let answer: Value = self.hub.client()?.get(&path).await.map_err(failed)?;
        session.out.show(&answer, |out| {
            let mut table =
                Table::new(&["incident", "state", "sev", "alerts", "service", "opened", "title"]);
            for one in answer["incidents"].as_array().into_iter().flatten() {
                table.row([
                    Cell::from(text(&one["incident_ref"])),
                    Cell::from(text(&one["state"])),
                    Cell::from(text(&one["severity"])),
                    Cell::from(&one["alerts"].to_string()),
                    Cell::from(text(&one["service"])),
                    Cell::from(text(&one["opened_at"])),
                    Cell::from(text(&one["title"])),
                ]);
            }
            table.print(out);
        });
        Ok(Exit::Fine)
    }
}

fn show(out: &Output, answer: &Value) {
    let incident = &answer["incident"];
    out.say(format!(
        "{}: {} ({}, {})",
        text(&incident["incident_ref"]),
        printable(text(&incident["title"])),
        text(&incident["severity"]),
        text(&incident["state"])
    ));
    for entry in answer["timeline"].as_array().into_iter().flatten() {
        let event = &entry["event"];
        let told = event["text"].as_str().unwrap_or_else(|| text(&event["event"]));
        out.say(format!(
            "  {} {}: {}",
            text(&entry["at"]),
            printable(text(&entry["by"])),
            printable(told)
        ));
    }
}
