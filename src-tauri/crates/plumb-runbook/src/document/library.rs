//! All runbooks together: what no document can tell alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Document, DocumentError, RunbookKind, StepKind};

/// Runbooks by the name of their file.
#[derive(Debug, Default)]
pub struct Library {
    pub documents: BTreeMap<String, Document>,
}

impl Library {
    /// Links that lead nowhere, wrong parameters, and runbooks that run themselves in the end.
    pub fn check(&self) -> BTreeMap<String, Vec<DocumentError>> {
        let mut found: BTreeMap<String, Vec<DocumentError>> = BTreeMap::new();
        for (file, document) in &self.documents {
            let errors = self.links(file, document);
            if !errors.is_empty() {
                found.insert(file.clone(), errors);
            }
        }
        found
    }

    fn links(&self, file: &str, document: &Document) -> Vec<DocumentError> {
        let mut errors = Vec::new();
        for link in &document.front.related {
            if !self.documents.contains_key(&link.value) {
                errors.push(link.error(format!("there is no runbook {}", link.value)));
            }
        }
        errors.extend(self.called(file, document));
        errors
    }

    fn called(&self, file: &str, document: &Document) -> Vec<DocumentError> {
        let mut errors = Vec::new();
        for step in &document.steps {
            let StepKind::Runbook(called) = &step.kind else { continue };
            let Some(other) = self.documents.get(&called.file.value) else {
                errors
                    .push(called.file.error(format!("there is no runbook {}", called.file.value)));
                continue;
            };
            if other.front.kind == RunbookKind::Rollout {
                let what =
                    format!("{} is a rollout, which is never part of another", called.file.value);
                errors.push(called.file.error(what));
            }
            if self.run_by(&called.file.value).contains(file) {
                let what = format!("{} runs this runbook again", called.file.value);
                errors.push(called.file.error(what));
            }
            let known = |name: &str| other.front.parameters.iter().any(|p| p.name.value == name);
            for name in called.parameters.keys().filter(|name| !known(name)) {
                let what = format!("{} has no parameter {name}", called.file.value);
                errors.push(called.file.error(what));
            }
            let missing = other.front.parameters.iter().filter(|parameter| {
                parameter.default.is_none()
                    && !called.parameters.contains_key(&parameter.name.value)
            });
            for parameter in missing {
                let what = format!("{} needs {}", called.file.value, parameter.name.value);
                errors.push(called.file.error(what));
            }
        }
        errors.extend(self.outside_phases(document));
        errors
    }

    /// What is wrong with the steps of a runbook that run others, and of those that they run.
    pub fn calls(&self, file: &str) -> Vec<DocumentError> {
        let run_by = self.run_by(file);
        let found = run_by.iter().filter_map(|file| Some((file, self.documents.get(file)?)));
        found.flat_map(|(file, document)| self.called(file, document)).collect()
    }

    /// The file and every file that it runs, over however many.
    pub fn run_by(&self, file: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            if !found.insert(file.to_owned()) {
                continue;
            }
            let Some(document) = self.documents.get(file) else { continue };
            open.extend(document.steps.iter().filter_map(|step| match &step.kind {
                StepKind::Runbook(called) => Some(called.file.value.as_str()),
                _ => None,
            }));
        }
        found
    }
}
