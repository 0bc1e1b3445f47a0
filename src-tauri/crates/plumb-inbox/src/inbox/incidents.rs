//! From alerts to incidents, and what is written into their timelines.

use jiff::Timestamp;
use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Appended, ConversionTerms, Converted, Decided, Frozen,
    GateRequest, GateVerdict, Incident, IncidentRef, IncidentState, Measured, Refusal,
    ReleaseGates, RoutingPolicy, SignatureState, SloPolicy, TimelineEntry, Triaged, convert, judge,
    triage,
};

use super::{Inbox, LIST_MAX, in_range, known, unique};
use crate::{
    error::{InboxError, StoreFailure},
    store::{IncidentQuery, Rows},
};

/// What a release gate is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    pub gates: &'a ReleaseGates,
    pub slo: &'a SloPolicy,
    pub measured: &'a Measured,
}

impl Inbox {
    /// Puts an alert into an incident, by the terms given or else by the policy.
    pub async fn to_incident(
        &self,
        alert: &AlertRef,
        terms: Option<ConversionTerms>,
        by: &str,
    ) -> Result<Decided<Converted>, InboxError> {
        let mut rows = self.store.write().await?;
        let alert = known(rows.alert(alert).await?, alert)?;
        let (terms, route) = self.terms(&alert, terms);
        let mut converted = convert_in(&mut *rows, &alert, terms, by).await?;
        converted.why.splice(0..0, route);
        keep(&mut *rows, &converted.value).await?;
        rows.commit().await?;
        Ok(converted)
    }

    /// Settles an alert: it is put into an incident, and a triage writes what is `frozen` into the timeline, or, within
    /// the cooldown of its signature, a note that none ran.
    pub async fn triage(
        &self,
        alert: &AlertRef,
        terms: Option<ConversionTerms>,
        frozen: Frozen,
        ack: &Acknowledgement,
    ) -> Result<Decided<Triaged>, InboxError> {
        let mut rows = self.store.write().await?;
        let alert = known(rows.alert(alert).await?, alert)?;
        let cooldown_minutes = self.policy.route(&alert).value.triage_cooldown_minutes;
        let (terms, mut why) = self.terms(&alert, terms);
        let converted = convert_in(&mut *rows, &alert, terms, &ack.caller.by).await?;
        why.extend(converted.why);
        let state = rows.signature(&alert.signature).await?;
        let now = rows.now().await?;
        let converted = converted.value;
        let mut triaged = triage(converted, state.as_ref(), cooldown_minutes, frozen, ack, now)?;
        rows.put_signature(&triaged.value.signature).await?;
        keep(&mut *rows, &triaged.value.converted).await?;
        rows.commit().await?;
        triaged.why.splice(0..0, why);
        Ok(triaged)
    }

    /// What is remembered of a signature: when its cooldown began.
    pub async fn signature(&self, signature: &str) -> Result<Option<SignatureState>, InboxError> {
        Ok(self.store.read().await?.signature(signature).await?)
    }

    pub async fn incident(&self, incident: &IncidentRef) -> Result<Incident, InboxError> {
        known_incident(self.store.read().await?.incident(incident).await?, incident)
    }

    /// An incident with everything that happened.
    pub async fn timeline(
        &self,
        incident: &IncidentRef,
    ) -> Result<(Incident, Vec<TimelineEntry>), InboxError> {
        let mut rows = self.store.read().await?;
        let found = known_incident(rows.incident(incident).await?, incident)?;
        let timeline = rows.timeline(incident).await?;
        Ok((found, timeline))
    }

    /// Open and mitigating ones, or all, the worst first.
    pub async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, InboxError> {
        in_range("limit", query.limit.into(), 1, LIST_MAX.into())?;
        Ok(self.store.read().await?.incidents(query).await?)
    }

    /// Adds a note to a timeline.
    pub async fn append_event(
        &self,
        incident: &IncidentRef,
        by: &str,
        note: &str,
    ) -> Result<Appended, InboxError> {
        self.change(incident, |incident, now| incident.note(by, note, now)).await
    }

    /// Moves an incident on, or back.
    pub async fn move_incident(
        &self,
        incident: &IncidentRef,
        by: &str,
        to: IncidentState,
    ) -> Result<Appended, InboxError> {
        self.change(incident, |incident, now| incident.move_to(by, to, now)).await
    }

    /// Closes an incident for good.
    pub async fn close_incident(
        &self,
        incident: &IncidentRef,
        by: &str,
        resolution: &str,
    ) -> Result<Appended, InboxError> {
        self.change(incident, |incident, now| incident.close(by, resolution, now)).await
    }

    /// Judges a release; a bypass with its reason is written into the timeline of the incident.
    pub async fn judge_release(
        &self,
        request: &GateRequest,
        gate: Gate<'_>,
        incident: Option<&IncidentRef>,
    ) -> Result<GateVerdict, InboxError> {
        let mut rows = self.store.write().await?;
        let known = match incident {
            Some(incident) => Some(known_incident(rows.incident(incident).await?, incident)?),
            None => None,
        };
        let now = rows.now().await?;
        let verdict = judge(request, gate.gates, gate.slo, gate.measured, known.as_ref(), now)?;
        if let GateVerdict::Bypassed(appended) = &verdict {
            rows.append(std::slice::from_ref(&**appended)).await?;
            rows.commit().await?;
        }
        Ok(verdict)
    }

    async fn change(
        &self,
        incident: &IncidentRef,
        decide: impl FnOnce(&Incident, Timestamp) -> Result<Appended, Refusal>,
    ) -> Result<Appended, InboxError> {
        let mut rows = self.store.write().await?;
        let found = known_incident(rows.incident(incident).await?, incident)?;
        let now = rows.now().await?;
        let appended = decide(&found, now)?;
        rows.append(std::slice::from_ref(&appended)).await?;
        rows.commit().await?;
        Ok(appended)
    }

    /// The terms, and the rule they come from where nobody gave them.
    fn terms(
        &self,
        alert: &Alert,
        given: Option<ConversionTerms>,
    ) -> (ConversionTerms, Vec<plumb_alert::Why>) {
        match given {
            Some(terms) => (terms, Vec::new()),
            None => by_policy(&self.policy, alert),
        }
    }
}

fn by_policy(policy: &RoutingPolicy, alert: &Alert) -> (ConversionTerms, Vec<plumb_alert::Why>) {
    let route = policy.route(alert);
    (route.value.terms, route.why)
}

/// Decides which incident an alert belongs to, with everybody else kept from opening one of its signature.
pub(super) async fn convert_in(
    rows: &mut dyn Rows,
    alert: &Alert,
    terms: ConversionTerms,
    by: &str,
) -> Result<Decided<Converted>, InboxError> {
    rows.lock(&[signature_lock(&alert.signature)]).await?;
    let of_its_own = match &alert.incident_ref {
        Some(incident) => rows.incident(incident).await?,
        None => None,
    };
    let known = match of_its_own.filter(|incident| incident.state != IncidentState::Closed) {
        Some(incident) => Some(incident),
        None => rows.open_incident(&alert.signature).await?,
    };
    let now = rows.now().await?;
    let fresh = IncidentRef::new(now, unique());
    Ok(convert(alert, known.as_ref(), terms, by, fresh, now)?)
}

pub(super) fn signature_lock(signature: &str) -> String {
    format!("signature {signature}")
}

async fn keep(rows: &mut dyn Rows, converted: &Converted) -> Result<(), StoreFailure> {
    if !converted.appended.entries.is_empty() {
        rows.append(std::slice::from_ref(&converted.appended)).await?;
    }
    rows.put_alerts(std::slice::from_ref(&converted.alert)).await
}

fn known_incident(found: Option<Incident>, incident: &IncidentRef) -> Result<Incident, InboxError> {
    found.ok_or_else(|| Refusal::NoIncident { incident: incident.clone() }.into())
}
