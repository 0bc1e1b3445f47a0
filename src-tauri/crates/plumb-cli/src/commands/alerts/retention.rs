//! `alerts retention`: what the console's own inbox keeps no longer.

use clap::{Args, value_parser};
use serde_json::Value;

use crate::{
    commands::{alerts::text, hub::access::HubArgs, inbox::Inbox},
    exit::{Exit, Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Retention {
    /// How long acknowledged alerts are kept; without it as retention_policy.yml beside the console's files says, or else 30.
    /// What nobody dealt with stays, and so do incidents
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(0..=3_650))]
    acked_days: Option<u32>,
    /// Remove them
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    hub: HubArgs,
}

impl Retention {
    pub(super) fn hub(&self) -> &HubArgs {
        &self.hub
    }

    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_inbox(&self.hub, async |inbox| {
                let Inbox::Own(own) = inbox else {
                    return Err(Failure::usage(
                        "alerts of a hub are not removed from here",
                        "at the hub: plumb hub retention --data DIR --acked-days DAYS",
                    ));
                };
                let answer: Value = own.retention(self.acked_days, self.apply).await?;
                session.out.show(&answer, |out| {
                    let verb = if self.apply { "removed" } else { "would remove" };
                    let before = text(&answer["before"]);
                    out.say(format!(
                        "{verb} {} alerts that were acknowledged before {before}, {} days ago",
                        answer["alerts"], answer["acked_days"]
                    ));
                    if !self.apply {
                        out.say("nothing is removed without --apply");
                    }
                });
                Ok(Exit::Fine)
            })
            .await
    }
}
