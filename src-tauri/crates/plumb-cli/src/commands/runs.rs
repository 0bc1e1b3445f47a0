//! `runs`: what was done to a fleet, and how it ended.

use clap::{Args, Subcommand};
use plumb_app::views::{
    plan::{ActionKind, ActionRequest, NodeSelection},
    run::{RunPhase, RunView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::Confirm,
    commands::act::act,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        age::moment,
        plan::result,
        rollout::ways_on,
        style::Hue,
        table::{Cell, Table},
    },
};

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The newest runs of a fleet
    List,
    /// One run, node by node
    Show {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Take a run back: its nodes to where they were, and the pins it replaced
    Undo {
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

/// The newest runs of a fleet, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunsDocument {
    pub(crate) fleet: String,
    pub(crate) runs: Vec<RunView>,
}

impl Runs {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match &self.verb {
            None | Some(Verb::List) => list(session).await,
            Some(Verb::Undo { id, confirm }) => {
                let request = ActionRequest {
                    run: Some(id.clone()),
                    ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
                };
                act(session, request, confirm).await
            }
            Some(Verb::Show { id }) => {
                session
                    .with_app(async |app| {
                        let run = app.run(id).await?;
                        session.out.show(&run, |out| {
                            out.say(out.style.bold(&run.title));
                            let by = crate::text::escape::printable(&run.operator);
                            out.say(format!("started {} by {by}", moment(run.started_at_ms)));
                            result(out, &run);
                            // Whoever carries it out now takes the orders.
                            if run.rollout.as_ref().is_some_and(|rollout| !rollout.carried) {
                                for line in ways_on(&run) {
                                    out.say(line);
                                }
                            }
                        });
                        Ok(Exit::fine_if(run.phase == RunPhase::Succeeded))
                    })
                    .await
            }
        }
    }
}

async fn list(session: Session<'_>) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let document = RunsDocument { fleet: fleet.to_owned(), runs: app.runs(fleet).await? };
            session.out.show(&document, |out| table(out, &document.runs));
            Ok(Exit::Fine)
        })
        .await
}

/// How it came out, and loudly what was passed over.
fn outcome(out: &Output, run: &RunView) -> Cell {
    if run.bypassed.is_empty() {
        return Cell::from(&run.summary);
    }
    let text = crate::text::escape::printable(&format!(
        "{}; BYPASSED: {}",
        run.summary,
        run.bypassed.join("; ")
    ));
    let painted = out.style.bad(&text);
    Cell::painted(&text, painted)
}

fn table(out: &Output, runs: &[RunView]) {
    if runs.is_empty() {
        out.say("no run yet");
        return;
    }
    let mut table = Table::new(&["result", "started", "run", "by", "what", "outcome"]);
    for run in runs {
        let (hue, word) = match run.phase {
            RunPhase::Acting => (Hue::Sky, "→ acting"),
            RunPhase::Proving => (Hue::Sky, "→ proving"),
            RunPhase::Succeeded => (Hue::Green, "✓ succeeded"),
            RunPhase::Incomplete => (Hue::Orange, "× incomplete"),
            RunPhase::Aborted => (Hue::Orange, "- aborted"),
            RunPhase::Interrupted => (Hue::Vermilion, "! interrupted"),
            RunPhase::AtGate => (Hue::Sky, "→ at a gate"),
            RunPhase::Paused => (Hue::Orange, "- paused"),
            RunPhase::Halted => (Hue::Vermilion, "! halted"),
            RunPhase::RollingBack => (Hue::Orange, "← rolling back"),
            RunPhase::RolledBack => (Hue::Orange, "← rolled back"),
        };
        table.row([
            Cell::painted(word, out.style.paint(hue, word)),
            Cell::from(moment(run.started_at_ms)),
            Cell::from(&run.id),
            Cell::from(&run.operator),
            Cell::from(&run.title),
            outcome(out, run),
        ]);
    }
    table.print(out);
}
