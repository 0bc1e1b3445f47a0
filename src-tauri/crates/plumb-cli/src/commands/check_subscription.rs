//! `policy bundle check-subscription`: how a node follows its source (R030).

use clap::Args;

use crate::{
    exit::Outcome,
    session::Session,
    text::{age::age_or_dash, escape::printable},
};

#[derive(Debug, Args)]
pub(crate) struct CheckSubscription {
    /// The node, by its name in the fleet file
    #[arg(long, value_name = "ID")]
    node: String,
}

impl CheckSubscription {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let named = [self.node.clone()];
                let look = session.look(app, fleet, Some(&named)).await?;
                let view = app.check_subscription(fleet, &self.node).await?;
                session.out.show(&view, |out| {
                    let verdict = out.style.verdict(view.healthy, "subscribed", "not following");
                    out.say(format!("{verdict}  {} ({})", view.node, view.api));
                    out.say(format!("  {}", printable(&view.why)));
                    out.say(format!("  follows    {}", view.follows));
                    let confirmed = age_or_dash(view.now_ms, view.confirmed_at_ms);
                    out.say(format!("  confirmed  {confirmed} ago (limit {} s)", view.age_s_max));
                    for line in &view.settings {
                        let (key, value) = (printable(&line.key), printable(&line.value));
                        out.say(format!("  {key} = {value}"));
                    }
                    if let Some(remedy) = &view.remedy {
                        out.say(format!("  what to do: {remedy}"));
                    }
                });
                Ok(look.exit(view.healthy))
            })
            .await
    }
}
