//! `runbook request`: the file that those who approve a run sign on machines of their own.

use camino::Utf8PathBuf;
use clap::Args;
use plumb_app::actions::files::write_chosen;

use crate::{
    exit::{Exit, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The run that waits for an approval, by its id
    #[arg(value_name = "RUN")]
    run: String,
    /// File to write the request to; where the fleet file names a hub, it lies in the mailbox of the plan as well
    #[arg(short, long, value_name = "FILE")]
    output: Utf8PathBuf,
}

impl Request {
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let (bytes, view) = app.runbook_request(&self.run).await?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                write_chosen(self.output.clone(), text).await?;
                session.out.show(&view, |out| {
                    let groups = view.groups.join(" and ");
                    let line =
                        format!("{} asks {groups} for approval of {}", view.operator, view.what);
                    out.say(printable(&line));
                    let hint = format!("whoever approves: plumb approve --request {}", self.output);
                    out.say(out.style.faint(&printable(&hint)));
                });
                Ok(Exit::Fine)
            })
            .await
    }
}
