//! Names in a runbook that only this program knows: checks of the doctor, and figures of nodes and of a hub.

use plumb_fleet::DriftState;
use plumb_runbook::document::{At, Document, DocumentError, StepKind, steps::query::Source};

use crate::queries::doctor::Check;

/// Figures over the nodes of a fleet beside the names of drift states.
pub(super) const OF_NODES: [&str; 2] = ["nodes", "silent"];
/// Figures of a hub: alerts by their status, and claims nobody holds any more.
pub(super) const OF_HUB: [&str; 5] = ["new", "processing", "failed", "acked", "stale"];

/// Names of a document that nothing here answers to, each at the step that says it. What is filled in later is
/// judged when it is asked.
pub(super) fn unknown(document: &Document) -> Vec<DocumentError> {
    let checks: Vec<&str> = Check::ALL.into_iter().map(Check::name).collect();
    let mut of_nodes: Vec<&str> = OF_NODES.to_vec();
    of_nodes.extend(DriftState::ALL.into_iter().map(DriftState::name));
    let mut errors = Vec::new();
    let mut told = |at: &At<String>, name: &str, what: &str, known: &[&str]| {
        if !name.contains("${") && !known.contains(&name) {
            let nearest = known.iter().min_by_key(|known| distance(name, known));
            let nearest = nearest.copied().unwrap_or_default();
            let what = format!("there is no {what} {name}; the nearest is {nearest}");
            errors.push(DocumentError { line: at.line, column: at.column, what });
        }
    };
    if let Some(check) = &document.front.doctor_check {
        told(check, &check.value, "check", &checks);
    }
    for step in &document.steps {
        let mut figure = |source: Source, query: &str| match source {
            Source::Nodes => told(&step.id, query, "figure of nodes", &of_nodes),
            Source::Hub => told(&step.id, query, "figure of a hub", &OF_HUB),
            Source::Prometheus => {}
        };
        if let StepKind::Query(asked) = &step.kind {
            figure(asked.source, &asked.query);
        }
        for monitor in &step.monitors {
            figure(monitor.source, &monitor.query);
        }
        if let StepKind::Doctor(doctor) = &step.kind {
            told(&step.id, &doctor.check, "check", &checks);
        }
    }
    errors
}

/// How many letters have to be put in, taken out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (at, against) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *against);
            corner = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_distance_is_counted_in_letters() {
        let words = [("silent", "silent", 0), ("slient", "silent", 2), ("", "new", 3)];
        for (one, other, expected) in words {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }
}
