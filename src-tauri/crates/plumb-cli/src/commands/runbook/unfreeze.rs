//! `runbook unfreeze`: lifts what a run left frozen, by hand.

use clap::Args;
use plumb_app::views::plan::ConfirmationView;

use super::ended;
use crate::{
    args::Confirm,
    confirm::confirm,
    exit::{Exit, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Unfreeze {
    /// The run, by its id
    #[arg(value_name = "RUN")]
    run: String,
    /// Why it is lifted by hand; it stands in the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The phrase that is asked for, for example "unfreeze prod-eu"
    #[arg(long = "confirm", value_name = "PHRASE")]
    phrase: Option<String>,
}

impl Unfreeze {
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let rung =
                    ConfirmationView::Typed { phrase: app.unfreeze_phrase(&self.run).await? };
                let given = Confirm { phrase: self.phrase.clone(), ..Confirm::default() };
                let typed = confirm(session.out, &rung, &given)?.unwrap_or_default();
                let view = app.unfreeze(&self.run, &typed, &self.reason).await?;
                session.out.show(&view, |out| {
                    out.say(format!("the freeze of {} is lifted", view.fleet));
                    ended(out, &view);
                });
                Ok(Exit::Fine)
            })
            .await
    }
}
