//! A runbook as people write it: a Markdown document with front matter, prose and fenced step blocks.
//!
//! Reading it never does anything. What it says about places, names and order is checked as far as
//! the text alone can tell, and every error has a line and a column.

mod at;
mod check;
mod dashboard;
mod effect;
mod error;
mod expression;
mod front;
mod heeded;
mod library;
mod phases;
mod plan;
mod split;
mod step;
pub mod steps;
mod template;
mod yaml;

pub use at::At;
pub use dashboard::{DASHBOARD_TAG, DashboardOf, dashboard_uid, expires_at};
pub use effect::StepEffect;
pub use error::DocumentError;
pub use expression::{Expression, ExpressionError, Scope};
pub use front::{FrontMatter, Owners, Parameter, ParameterType, RunbookKind, Severity, Trace};
pub use library::Library;
pub use plan::{Compiled, PlannedStep, RunbookPlan, RunbookPlanError, ScopeOf, Trusted};
pub use step::{Monitor, Phase, Retry, Step, StepKind};
pub use template::{ANSWER, OF_RUN, placeholders, substitute};

/// Values to fill in, by their names.
pub type Values = std::collections::BTreeMap<String, String>;

/// Longest document, in bytes: a thousand steps with a paragraph each.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Most steps of a document.
pub const STEPS_MAX: usize = 1_000;
/// Most errors told at once; who has more fixes these first.
pub const ERRORS_MAX: usize = 50;

/// A runbook, read and checked.
#[derive(Debug, Clone)]
pub struct Document {
    pub front: FrontMatter,
    /// The document below the front matter, as written; to be shown under the rules of untrusted
    /// markup.
    pub body: String,
    pub steps: Vec<Step>,
}

/// Reads and checks a whole document; the errors come in the order of their lines.
pub fn parse(text: &str) -> Result<Document, Vec<DocumentError>> {
    let document = parse_kept(text)?;
    let mut errors = phases::of_rollout(&document);
    errors.extend(heeded::of_steps(&document));
    if errors.is_empty() { Ok(document) } else { Err(sorted(errors)) }
}

/// The same by the rules of plans of the first format, so that the runs of them can be read for ever.
fn parse_kept(text: &str) -> Result<Document, Vec<DocumentError>> {
    let parts = split::split(text).map_err(|error| vec![error])?;
    let front = yaml::read::<FrontMatter>(&parts.front);
    let mut errors = Vec::new();
    let mut steps = Vec::new();
    for block in &parts.steps {
        match yaml::read::<Step>(block) {
            Ok(step) => steps.push(step),
            Err(error) => errors.push(error),
        }
    }
    match front {
        Ok(front) if errors.is_empty() => {
            let document = Document { front, body: parts.body.to_owned(), steps };
            let errors = check::check(&document);
            if errors.is_empty() { Ok(document) } else { Err(sorted(errors)) }
        }
        Ok(_) => Err(sorted(errors)),
        Err(error) => {
            errors.push(error);
            Err(sorted(errors))
        }
    }
}

/// Reads the front matter alone: what a list of runbooks shows.
pub fn parse_front(text: &str) -> Result<FrontMatter, DocumentError> {
    yaml::read(&split::front(text)?.0)
}

/// For `cargo fuzz` and the mutations of this crate's tests: any bytes are read or refused.
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse(text) {
        Ok(document) => {
            assert!(document.steps.len() <= STEPS_MAX, "limits hold for what is accepted");
        }
        Err(errors) => {
            let lines = text.split('\n').count();
            for error in &errors {
                let line = usize::try_from(error.line).expect("a line number");
                assert!((1..=lines + 1).contains(&line), "an error is in the document: {error}");
            }
            assert!(!errors.is_empty() && errors.len() <= ERRORS_MAX, "a refusal says why");
        }
    }
}

fn sorted(mut errors: Vec<DocumentError>) -> Vec<DocumentError> {
    errors.sort_by(|a, b| (a.line, a.column, &a.what).cmp(&(b.line, b.column, &b.what)));
    errors.dedup();
    errors.truncate(ERRORS_MAX);
    errors
}
