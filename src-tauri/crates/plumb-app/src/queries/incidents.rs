//! Incidents of an inbox, and the timeline of one.

use plumb_alert::{
    Incident, IncidentEvent, IncidentRef, IncidentState, TimelineEntry, Why, postmortem_draft,
};
use plumb_inbox::{IncidentQuery, LIST_MAX};

use crate::{
    alerts::refused,
    app::App,
    error::{AppError, Code},
    queries::alerts::around,
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
        self.state(fleet)?;
        let query = IncidentQuery { service: None, with_closed, limit: LIST_MAX };
        let found = self.0.alerts.inbox().incidents(&query).await.map_err(refused)?;
        Ok(found.iter().map(incident_row).collect())
    }

    /// One incident with its timeline.
    pub async fn incident(&self, fleet: &str, incident: &str) -> Result<IncidentView, AppError> {
        self.state(fleet)?;
        let inbox = self.0.alerts.inbox();
        let incident = incident_ref(incident)?;
        let (found, timeline) = inbox.timeline(&incident).await.map_err(refused)?;
        let mirror = self.0.alerts.mirror().await?;
        let me = self.my_names();
        let around = around(inbox.policy(), &me, &mirror, self.now());
        let of_it = mirror.iter().filter(|alert| alert.incident_ref.as_ref() == Some(&incident));
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

    /// The draft of a postmortem, in Markdown.
    pub async fn incident_draft(&self, fleet: &str, incident: &str) -> Result<String, AppError> {
        self.state(fleet)?;
        let incident = incident_ref(incident)?;
        let timeline = self.0.alerts.inbox().timeline(&incident).await.map_err(refused)?;
        Ok(postmortem_draft(&timeline.0, &timeline.1))
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
