//! What people do with alerts and incidents.

use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Caller, ConversionTerms, Decided, Failure, Frozen,
    IncidentState, Refusal, Severity,
};
use plumb_inbox::{Inbox, InboxError};
use plumb_wire::alerts::guides;
use tracing::{info, instrument};

use crate::{
    alerts::{lines::ACTED_MAX, refused},
    app::App,
    error::{AppError, Code},
    queries::{alerts::alert_ref, incidents::incident_ref},
    topics::Topic,
    views::{
        alerts::{ActedAlert, ActedView, AlertAct, AlertRow, RefusedAlert},
        incidents::{IncidentAct, IncidentView},
    },
};

/// Longest pause that a person gives a failed alert, in seconds: a week.
const PAUSE_S_MAX: u32 = 7 * 24 * 3_600;

/// An act that was checked, with what it needs beside the alert.
pub(crate) enum Prepared {
    Claim,
    Ack { note: String },
    Fail { error: String, retry_after_s: i64 },
    Convert { cap: Option<Severity>, window: Option<u32> },
    Triage { note: String, frozen: Frozen },
}

impl App {
    /// Does one thing with each of these alerts; one that does not allow it does not keep the others from it.
    #[instrument(skip_all, fields(fleet))]
    pub async fn act_on_alerts(
        &self,
        fleet: &str,
        alerts: &[String],
        act: &AlertAct,
    ) -> Result<ActedView, AppError> {
        self.writable(fleet)?;
        if alerts.len() > ACTED_MAX {
            return Err(AppError::new(
                Code::Invalid,
                format!("{} alerts are more than {ACTED_MAX} at once", alerts.len()),
                "mark fewer, or go on after these",
            ));
        }
        let refs = alerts.iter().map(|alert| alert_ref(alert)).collect::<Result<Vec<_>, _>>()?;
        let prepared = self.prepared_act(fleet, act).await?;
        let mut acted = if matches!(prepared, Prepared::Claim) {
            // Before it is done, so that nobody is told of it in between.
            let fresh = self.note_claims(&refs);
            let acted = self.carried_out(fleet, &refs, &prepared).await;
            let done = acted.as_ref().map_or(&[][..], |acted| &acted.done);
            self.forget_claims(fresh, done);
            acted?
        } else {
            self.carried_out(fleet, &refs, &prepared).await?
        };
        if !acted.done.is_empty() {
            acted.rows = self.rows_of(fleet, &acted.done).await;
            self.announce([Topic::Alerts]);
        }
        info!(done = acted.done.len(), refused = acted.refused.len(), "alerts changed");
        Ok(acted)
    }

    /// What was done is done: where its rows cannot be told, the list is asked for them.
    async fn rows_of(&self, fleet: &str, done: &[ActedAlert]) -> Vec<AlertRow> {
        let Ok(desk) = self.desk(fleet).await else { return Vec::new() };
        let me = self.my_names();
        let around = desk.around(&me, self.now());
        let refs = done.iter().filter_map(|acted| alert_ref(&acted.alert).ok());
        refs.filter_map(|alert| Some(around.row(desk.mirror.get(&alert)?))).collect()
    }

    async fn carried_out(
        &self,
        fleet: &str,
        refs: &[AlertRef],
        act: &Prepared,
    ) -> Result<ActedView, AppError> {
        match self.at_hub(fleet).await? {
            Some(hub) => self.act_at_hub(&hub, refs, act).await,
            None => self.act_here(refs, act).await,
        }
    }

    /// Those that this program did not claim before.
    fn note_claims(&self, refs: &[AlertRef]) -> Vec<AlertRef> {
        let mut claimed = self.0.claimed.lock().expect("no panic while claims are held");
        refs.iter().filter(|alert| claimed.insert((*alert).clone())).cloned().collect()
    }

    /// A claim that was refused is none.
    fn forget_claims(&self, fresh: Vec<AlertRef>, done: &[ActedAlert]) {
        let mut claimed = self.0.claimed.lock().expect("no panic while claims are held");
        for alert in fresh {
            let text = alert.to_string();
            if !done.iter().any(|acted| acted.alert == text) {
                claimed.remove(&alert);
            }
        }
    }

    async fn act_here(&self, refs: &[AlertRef], act: &Prepared) -> Result<ActedView, AppError> {
        let (inbox, me) = (self.0.alerts.inbox(), self.me());
        let (mut done, mut refusals) = (Vec::new(), Vec::new());
        for alert in refs {
            match carry_out(&inbox, alert, act, &me).await {
                Ok((changed, acted)) => {
                    self.0.alerts.changed([changed]);
                    done.push(acted);
                }
                Err(InboxError::Store(failure)) if done.is_empty() => {
                    return Err(refused(failure.into()));
                }
                Err(error) => {
                    let gone = matches!(error, InboxError::Refused(Refusal::NoAlert { .. }));
                    let guide = gone.then(|| guides::NOT_FOUND.to_owned());
                    let (alert, why) = (alert.to_string(), error.to_string());
                    refusals.push(RefusedAlert { alert, why, guide });
                }
            }
        }
        Ok(ActedView { done, refused: refusals, rows: Vec::new() })
    }

    async fn prepared_act(&self, fleet: &str, act: &AlertAct) -> Result<Prepared, AppError> {
        Ok(match act {
            AlertAct::Claim => Prepared::Claim,
            AlertAct::Ack { note } => Prepared::Ack { note: note.trim().to_owned() },
            AlertAct::Fail { error, retry_after_s } => {
                let by_policy = match self.hub_of(fleet)? {
                    Some(hub) => hub.seen().policy.defaults.retry_after_seconds,
                    None => self.0.alerts.inbox().policy().defaults.retry_after_seconds,
                };
                let pause = retry_after_s.unwrap_or(by_policy);
                if pause > PAUSE_S_MAX {
                    return Err(AppError::new(
                        Code::Invalid,
                        format!("a pause of {pause} s is longer than {PAUSE_S_MAX} s"),
                        "give a shorter one; after it the alert is new again",
                    ));
                }
                Prepared::Fail { error: error.trim().to_owned(), retry_after_s: pause.into() }
            }
            AlertAct::Convert { severity_cap, dedupe_window_minutes } => {
                let cap = severity_cap.as_deref().map(str::parse::<Severity>).transpose();
                let cap = cap.map_err(|rejection| refused(rejection.into()))?;
                Prepared::Convert { cap, window: *dedupe_window_minutes }
            }
            AlertAct::Triage { note } => {
                let frozen = self.frozen(fleet).await?;
                Prepared::Triage { note: note.trim().to_owned(), frozen }
            }
        })
    }

    /// Does something with an incident, and shows it as it stands then.
    pub async fn act_on_incident(
        &self,
        fleet: &str,
        incident: &str,
        act: &IncidentAct,
    ) -> Result<IncidentView, AppError> {
        self.writable(fleet)?;
        let (inbox, me, reference) = (self.0.alerts.inbox(), self.me(), incident_ref(incident)?);
        if let Some(hub) = self.at_hub(fleet).await? {
            self.act_on_incident_at_hub(&hub, &reference, act).await?;
            self.announce([Topic::Alerts]);
            return self.incident(fleet, incident).await;
        }
        let appended = match act {
            IncidentAct::Note { text } => inbox.append_event(&reference, &me, text.trim()).await,
            IncidentAct::Move { to } => {
                inbox.move_incident(&reference, &me, IncidentState::from(*to)).await
            }
            IncidentAct::Close { resolution } => {
                inbox.close_incident(&reference, &me, resolution.trim()).await
            }
        };
        appended.map_err(refused)?;
        self.announce([Topic::Alerts]);
        self.incident(fleet, incident).await
    }

    /// Removes acknowledged alerts of the console's own inbox that a preview counted, by the moment of that preview.
    pub async fn retain_alerts(&self, fleet: &str, before_ms: i64) -> Result<u64, AppError> {
        self.writable(fleet)?;
        if self.hub_of(fleet)?.is_some() {
            return Err(AppError::new(
                Code::Invalid,
                "alerts of a hub are not removed from here",
                "at the hub: plumb hub retention --data DIR --acked-days DAYS",
            ));
        }
        let before = jiff::Timestamp::from_millisecond(before_ms).map_err(|_| {
            AppError::new(
                Code::Invalid,
                "this is no moment of a preview",
                "look at a preview first",
            )
        })?;
        if before > self.now() {
            return Err(AppError::new(
                Code::Invalid,
                "this would remove what is not old yet",
                "look at a preview first",
            ));
        }
        self.remove_acked(before).await
    }

    /// Removes from the console's own inbox what `retention_policy.yml` lets go by itself.
    pub(crate) async fn retain_by_itself(&self) -> Result<u64, AppError> {
        let Some(retention) = self.0.alerts.retention.automatic_alerts() else { return Ok(0) };
        let inbox = self.0.alerts.inbox();
        let preview = inbox.retention_preview(retention).await.map_err(refused)?;
        if preview.expiring.alerts == 0 {
            return Ok(0);
        }
        self.remove_acked(preview.before).await
    }

    /// Removes alerts of the console's own inbox that were acknowledged before a moment.
    pub(crate) async fn remove_acked(&self, before: jiff::Timestamp) -> Result<u64, AppError> {
        let removed = self.0.alerts.inbox().retain(before).await.map_err(refused)?;
        self.0.alerts.forget();
        self.announce([Topic::Alerts]);
        info!(removed, %before, "old alerts removed");
        Ok(removed)
    }
}

async fn carry_out(
    inbox: &Inbox,
    alert: &AlertRef,
    act: &Prepared,
    me: &str,
) -> Result<(Alert, ActedAlert), InboxError> {
    // What somebody else holds is not settled over their head.
    let caller = || Caller { owner: Some(me.to_owned()), ..Caller::new(me) };
    let decided = match act {
        Prepared::Claim => inbox.claim_one(alert, me, None).await?,
        Prepared::Ack { note } => {
            inbox.ack(alert, &Acknowledgement { caller: caller(), note: note.clone() }).await?
        }
        Prepared::Fail { error, retry_after_s } => {
            let (error, retry_after_s) = (error.clone(), *retry_after_s);
            inbox.fail(alert, &Failure { caller: caller(), error, retry_after_s }).await?
        }
        Prepared::Convert { cap, window } => {
            let terms = terms(inbox, alert, *cap, *window).await?;
            let converted = inbox.to_incident(alert, terms, me).await?;
            Decided { value: converted.value.alert, why: converted.why }
        }
        Prepared::Triage { note, frozen } => {
            let ack = Acknowledgement { caller: caller(), note: note.clone() };
            let triaged = inbox.triage(alert, None, frozen.clone(), &ack).await?;
            Decided { value: triaged.value.converted.alert, why: triaged.why }
        }
    };
    let acted = ActedAlert {
        alert: alert.to_string(),
        incident: decided.value.incident_ref.as_ref().map(ToString::to_string),
        tentative: false,
        why: decided.why.iter().map(ToString::to_string).collect(),
    };
    Ok((decided.value, acted))
}

/// What is not given is by the policy.
pub(super) async fn terms(
    inbox: &Inbox,
    alert: &AlertRef,
    cap: Option<Severity>,
    window: Option<u32>,
) -> Result<Option<ConversionTerms>, InboxError> {
    if cap.is_none() && window.is_none() {
        return Ok(None);
    }
    let by_policy = inbox.policy().route(&inbox.alert(alert).await?).value.terms;
    Ok(Some(ConversionTerms {
        severity_cap: cap.unwrap_or(by_policy.severity_cap),
        dedupe_window_minutes: window.unwrap_or(by_policy.dedupe_window_minutes),
    }))
}
