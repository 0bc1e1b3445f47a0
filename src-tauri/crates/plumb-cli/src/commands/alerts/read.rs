//! `alerts read`: what fires elsewhere now, told to the inbox once, for servers that cannot send webhooks to a hub.

use clap::{ArgGroup, Args};
use plumb_app::alert_sources::{
    AlertSource, AlertSourceError, AlertSourceKind, CredentialRef, Notification,
};
use serde_json::json;

use crate::{
    commands::{hub::access::HubArgs, inbox::Inbox},
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["alertmanager", "prometheus"])))]
pub(crate) struct Read {
    /// Address of an Alertmanager: what is silenced or inhibited is not told
    #[arg(long, value_name = "URL")]
    alertmanager: Option<String>,
    /// Address of a Prometheus: what is pending is not told
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// File with the token for it
    #[arg(long = "token-file", value_name = "FILE")]
    server_token_file: Option<String>,
    /// PEM certificates its own has to descend from; the system's without it
    #[arg(long = "ca", value_name = "FILE")]
    server_ca: Option<String>,
    #[command(flatten)]
    hub: HubArgs,
}

impl Read {
    pub(super) fn hub(&self) -> &HubArgs {
        &self.hub
    }

    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        let (kind, receiver, url) = match (&self.alertmanager, &self.prometheus) {
            (Some(url), _) => (AlertSourceKind::Alertmanager, "read", url),
            (None, url) => {
                let url = url.as_ref().ok_or_else(|| {
                    Failure::usage("nobody is named", "give --alertmanager or --prometheus")
                })?;
                (AlertSourceKind::Prometheus, "prometheus", url)
            }
        };
        let token = self.server_token_file.as_ref();
        let credential =
            token.map(|file| CredentialRef::Command(vec!["cat".to_owned(), file.clone()]));
        let source = AlertSource { kind, url: url.clone(), credential, ca: self.server_ca.clone() };
        let alerts = source.firing().await.map_err(|error| unread(&error))?;
        let count = alerts.len();
        let notification = Notification {
            version: "4".to_owned(),
            receiver: receiver.to_owned(),
            alerts,
            truncated_alerts: 0,
        };
        session
            .with_inbox(&self.hub, async |inbox| {
                let answer = match inbox {
                    Inbox::Own(own) => own.notified(&notification).await?,
                    _ => inbox.call("/v1/alertmanager/webhook", &json!(notification)).await?,
                };
                let whom = if matches!(inbox, Inbox::Own(_)) { "inbox" } else { "hub" };
                let told = format!("{count} alerts were told to the {whom}");
                let rejected = answer["rejected"].as_array().map_or(&[][..], Vec::as_slice);
                session.out.show(&answer, |out| {
                    out.say(told);
                    for lost in rejected {
                        out.note(format!("not kept: {}", printable(&lost.to_string())));
                    }
                });
                Ok(Exit::fine_if(rejected.is_empty()))
            })
            .await
    }
}

fn unread(error: &AlertSourceError) -> Failure {
    let exit = match error {
        AlertSourceError::Url { .. } => Exit::Usage,
        AlertSourceError::NoAnswer(_) => Exit::Unreachable,
    };
    Failure::new(exit, error.to_string(), "look whether it runs, and whether the address is right")
}
