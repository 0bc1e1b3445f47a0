//! `incidents`: what alerts became, asked of a hub or of the console's own inbox.

use clap::{Args, Subcommand};
use plumb_app::hub::path_part;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{
        alerts::{ONCALL, text},
        hub::access::HubArgs,
        inbox::Inbox,
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

    /// Tells a hub, or calls for what the console's own inbox does.
    async fn post(
        &self,
        inbox: &Inbox<'_>,
        below: &str,
        body: Value,
        action: &str,
    ) -> Result<Value, Failure> {
        let Inbox::Own(_) = inbox else { return inbox.call(&self.path(below), &body).await };
        let mut arguments = body;
        arguments["incident_ref"] = self.incident.as_str().into();
        inbox.tool(ONCALL, action, arguments).await
    }
}

impl Incidents {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session.with_inbox(self.hub(), async |inbox| self.ask(session, inbox).await).await
    }

    fn hub(&self) -> &HubArgs {
        match self {
            Self::List(list) => &list.hub,
            Self::Show(one) | Self::Draft(one) => &one.hub,
            Self::Note(note) => &note.one.hub,
            Self::Move(to) => &to.one.hub,
            Self::Close(close) => &close.one.hub,
        }
    }

    async fn ask(&self, session: Session<'_>, inbox: &Inbox<'_>) -> Outcome {
        let out = session.out;
        let changed = match self {
            Self::List(list) => {
                let answer = list.asked(inbox).await?;
                out.show(&answer, |out| listed(out, &answer));
                return Ok(Exit::Fine);
            }
            Self::Show(one) => {
                let answer = match inbox {
                    Inbox::Own(own) => own.incident(&one.incident).await?,
                    _ => inbox.get(&one.path("")).await?,
                };
                out.show(&answer, |out| show(out, &answer));
                return Ok(Exit::Fine);
            }
            Self::Draft(one) => {
                let markdown = match inbox {
                    Inbox::Own(own) => own.draft_of(&one.incident).await?,
                    _ => inbox.text(&one.path("/draft")).await?,
                };
                let document = DraftDocument { incident: one.incident.clone(), markdown };
                out.show(&document, |out| out.raw(&document.markdown));
                return Ok(Exit::Fine);
            }
            Self::Note(note) => {
                let body = json!({ "note": note.text });
                note.one.post(inbox, "/events", body, "incident_append_event").await?
            }
            Self::Move(to) => match inbox {
                Inbox::Own(own) => own.move_to(&to.one.incident, &to.to).await?,
                _ => inbox.call(&to.one.path("/move"), &json!({ "to": to.to })).await?,
            },
            Self::Close(close) => {
                let body = json!({ "resolution": close.resolution });
                close.one.post(inbox, "/close", body, "incident_close").await?
            }
        };
        out.show(&changed, |out| {
            let incident = &changed["incident"];
            let (name, state) = (text(&incident["incident_ref"]), text(&incident["state"]));
            out.say(format!("{name} is {state}, {} entries", incident["entries"]));
        });
        Ok(Exit::Fine)
    }
}

impl List {
    async fn asked(&self, inbox: &Inbox<'_>) -> Result<Value, Failure> {
        if let Inbox::Own(own) = inbox {
            return Ok(own.incidents(self.service.clone(), self.all).await?);
        }
        let mut path = format!("/v1/incidents?with_closed={}", self.all);
        if let Some(service) = &self.service {
            path.extend(["&service=", &path_part(service)]);
        }
        inbox.get(&path).await
    }
}

fn listed(out: &Output, answer: &Value) {
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
