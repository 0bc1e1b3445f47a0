//! `man`: the manual pages, for packages that install them.

use std::fs;

use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _};

use crate::{
    args::Arguments,
    exit::{Exit, Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder for one page a command; made where it is not there
    folder: Utf8PathBuf,
}

impl Man {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        if session.out.json {
            return Err(Failure::usage("manual pages are no JSON", "leave --json out"));
        }
        let folder = &self.folder;
        let written = fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
        written.map_err(|error| {
            Failure::usage(
                format!("no manual pages in {folder}: {error}"),
                "name a folder that can be written",
            )
        })?;
        session.out.note(format!("manual pages are in {folder}"));
        Ok(Exit::Fine)
    }
}
