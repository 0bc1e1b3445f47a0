//! Incidents of an inbox, and the timeline of one.

use std::{cmp::Reverse, sync::Arc};

use plumb_alert::{
    Incident, IncidentEvent, IncidentRef, IncidentState, Refusal, TimelineEntry, Why,
    postmortem_draft,
};
use plumb_inbox::{IncidentQuery, LIST_MAX};

use crate::{
    alerts::{hub::KeptIncident, refused},
    app::App,
    error::{AppError, Code},
    views::{
        convert::ms,
        incidents::{IncidentRow, IncidentStateView, IncidentView, TimelineKind, TimelineView},
    },
};

/// Alerts that an incident names.
const ALERTS_NAMED: usize = 200;

impl App {
    /// Incidents of the inbox that a fleet uses, the worst first; closed ones when asked for.
    pub async fn incidents(
        &self,
        fleet: &str,
        with_closed: bool,
    ) -> Result<Vec<IncidentRow>, AppError> {
        if let Some(kept) = self.kept_incidents(fleet)? {
            let open = |one: &&KeptIncident| {
                let state = one.incident.state;
                with_closed || matches!(state, IncidentState::Open | IncidentState::Mitigating)
            };
            let mut found: Vec<&KeptIncident> = kept.iter().filter(open).collect();
            found.sort_by_key(|one| (one.incident.severity, Reverse(one.incident.opened_at)));
            return Ok(found.into_iter().map(|one| incident_row(&one.incident)).collect());
        }
        let query = IncidentQuery { service: None, with_closed, limit: LIST_MAX };
        let found = self.0.alerts.inbox().incidents(&query).await.map_err(refused)?;
        Ok(found.iter().map(incident_row).collect())
    }

    /// One incident with its timeline.
    pub async fn incident(&self, fleet: &str, incident: &str) -> Result<IncidentView, AppError> {
        let incident = incident_ref(incident)?;
        let (found, timeline) = self.with_timeline(fleet, &incident).await?;
        let (desk, me) = (self.desk(fleet).await?, self.my_names());
        let around = desk.around(&me, self.now());
        let of_it =
            desk.mirror.iter().filter(|alert| alert.incident_ref.as_ref() == Some(&incident));
        let alerts = of_it.take(ALERTS_NAMED).map(|alert| around.row(alert)).collect();
        Ok(IncidentView {
            row: incident_row(&found),
            timeline: timeline.iter().map(entry).collect(),
            alerts,
            closed: found.closing.map(|closing| match closing.resolution.as_str() {
                "" => format!("closed by {}", closing.by),
                resolution => format!("closed by {}: {resolution}", closing.by),
            }),
        })
    }

    /// Incidents that are held whole: those of opened evidence, and those of a hub; nothing where the console's own
    /// inbox has them.
    pub(crate) fn kept_incidents(
        &self,
        fleet: &str,
    ) -> Result<Option<Arc<Vec<KeptIncident>>>, AppError> {
        if let Some(evidence) = self.in_evidence() {
            return Ok(Some(evidence.incidents()));
        }
        Ok(self.hub_of(fleet)?.map(|hub| hub.seen().incidents))
    }

    async fn with_timeline(
        &self,
        fleet: &str,
        incident: &IncidentRef,
    ) -> Result<(Incident, Vec<TimelineEntry>), AppError> {
        let Some(kept) = self.kept_incidents(fleet)? else {
            return self.0.alerts.inbox().timeline(incident).await.map_err(refused);
        };
        let kept = kept.iter().find(|one| one.incident.incident_ref == *incident);
        let gone = || refused(Refusal::NoIncident { incident: incident.clone() }.into());
        kept.map(|one| (one.incident.clone(), one.timeline.clone())).ok_or_else(gone)
    }

    /// The draft of a postmortem, in Markdown.
    pub async fn incident_draft(&self, fleet: &str, incident: &str) -> Result<String, AppError> {
        let (incident, timeline) = self.with_timeline(fleet, &incident_ref(incident)?).await?;
        Ok(postmortem_draft(&incident, &timeline))
    }
}

pub(crate) fn incident_ref(text: &str) -> Result<IncidentRef, AppError> {
    text.parse().map_err(|error: plumb_alert::RefError| {
        AppError::new(Code::Invalid, error.to_string(), "choose the incident from the list")
    })
}

pub(crate) fn incident_row(incident: &Incident) -> IncidentRow {
    IncidentRow {
        incident: incident.incident_ref.to_string(),
        state: incident.state.into(),
        severity: incident.severity.to_string(),
        title: incident.title.clone(),
        service: incident.service.clone(),
        env: incident.env.clone(),
        signature: incident.signature.clone(),
        opened_at_ms: ms(incident.opened_at),
        last_alert_at_ms: ms(incident.last_alert_at),
        alerts: incident.alerts,
    }
}

fn entry(entry: &TimelineEntry) -> TimelineView {
    let told = |why: &[Why]| why.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut frozen_json = None;
    let (kind, what, why) = match &entry.event {
        IncidentEvent::Opened { alert, why } => {
            (TimelineKind::Alert, format!("opened by {alert}"), told(why))
        }
        IncidentEvent::AlertAdded { alert, why } => {
            (TimelineKind::Alert, format!("{alert} was added"), told(why))
        }
        IncidentEvent::SeverityRaised { from, to } => {
            (TimelineKind::State, format!("severity raised from {from} to {to}"), Vec::new())
        }
        IncidentEvent::Triaged { alert, frozen, why } => {
            frozen_json =
                Some(serde_json::to_string_pretty(frozen).expect("JSON values always serialise"));
            let what = format!(
                "triage ran for {alert}, with {} snapshot, {} drift groups, {} deployments and {} findings",
                if frozen.snapshot.is_some() { "a" } else { "no" },
                frozen.drift_groups.len(),
                frozen.deployments.len(),
                frozen.doctor.len()
            );
            (TimelineKind::Triage, what, told(why))
        }
        IncidentEvent::TriageSkipped { alert, why } => {
            (TimelineKind::Triage, format!("no new triage for {alert}"), told(why))
        }
        IncidentEvent::Note { text } => (TimelineKind::Note, text.clone(), Vec::new()),
        IncidentEvent::StateChanged { from, to } => {
            (TimelineKind::State, format!("{from} became {to}"), Vec::new())
        }
        IncidentEvent::GateBypassed { gate, service, reason } => {
            let what = format!("gate {gate} was bypassed for {service}: {}", reason.text);
            (TimelineKind::Bypass, what, Vec::new())
        }
        IncidentEvent::Closed { resolution } if resolution.is_empty() => {
            (TimelineKind::State, "closed".to_owned(), Vec::new())
        }
        IncidentEvent::Closed { resolution } => {
            (TimelineKind::State, format!("closed: {resolution}"), Vec::new())
        }
    };
    TimelineView {
        number: entry.number,
        at_ms: ms(entry.at),
        by: entry.by.clone(),
        kind,
        what,
        why,
        frozen: frozen_json,
    }
}

impl From<IncidentState> for IncidentStateView {
    fn from(state: IncidentState) -> Self {
        match state {
            IncidentState::Open => Self::Open,
            IncidentState::Mitigating => Self::Mitigating,
            IncidentState::Resolved => Self::Resolved,
            IncidentState::Closed => Self::Closed,
        }
    }
}

impl From<IncidentStateView> for IncidentState {
    fn from(state: IncidentStateView) -> Self {
        match state {
            IncidentStateView::Open => Self::Open,
            IncidentStateView::Mitigating => Self::Mitigating,
            IncidentStateView::Resolved => Self::Resolved,
            IncidentStateView::Closed => Self::Closed,
        }
    }
}
