//! `completion`: a script that completes words in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{
    args::Arguments,
    exit::{Exit, Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Completion {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        if session.out.json {
            return Err(Failure::usage("a completion script is no JSON", "leave --json out"));
        }
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "plumb", &mut script);
        session.out.raw(&String::from_utf8_lossy(&script));
        Ok(Exit::Fine)
    }
}
