//! From an alert to an incident.

use jiff::Timestamp;

use crate::{
    alert::{Alert, Severity},
    dedupe::after_minutes,
    ids::IncidentRef,
    incident::{Appended, Incident, IncidentEvent, IncidentState},
    life::named,
    why::{Decided, Refusal, Why},
};

/// How alerts become incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversionTerms {
    /// No incident gets worse than this by an alert.
    pub severity_cap: Severity,
    /// An alert joins an open incident of its signature that got one within this time.
    pub dedupe_window_minutes: u32,
}

/// How an alert came to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Opened,
    Joined,
    Already,
}

/// An alert with its incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    pub alert: Alert,
    pub appended: Appended,
    pub linked: Linked,
}

/// Decides which incident an alert belongs to. `known` is the incident it names already, or else the newest of its
/// signature that is not closed; `fresh` is the reference of a new one.
pub fn convert(
    alert: &Alert,
    known: Option<&Incident>,
    terms: ConversionTerms,
    by: &str,
    fresh: IncidentRef,
    now: Timestamp,
) -> Result<Decided<Converted>, Refusal> {
    named("by", by)?;
    let severity = alert.severity.capped(terms.severity_cap);
    let mut why = Vec::new();
    let known = known.filter(|incident| incident.state != IncidentState::Closed);
    let (signature, window_minutes) = (alert.signature.clone(), terms.dedupe_window_minutes);
    match known {
        Some(incident) if alert.incident_ref.as_ref() == Some(&incident.incident_ref) => {
            let incident_ref = incident.incident_ref.clone();
            let appended = Appended::to(incident.clone());
            let value = Converted { alert: alert.clone(), appended, linked: Linked::Already };
            return Ok(Decided::new(value, Why::AlreadyInIncident { incident: incident_ref }));
        }
        Some(incident) if now < after_minutes(incident.last_alert_at, window_minutes) => {
            let incident_ref = incident.incident_ref.clone();
            why.push(Why::SameSignature { signature, incident: incident_ref, window_minutes });
            if severity != alert.severity {
                why.push(Why::Capped { from: alert.severity, cap: severity });
            }
            return Ok(join(alert, incident, severity, by, now, why));
        }
        Some(incident) => {
            let incident = incident.incident_ref.clone();
            why.push(Why::IncidentWindowOver { signature, incident, window_minutes });
        }
        None => why.push(Why::NoOpenIncident { signature }),
    }
    if severity != alert.severity {
        why.push(Why::Capped { from: alert.severity, cap: severity });
    }
    Ok(open(alert, severity, by, fresh, now, why))
}

fn join(
    alert: &Alert,
    incident: &Incident,
    severity: Severity,
    by: &str,
    now: Timestamp,
    why: Vec<Why>,
) -> Decided<Converted> {
    let mut appended = Appended::to(incident.clone());
    appended.incident.alerts += 1;
    appended.incident.last_alert_at = incident.last_alert_at.max(now);
    let added = IncidentEvent::AlertAdded { alert: alert.alert_ref.clone(), why: why.clone() };
    appended.add(by, now, added);
    if severity < incident.severity {
        appended.incident.severity = severity;
        let raised = IncidentEvent::SeverityRaised { from: incident.severity, to: severity };
        appended.add(by, now, raised);
    }
    if incident.state == IncidentState::Resolved {
        appended.incident.state = IncidentState::Open;
        let (from, to) = (IncidentState::Resolved, IncidentState::Open);
        appended.add(by, now, IncidentEvent::StateChanged { from, to });
    }
    Decided { value: linked(alert, appended, Linked::Joined), why }
}

fn open(
    alert: &Alert,
    severity: Severity,
    by: &str,
    fresh: IncidentRef,
    now: Timestamp,
    why: Vec<Why>,
) -> Decided<Converted> {
    let mut appended = Appended::to(Incident {
        incident_ref: fresh,
        signature: alert.signature.clone(),
        service: alert.service.clone(),
        env: alert.env.clone(),
        title: alert.title.clone(),
        severity,
        state: IncidentState::Open,
        opened_at: now,
        last_alert_at: now,
        alerts: 1,
        entries: 0,
        closing: None,
    });
    let opened = IncidentEvent::Opened { alert: alert.alert_ref.clone(), why: why.clone() };
    appended.add(by, now, opened);
    Decided { value: linked(alert, appended, Linked::Opened), why }
}

fn linked(alert: &Alert, appended: Appended, linked: Linked) -> Converted {
    let mut alert = alert.clone();
    alert.incident_ref = Some(appended.incident.incident_ref.clone());
    Converted { alert, appended, linked }
}
