//! `journal verify`: whether the record of a run holds together.

use clap::Subcommand;
use plumb_app::views::journal::JournalVerdict;

use crate::{
    exit::{Exit, Outcome},
    session::Session,
    text::{escape::printable, table::short},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Check numbers, hashes and links from the first event on
    Verify {
        /// Id of the run
        #[arg(value_name = "RUN")]
        run: String,
    },
}

impl Journal {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Self::Verify { run } = self;
        session
            .with_app(async |app| {
                let view = app.verify_journal(run).await?;
                let holds = view.verdict != JournalVerdict::Broken && view.plan_matches;
                session.out.show(&view, |out| {
                    let word = match view.verdict {
                        JournalVerdict::Complete => "complete",
                        JournalVerdict::Prefix => "a sound prefix",
                        JournalVerdict::Broken => "broken",
                    };
                    out.say(out.style.verdict(holds, word, word));
                    out.say(format!("  {}", printable(&view.detail)));
                    let head = short(Some(&view.head));
                    out.say(format!("  {} events, head {head}", view.events));
                    let plan = short(Some(&view.plan_hash));
                    let matches = if view.plan_matches { "is" } else { "is NOT" };
                    out.say(format!(
                        "  the kept plan {plan} {matches} the one it was started with"
                    ));
                });
                Ok(Exit::fine_if(holds))
            })
            .await
    }
}
