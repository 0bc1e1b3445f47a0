//! `runbook record`: what was done, as a runbook that does it again.

use camino::Utf8PathBuf;
use clap::Args;
use plumb_app::actions::files::write_chosen;

use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Runs to record, in this order; the newest of the fleet when none is named
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// What the runbook is called
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The new file; the text is printed without it
    #[arg(long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl Record {
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        if let Some(path) = self.output.as_ref().filter(|path| path.exists()) {
            let message = format!("{path} is there already");
            return Err(Failure::usage(message, "name a new file, or move that one away"));
        }
        session
            .with_fleet(async |app, fleet| {
                let view = app.record_runbook(fleet, &self.runs, self.title.as_deref()).await?;
                if let Some(path) = &self.output {
                    write_chosen(path.clone(), view.text.clone()).await?;
                }
                session.out.show(&view, |out| match &self.output {
                    None => view.text.lines().for_each(|line| out.say(printable(line))),
                    Some(path) => {
                        out.say(format!("{}: {path}", printable(&view.title)));
                        for left in &view.left_out {
                            out.say(printable(&format!("not recorded: {left}")));
                        }
                        out.say(out.style.faint(&format!("try it: plumb runbook rehearse {path}")));
                    }
                });
                Ok(Exit::Fine)
            })
            .await
    }
}
