//! The page for people: what was done, by whom, how it ended, and what is missing.

use plumb_evidence::{
    Capture,
    diff::decision,
    report::{Page, Picture, Section, html},
};
use plumb_fleet::RunId;
use plumb_journal::Event;

use super::Scope;
use crate::{app::App, error::AppError};

/// Runs that the page tells of; the archive has all.
const RUNS_TOLD_MAX: usize = 20;

/// Writes the page. Every text of others goes through the redaction first.
pub(super) async fn page(
    app: &App,
    capture: &mut Capture,
    scope: &Scope,
    (runs, pictures): (&[RunId], Vec<Picture>),
) -> Result<String, AppError> {
    let about = capture.draft().about().clone();
    let mut page = Page {
        title: format!("Evidence about {}", about.fleet),
        lead: format!(
            "{}, {}, from {} to {}. Check it as instructions.txt says before you believe it.",
            about.environment, about.selection, about.window.from, about.window.to
        ),
        sections: Vec::new(),
    };
    page.sections.push(facts(&about.by, scope));
    if !pictures.is_empty() {
        page.sections.push(Section {
            title: "Versions and history".to_owned(),
            text: "What nodes ran when this was captured, and over its time; the same as in the window."
                .to_owned(),
            pictures,
            ..Section::default()
        });
    }
    for run in runs.iter().take(RUNS_TOLD_MAX) {
        // Of a run that cannot be read what is missing tells why.
        if let Ok(sections) = self::run(app, *run).await {
            page.sections.extend(sections);
        }
    }
    let missing = capture.draft().missing().to_vec();
    page.sections.push(Section {
        title: "What is missing".to_owned(),
        text: match missing.len() {
            0 => "Everything that was asked for could be collected.".to_owned(),
            count => format!("{count} things could not be collected."),
        },
        columns: ["what", "why"].map(str::to_owned).into(),
        rows: missing.into_iter().map(|missing| vec![missing.what, missing.why]).collect(),
        ..Section::default()
    });
    Ok(html(&redacted(capture, page)))
}

/// What came of a run, and what was decided in it.
async fn run(app: &App, run: RunId) -> Result<[Section; 2], AppError> {
    let id = run.to_string();
    if app.is_of_runbook(run).await? {
        let (_, of) = app.runbook_plan(run).await?;
        let view = app.runbook_run(&id).await?;
        let steps = view.steps.into_iter().map(|step| {
            let by = step.by.map(|by| format!(" ({by})")).unwrap_or_default();
            vec![step.title, step.state, format!("{}{by}", step.detail)]
        });
        let section = Section {
            title: format!("Run {run} of the runbook {}", of.title),
            text: format!("Started by {}; runs/*/transcript.txt has every event.", view.operator),
            columns: ["step", "state", "detail"].map(str::to_owned).into(),
            rows: steps.collect(),
            ..Section::default()
        };
        return Ok([section, decisions(app, run).await?]);
    }
    let view = app.run(&id).await?;
    let nodes = view.nodes.iter().map(|node| {
        vec![node.node.clone(), words(&format!("{:?}", node.state)), node.detail.clone()]
    });
    let section = Section {
        title: format!("Run {run}"),
        text: format!("{}. {}", view.title, view.summary),
        columns: ["node", "state", "detail"].map(str::to_owned).into(),
        rows: nodes.collect(),
        ..Section::default()
    };
    Ok([section, decisions(app, run).await?])
}

fn facts(by: &str, scope: &Scope) -> Section {
    let sweep = scope.current.sweep.map_or_else(
        || "never swept".to_owned(),
        |sweep| {
            let (answered, total) = (sweep.answered, sweep.total);
            format!("{}, {answered} of {total} nodes answered", sweep.finished_at)
        },
    );
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    Section {
        title: "What this is".to_owned(),
        columns: ["what", "value"].map(str::to_owned).into(),
        rows: vec![row("captured by", by.to_owned()), row("newest sweep", sweep)],
        ..Section::default()
    }
}

async fn decisions(app: &App, run: RunId) -> Result<Section, AppError> {
    let mut rows = Vec::new();
    app.each_event(run, |entry| {
        let said = match &entry.body.event {
            Event::RunEnded { outcome } => Some(format!("ended: {}", words(outcome.name()))),
            event => decision(event),
        };
        rows.extend(said.map(|said| vec![entry.body.at.to_string(), said]));
    })
    .await?;
    Ok(Section {
        title: "Decisions".to_owned(),
        text: "Every decision in the journal, in order; runs/*/journal.jsonl has every event."
            .to_owned(),
        columns: ["when", "what"].map(str::to_owned).into(),
        rows,
        ..Section::default()
    })
}

/// `InDoubt` or `in_doubt` as people write it.
fn words(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c == '_' || (c.is_ascii_uppercase() && !out.is_empty()) {
            out.push(' ');
        }
        if c != '_' {
            out.push(c.to_ascii_lowercase());
        }
    }
    out
}

fn redacted(capture: &mut Capture, mut page: Page) -> Page {
    page.title = capture.text(&page.title);
    page.lead = capture.text(&page.lead);
    for section in &mut page.sections {
        section.title = capture.text(&section.title);
        section.text = capture.text(&section.text);
        for cell in section.rows.iter_mut().flatten() {
            *cell = capture.text(cell);
        }
    }
    page
}
