//! `runbook check`: every error of runbooks, with its line and column.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use clap::Args;
use plumb_app::runbooks::Shelf;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    exit::{Exit, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files to check, with the runbooks beside them; the library when none is named
    #[arg(value_name = "FILE")]
    files: Vec<Utf8PathBuf>,
}

/// What a check of runbooks found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunbookCheckDocument {
    pub(crate) files: u32,
    /// By the name of the file: `LINE:COLUMN: what is wrong`.
    pub(crate) problems: BTreeMap<String, Vec<String>>,
}

impl Check {
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let mut problems: BTreeMap<String, Vec<String>> = BTreeMap::new();
                let mut files = 0_u32;
                if self.files.is_empty() {
                    let shelf = app.runbooks().await?;
                    for (file, _) in shelf.texts() {
                        files += 1;
                        note_problems(&mut problems, file, &shelf);
                    }
                }
                for path in &self.files {
                    let (shelf, file) = app.runbooks_beside(path).await?;
                    files += 1;
                    note_problems(&mut problems, &file, &shelf);
                }
                let document = RunbookCheckDocument { files, problems };
                session.out.show(&document, |out| {
                    for line in document.problems.values().flatten() {
                        out.say(printable(line));
                    }
                    if document.problems.is_empty() {
                        out.say(format!("{} runbooks are sound", document.files));
                    }
                });
                let sound = document.problems.is_empty();
                Ok(if sound { Exit::Fine } else { Exit::Usage })
            })
            .await
    }
}

fn note_problems(problems: &mut BTreeMap<String, Vec<String>>, file: &str, shelf: &Shelf) {
    if let Err(error) = shelf.documents(file) {
        problems.insert(file.to_owned(), error.message.lines().map(str::to_owned).collect());
    }
}
