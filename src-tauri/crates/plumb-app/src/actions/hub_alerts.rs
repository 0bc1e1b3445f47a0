//! What people do with the alerts and incidents of a hub; while it does not answer, claims are kept for it.

use std::sync::Arc;

use plumb_alert::{Alert, AlertRef, IncidentRef, IncidentState, TentativeClaim};
use plumb_clients::hub::{HubClient, HubError};
use plumb_wire::alerts::ConvertBody;
use serde_json::{Value, json};

use crate::{
    actions::alerts::Prepared,
    alerts::hub::{
        HubInbox,
        asking::{self, Changed, away},
    },
    app::App,
    error::{AppError, Code},
    queries::alerts::alert_ref,
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

/// Why a hub was not told of a triage: it is asked by whoever knows how it was named.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    #[error(transparent)]
    Here(#[from] AppError),
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl App {
    /// The hub that the file of a fleet names, ready to be asked, and what it calls the fleet; nothing where the file names
    /// none.
    pub async fn named_hub(&self, fleet: &str) -> Result<Option<(HubClient, String)>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let hub = self.hub(&loaded).await?;
        Ok(hub.map(|hub| (hub.client().clone(), hub.fleet().to_owned())))
    }

    /// The address of the hub that the file of a fleet names.
    pub fn hub_address(&self, fleet: &str) -> Result<Option<String>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        Ok(loaded.fleet.hub.as_ref().map(|hub| hub.url.to_string()))
    }

    /// Settles an alert of a hub with what a fleet looks like now, which is written into the incident; within the cooldown
    /// of its signature, with a note that no triage ran.
    pub async fn triage_at(
        &self,
        hub: &HubClient,
        fleet: &str,
        alert: &str,
        note: &str,
    ) -> Result<Value, TriageError> {
        self.writable(fleet)?;
        let alert = alert_ref(alert)?;
        let frozen = self.frozen(fleet).await?;
        let mut body = serde_json::to_value(frozen).expect("JSON values always serialise");
        body["note"] = json!(note.trim());
        Ok(asking::triaged(hub, &alert, &self.me(), &body).await?)
    }

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
        let me = self.me();
        let mut acted = ActedView::default();
        for (index, alert) in refs.iter().enumerate() {
            let before = at.inbox.seen().place;
            let answer = match &at.client {
                Ok(client) => asked(client, alert, act, &me).await,
                Err(error) => return self.without_hub(at, refs, act, error, acted).await,
            };
            match answer {
                Ok(changed) => {
                    let incident = changed.alert.incident_ref.as_ref().map(ToString::to_string);
                    at.inbox.changed(changed.alert, before);
                    let (alert, why) = (alert.to_string(), changed.why);
                    acted.done.push(ActedAlert { alert, incident, tentative: false, why });
                }
                // One such answer stands for all that are left: each would be waited for as long. This one may have
                // arrived, and what comes of it is settled like any claim made offline.
                Err(error) if away(&error) => {
                    return self.without_hub(at, &refs[index..], act, &error, acted).await;
                }
                Err(error) => {
                    let guide = error.guide().map(str::to_owned);
                    let (alert, why) = (alert.to_string(), AppError::from(error).message);
                    acted.refused.push(RefusedAlert { alert, why, guide });
                }
            }
        }
        Ok(acted)
    }

    /// Keeps claims for when the hub answers; anything else has to wait for it.
    async fn without_hub(
        &self,
        at: &AtHub,
        refs: &[AlertRef],
        act: &Prepared,
        error: &HubError,
        mut acted: ActedView,
    ) -> Result<ActedView, AppError> {
        at.inbox.lost(error);
        if !matches!(act, Prepared::Claim) {
            let why = format!("{error}; only claims can be made meanwhile");
            if acted.done.is_empty() {
                return Err(AppError::new(
                    Code::Unreachable,
                    why,
                    "wait until it answers, or claim the alert, which the hub decides about then",
                ));
            }
            let refused = refs.iter().map(|alert| (alert.to_string(), why.clone()));
            acted.refused.extend(refused.map(|(alert, why)| RefusedAlert {
                alert,
                why,
                guide: None,
            }));
            return Ok(acted);
        }
        let seen = at.inbox.seen();
        let now = self.now();
        // Leases of others end by the clock of the hub.
        let there = now.saturating_add(seen.ahead).unwrap_or(now);
        let held = |alert: &AlertRef| seen.mirror.get(alert).filter(|known| !known.is_due(there));
        let (mut claims, mut done) = (Vec::new(), Vec::new());
        for alert in refs {
            if let Some(held) = held(alert) {
                let why = format!("{alert} was {} when the hub answered last", held.status());
                acted.refused.push(RefusedAlert { alert: alert.to_string(), why, guide: None });
                continue;
            }
            claims.push(TentativeClaim {
                alert: alert.clone(),
                owner: self.me(),
                made_at: now,
                lease_s: seen.policy.defaults.lock_ttl_seconds,
            });
            done.push(ActedAlert {
                alert: alert.to_string(),
                incident: None,
                tentative: true,
                why: vec!["the hub does not answer: it decides when it does".to_owned()],
            });
        }
        if !claims.is_empty() {
            at.inbox.claim_offline(claims).await?;
        }
        acted.done.extend(done);
        Ok(acted)
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
        at.inbox.changed_incident(asking::incident(client, incident).await?);
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
        Prepared::Claim => asking::claim(client, alert, me, None).await,
        Prepared::Ack { note } => {
            asking::settled(client, alert, me, "ack", &json!({ "note": note })).await
        }
        Prepared::Fail { error, retry_after_s } => {
            let body = json!({ "error": error, "retry_after_seconds": retry_after_s });
            asking::settled(client, alert, me, "fail", &body).await
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
            asking::settled(client, alert, me, "triage", &body).await
        }
    }
}
