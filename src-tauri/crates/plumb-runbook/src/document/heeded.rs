//! What a document may only say where a run heeds it: anything else is refused, and never passed over.

use super::{Document, DocumentError, Step, StepKind};

/// What nothing would ever go by, and steps that stand where they are not done as it says.
pub(super) fn of_steps(document: &Document) -> Vec<DocumentError> {
    let mut errors = Vec::new();
    for step in &document.steps {
        match &step.kind {
            StepKind::Branch(_) => of_group(step, "the steps of its arms", &mut errors),
            StepKind::Runbook(_) => of_group(step, "the steps of that runbook", &mut errors),
            StepKind::Parallel(parallel) => {
                of_group(step, "each step it names", &mut errors);
                for id in &parallel.steps {
                    let beside = document.step(&id.value).map(|step| &step.kind);
                    if let Some(kind) = beside.filter(|kind| !is_check(kind)) {
                        let what = format!(
                            "no {} is done side by side with others: doctor, query, http, command and capture \
                             are",
                            kind.name()
                        );
                        errors.push(id.error(what));
                    }
                }
            }
            StepKind::Wait(wait) => {
                let watched = "nothing that `holds` may speak of changes while a run waits: write `monitors`, \
                               which are looked at all the while";
                errors.extend(wait.holds.iter().map(|holds| holds.error(watched)));
            }
            _ => {}
        }
    }
    errors
}

/// A step that leads to others comes to what they come to.
fn of_group(step: &Step, instead: &str, errors: &mut Vec<DocumentError>) {
    let name = step.kind.name();
    if let Some(success) = &step.success {
        let what = format!(
            "a {name} succeeded when its steps did: write `success` at {instead}, not here"
        );
        errors.push(success.error(what));
    }
    if step.retry.is_some() {
        let what = format!("a {name} is not tried again: write `retry` at {instead}, not here");
        errors.push(step.id.error(what));
    }
}

/// Whether it asks the world once, and changes nothing.
const fn is_check(kind: &StepKind) -> bool {
    matches!(
        kind,
        StepKind::Doctor(_)
            | StepKind::Query(_)
            | StepKind::Http(_)
            | StepKind::Command(_)
            | StepKind::Capture(_)
    )
}
