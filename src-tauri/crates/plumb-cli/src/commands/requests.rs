//! `policy requests`: what was really asked, for a file that comparisons ask.

use std::fs;

use clap::Args;
use plumb_app::{
    impact::{self, RequestSource},
    views::impact::RecordedRequestsView,
};

use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{escape::printable, table::Table},
};

/// How a source is written.
pub(super) const SOURCES: &str = "nodes|node:ID|hub";

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  plumb policy requests --from nodes --output requests.jsonl
  plumb policy requests --from hub --output requests.jsonl

Name the file as requests in [decisions] of the fleet file, and dry runs and approvals go by it.")]
pub(crate) struct Requests {
    /// Every agent that records what it is asked, one of them, or the hub that OPAs push decisions to
    #[arg(long, value_name = SOURCES, value_parser = source)]
    from: RequestSource,
    /// Write them to this file, one a line; what stands there is replaced
    #[arg(long, value_name = "FILE")]
    output: Option<String>,
}

/// Reads a source as it is written on a command line.
pub(super) fn source(text: &str) -> Result<RequestSource, String> {
    match text.split_once(':') {
        Some(("node", id)) if !id.is_empty() => Ok(RequestSource::Nodes(Some(vec![id.to_owned()]))),
        None if text == "nodes" => Ok(RequestSource::Nodes(None)),
        None if text == "hub" => Ok(RequestSource::Hub),
        _ => Err(format!("write {SOURCES}")),
    }
}

impl Requests {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let (requests, view) = app.recorded(fleet, &self.from).await?;
                if let Some(file) = &self.output {
                    fs::write(file, impact::requests::write(&requests)).map_err(|error| {
                        let message = format!("{file} could not be written: {error}");
                        Failure::usage(message, "name a file in a folder that you may write to")
                    })?;
                }
                session.out.show(&view, |out| {
                    show(out, &view);
                    if let Some(file) = &self.output {
                        out.say(format!("written to {}", printable(file)));
                    }
                });
                Ok(Exit::Fine)
            })
            .await
    }
}

fn show(out: &Output, view: &RecordedRequestsView) {
    let mut table = Table::new(&["source", "requests", "detail"]);
    for source in &view.sources {
        table.row([
            (&source.source).into(),
            (&source.requests.to_string()).into(),
            (&source.detail).into(),
        ]);
    }
    table.print(out);
    let masked = match view.masked {
        0 => String::new(),
        masked => format!(", {masked} of them masked when they were recorded"),
    };
    out.say(format!("{} different requests, asked {} times{masked}", view.requests, view.asked));
}
