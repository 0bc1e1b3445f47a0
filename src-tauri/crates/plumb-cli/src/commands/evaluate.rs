//! `policy evaluate --test`: the same requests on every node, answers compared (R038).

use clap::Args;
use plumb_app::views::evaluate::{AskOutcome, EvaluationView, TestRequest};

use crate::{
    args::Nodes,
    commands::fleet::read_text,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        style::Hue,
        table::{Cell, Table},
    },
};

/// Largest file of requests.
const REQUESTS_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Test requests only: nothing is recorded as a decision
    #[arg(long, required = true)]
    test: bool,
    /// JSON file with one request {"capability_id": ..., "context": {...}} or a list of them
    #[arg(long, value_name = "FILE")]
    request: Option<String>,
    #[command(flatten)]
    nodes: Nodes,
}

impl Evaluate {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let given = match &self.request {
            Some(file) => requests(file)?,
            None => Vec::new(),
        };
        session
            .with_fleet(async |app, fleet| {
                // What nodes run decides which built-in requests there are.
                session.look(app, fleet, self.nodes.named()).await?;
                let view = app.evaluate_test(fleet, self.nodes.named(), &given).await?;
                session.out.show(&view, |out| show(out, &view));
                let answered = view.nodes.iter().any(|node| node.outcome == AskOutcome::Answered);
                let failed = view.nodes.iter().any(|node| node.outcome == AskOutcome::Failed);
                Ok(match (answered, failed) {
                    (false, true) => Exit::Unreachable,
                    (false, false) => Exit::Drift,
                    (true, _) => Exit::fine_if(view.agreed),
                })
            })
            .await
    }
}

fn requests(file: &str) -> Result<Vec<TestRequest>, Failure> {
    let text = read_text(file, REQUESTS_BYTES_MAX)?;
    let wrong = |error: serde_json::Error| {
        Failure::usage(format!("{file}: {error}"), "mend the file at that line")
    };
    if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map_err(wrong)
    } else {
        serde_json::from_str(&text).map(|request| vec![request]).map_err(wrong)
    }
}

fn show(out: &Output, view: &EvaluationView) {
    let mut table = Table::new(&["asked", "node", "api", "detail"]);
    for node in &view.nodes {
        let (hue, word) = match node.outcome {
            AskOutcome::Answered => (Hue::Green, "✓ answered"),
            AskOutcome::CannotDo => (Hue::Grey, "- not asked"),
            AskOutcome::Failed => (Hue::Vermilion, "× failed"),
        };
        table.row([
            Cell::painted(word, out.style.paint(hue, word)),
            Cell::from(&node.node),
            Cell::from(&node.api),
            Cell::from(&node.detail),
        ]);
    }
    table.print(out);
    let total = view.requests.len();
    let disagreed: Vec<_> = view.requests.iter().filter(|request| !request.agreed).collect();
    out.say(out.style.verdict(
        view.agreed,
        &format!("all nodes that answered agree on {total} requests"),
        &format!("nodes disagree on {} of {total} requests", disagreed.len()),
    ));
    for request in disagreed {
        let context = serde_json::to_string(&request.context).unwrap_or_default();
        out.say(format!("  {} {}", printable(&request.capability_id), printable(&context)));
        for answer in &request.answers {
            let effect = match (answer.allowed, answer.require_confirmation) {
                (_, true) => "require_confirmation",
                (true, false) => "allow",
                (false, false) => "deny",
            };
            let nodes = answer.nodes.join(", ");
            out.say(format!("    {effect}  {} ({})", printable(&nodes), printable(&answer.reason)));
        }
    }
}
