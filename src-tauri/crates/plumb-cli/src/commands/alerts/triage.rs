//! `alerts triage`: what a fleet looks like now is written into the incident of an alert, and the alert is closed.

use clap::Args;
use plumb_app::{App, actions::hub_alerts::TriageError, hub::HubClient};
use serde_json::Value;

use super::{guide, reasons, text};
use crate::{
    commands::{hub::access::HubArgs, inbox::Inbox},
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Triage {
    /// Reference of the alert, as lists show it
    #[arg(value_name = "ALERT")]
    alert: String,
    /// What you found
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    hub: HubArgs,
}

impl Triage {
    pub(super) fn hub(&self) -> &HubArgs {
        &self.hub
    }

    /// Looks at the fleet, freezes what it sees, its drift, its last runs and what checks find.
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        let named = if self.hub.is_named() {
            Some(self.hub.client()?)
        } else {
            self.hub.is_left_out()?;
            None
        };
        session
            .with_fleet(async |app, fleet| {
                let inbox = match named {
                    Some(client) => Inbox::Hub(client),
                    None => Inbox::of(app, Some(fleet)).await?,
                };
                session.tell_inbox(&inbox).await?;
                // Nobody has to answer: that nobody does is worth writing down.
                session.look(app, fleet, None).await?;
                let answer = match &inbox {
                    Inbox::Own(own) => own.triage(&self.alert, &self.note).await?,
                    Inbox::Hub(client) | Inbox::OfFleet { client, .. } => {
                        self.at_hub(app, fleet, &inbox, client).await?
                    }
                };
                session.out.show(&answer, |out| told(out, &answer));
                Ok(Exit::Fine)
            })
            .await
    }

    async fn at_hub(
        &self,
        app: &App,
        fleet: &str,
        inbox: &Inbox<'_>,
        hub: &HubClient,
    ) -> Result<Value, Failure> {
        let answer = app.triage_at(hub, fleet, &self.alert, &self.note).await;
        answer.map_err(|error| match error {
            TriageError::Here(error) => error.into(),
            TriageError::Hub(error) => inbox.failed(error),
        })
    }
}

fn told(out: &Output, answer: &Value) {
    let (alert, incident) = (&answer["alert"], text(&answer["incident_ref"]));
    let what = if answer["ran"] == true {
        "the state of the fleet stands in"
    } else {
        "no triage ran, which is noted in"
    };
    out.say(format!(
        "{} is {}: {what} {incident}",
        text(&alert["alert_ref"]),
        text(&alert["status"])
    ));
    reasons(out, answer);
    guide(out, answer);
}
