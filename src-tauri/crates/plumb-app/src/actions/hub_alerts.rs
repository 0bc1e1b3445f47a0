//! What people do with the alerts and incidents of a hub; while it does not answer, claims are kept for it.

use std::sync::Arc;

use plumb_alert::{Alert, AlertRef, IncidentRef, IncidentState, TentativeClaim};
use plumb_clients::hub::{HubClient, HubError};
use plumb_wire::alerts::ConvertBody;
use serde_json::{Value, json};

use crate::{
    actions::alerts::Prepared,
    alerts::hub::{self, Changed, HubInbox, away},
    app::App,
    error::{AppError, Code},
    views::{
        alerts::{ActedAlert, ActedView, RefusedAlert},
        incidents::IncidentAct,
    },
};

/// The hub of a fleet and what is kept of its inbox.
pub(crate) struct AtHub {
    inbox: Arc<HubInbox>,
    /// Why there is no client, where its token or certificates cannot be had.
    client: Result<HubClient, HubError>,
}

impl App {
    pub(crate) async fn at_hub(&self, fleet: &str) -> Result<Option<AtHub>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let Some(inbox) = self.hub_inbox(&loaded) else { return Ok(None) };
        let client = match self.hub_client(&loaded).await {
            Ok(Some(client)) => Ok(client),
            Ok(None) => return Ok(None),
            Err(error) => Err(error),
        };
        Ok(Some(AtHub { inbox, client }))
    }

    pub(crate) async fn act_at_hub(
        &self,
        at: &AtHub,
        refs: &[AlertRef],
        act: &Prepared,
    ) -> Result<ActedView, AppError> {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for alert in refs {
            match self.one_at_hub(at, alert, act).await {
                Ok(acted) => done.push(acted),
                Err(error) if error.code == Code::Unreachable && done.is_empty() => {
                    return Err(error);
                }
                Err(error) => {
                    refused.push(RefusedAlert { alert: alert.to_string(), why: error.message });
                }
            }
        }
        Ok(ActedView { done, refused })
    }

    async fn one_at_hub(
        &self,
        at: &AtHub,
        alert: &AlertRef,
        act: &Prepared,
    ) -> Result<ActedAlert, AppError> {
        let me = self.me();
        let answer = match &at.client {
            Ok(client) => asked(client, alert, act, &me).await,
            Err(error) => return self.without_hub(at, alert, act, error).await,
        };
        let changed = match answer {
            Ok(changed) => changed,
            // It may have arrived: what comes of it is settled like any claim made offline.
            Err(error) if away(&error) => return self.without_hub(at, alert, act, &error).await,
            Err(error) => return Err(error.into()),
        };
        let incident = changed.alert.incident_ref.as_ref().map(ToString::to_string);
        at.inbox.changed(changed.alert);
        Ok(ActedAlert { alert: alert.to_string(), incident, tentative: false, why: changed.why })
    }

    /// Keeps a claim for when the hub answers; anything else has to wait for it.
    async fn without_hub(
        &self,
        at: &AtHub,
        alert: &AlertRef,
        act: &Prepared,
        error: &HubError,
    ) -> Result<ActedAlert, AppError> {
        at.inbox.lost(error);
        if !matches!(act, Prepared::Claim) {
            return Err(AppError::new(
                Code::Unreachable,
                format!("{error}; only claims can be made meanwhile"),
                "wait until it answers, or claim the alert, which the hub decides about then",
            ));
        }
        let seen = at.inbox.seen();
        let now = self.now();
        if let Some(held) = seen.mirror.get(alert).filter(|known| !known.is_due(now)) {
            return Err(AppError::new(
                Code::Invalid,
                format!("{alert} was {} when the hub answered last", held.status()),
                "wait until the hub answers",
            ));
        }
        let lease_s = seen.policy.defaults.lock_ttl_seconds;
        let claim =
            TentativeClaim { alert: alert.clone(), owner: self.me(), made_at: now, lease_s };
        at.inbox.claim_offline(claim).await?;
        Ok(ActedAlert {
            alert: alert.to_string(),
            incident: None,
            tentative: true,
            why: vec!["the hub does not answer: it decides when it does".to_owned()],
        })
    }

    pub(crate) async fn act_on_incident_at_hub(
        &self,
        at: &AtHub,
        incident: &IncidentRef,
        act: &IncidentAct,
    ) -> Result<(), AppError> {
        let client = match &at.client {
            Ok(client) => client,
            Err(error) => {
                at.inbox.lost(error);
                return Err(AppError::new(
                    Code::Unreachable,
                    error.to_string(),
                    "look at [hub] in the fleet file, and at its credential",
                ));
            }
        };
        let (below, body) = match act {
            IncidentAct::Note { text } => ("events", json!({ "note": text.trim() })),
            IncidentAct::Move { to } => {
                ("move", json!({ "to": IncidentState::from(*to).as_str() }))
            }
            IncidentAct::Close { resolution } => {
                ("close", json!({ "resolution": resolution.trim() }))
            }
        };
        let path = format!("/v1/incidents/{incident}/{below}");
        let answer: Result<Value, HubError> = client.call("POST", &path, &body).await;
        answer.inspect_err(|error| {
            if away(error) {
                at.inbox.lost(error);
            }
        })?;
        at.inbox.changed_incident(hub::incident(client, incident).await?);
        Ok(())
    }
}

async fn asked(
    client: &HubClient,
    alert: &AlertRef,
    act: &Prepared,
    me: &str,
) -> Result<Changed, HubError> {
    match act {
        Prepared::Claim => hub::claim(client, alert, me, None).await,
        Prepared::Ack { note } => {
            hub::settled(client, alert, me, "ack", &json!({ "note": note })).await
        }
        Prepared::Fail { error, retry_after_s } => {
            let body = json!({ "error": error, "retry_after_seconds": retry_after_s });
            hub::settled(client, alert, me, "fail", &body).await
        }
        Prepared::Convert { cap, window } => {
            let body = ConvertBody {
                incident_severity_cap: cap.map(|cap| cap.to_string()),
                dedupe_window_minutes: *window,
            };
            let path = format!("/v1/alerts/{alert}/incident");
            let answer: Value = client.call("POST", &path, &body).await?;
            let why = answer["why"].as_array().into_iter().flatten();
            let why = why.filter_map(|why| why.as_str().map(str::to_owned)).collect();
            let alert: Alert = client.get(&format!("/v1/alerts/{alert}")).await?;
            Ok(Changed { alert, why })
        }
        Prepared::Triage { note, frozen } => {
            let mut body = serde_json::to_value(frozen).expect("JSON values always serialise");
            body["note"] = json!(note);
            hub::settled(client, alert, me, "triage", &body).await
        }
    }
}
