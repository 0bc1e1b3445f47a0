//! Rows as documents, and what they stand for.

use jiff::Timestamp;
use plumb_alert::{
    Alert, Closing, Counts, Incident, IncidentState, Life, Outcome, Severity, SignatureState,
    State, Status, TimelineEntry,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::door::Server;

/// A moment as a server keeps it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Millis(i64),
    Stamp(Timestamp),
}

impl Moment {
    fn of(at: Timestamp, server: Server) -> Self {
        match server {
            Server::Sqlite => Self::Millis(at.as_millisecond()),
            Server::Postgres => Self::Stamp(at),
        }
    }

    pub(super) fn at(self) -> Result<Timestamp, &'static str> {
        match self {
            Self::Millis(ms) => {
                Timestamp::from_millisecond(ms).map_err(|_| "a moment is out of range")
            }
            Self::Stamp(at) => Ok(at),
        }
    }
}

fn at(moment: Option<Moment>) -> Result<Option<Timestamp>, &'static str> {
    moment.map(Moment::at).transpose()
}

fn required(moment: Option<Moment>) -> Result<Timestamp, &'static str> {
    moment.ok_or("a moment is missing that belongs to the state")?.at()
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, &'static str> {
    serde_json::from_str(text).map_err(|_| "a column that holds JSON does not read back")
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps of texts and values always serialise")
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AlertRow {
    alert_ref: String,
    source: String,
    service: String,
    env: String,
    kind: String,
    title: String,
    message: String,
    severity: Severity,
    fingerprint: String,
    signature: String,
    labels: String,
    details: String,
    occurrences: u64,
    created_at: Moment,
    last_seen_at: Moment,
    started_at: Option<Timestamp>,
    resolved_at: Option<Moment>,
    incident_ref: Option<String>,
    last_error: Option<String>,
    claims: u64,
    failures: u64,
    requeues: u64,
    status: Status,
    #[serde(flatten)]
    of_state: OfState,
    told_by: String,
    change_number: u64,
}

/// The columns that belong to one state or another.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OfState {
    owner: Option<String>,
    claimed_at: Option<Moment>,
    processing_lock_until: Option<Moment>,
    settled_by: Option<String>,
    settled_at: Option<Moment>,
    note: Option<String>,
    outcome: Option<Outcome>,
    retry_at: Option<Moment>,
}

impl OfState {
    fn of(state: &State, server: Server) -> Self {
        let moment = |at: &Timestamp| Some(Moment::of(*at, server));
        match state {
            State::New => Self::default(),
            State::Processing { owner, claimed_at, lock_until } => Self {
                owner: Some(owner.clone()),
                claimed_at: moment(claimed_at),
                processing_lock_until: moment(lock_until),
                ..Self::default()
            },
            State::Acked { by, at, note, outcome } => Self {
                settled_by: Some(by.clone()),
                settled_at: moment(at),
                note: Some(note.clone()),
                outcome: Some(*outcome),
                ..Self::default()
            },
            State::Failed { by, at, error: _, retry_at } => Self {
                settled_by: Some(by.clone()),
                settled_at: moment(at),
                retry_at: moment(retry_at),
                ..Self::default()
            },
        }
    }

    fn into_state(self, status: Status, last_error: Option<&str>) -> Result<State, &'static str> {
        let by = || self.settled_by.clone().ok_or("it is not said who settled it");
        Ok(match status {
            Status::New => State::New,
            Status::Processing => State::Processing {
                owner: self.owner.clone().ok_or("it is not said who claimed it")?,
                claimed_at: required(self.claimed_at)?,
                lock_until: required(self.processing_lock_until)?,
            },
            Status::Acked => State::Acked {
                by: by()?,
                at: required(self.settled_at)?,
                note: self.note.clone().unwrap_or_default(),
                outcome: self.outcome.ok_or("its outcome is missing")?,
            },
            Status::Failed => State::Failed {
                by: by()?,
                at: required(self.settled_at)?,
                error: last_error.unwrap_or_default().to_owned(),
                retry_at: required(self.retry_at)?,
            },
        })
    }
}

impl AlertRow {
    /// As it is kept with this change.
    pub(super) fn of(alert: &Alert, server: Server, change_number: u64) -> Self {
        let counts = alert.counts();
        Self {
            alert_ref: alert.alert_ref.to_string(),
            source: alert.source.clone(),
            service: alert.service.clone(),
            env: alert.env.clone(),
            kind: alert.kind.clone(),
            title: alert.title.clone(),
            message: alert.message.clone(),
            severity: alert.severity,
            fingerprint: alert.fingerprint.clone(),
            signature: alert.signature.clone(),
            labels: text(&alert.labels),
            details: text(&alert.details),
            occurrences: alert.occurrences,
            created_at: Moment::of(alert.created_at, server),
            last_seen_at: Moment::of(alert.last_seen_at, server),
            started_at: alert.started_at,
            resolved_at: alert.resolved_at.map(|at| Moment::of(at, server)),
            incident_ref: alert.incident_ref.clone().map(String::from),
            last_error: alert.last_error.clone(),
            claims: counts.claims,
            failures: counts.failures,
            requeues: counts.requeues,
            status: alert.status(),
            of_state: OfState::of(alert.state(), server),
            told_by: text(&alert.told_by),
            change_number,
        }
    }

    /// An alert, and the number of its newest change.
    pub(super) fn into_changed(self) -> Result<(u64, Alert), &'static str> {
        Ok((self.change_number, self.into_alert()?))
    }

    pub(super) fn into_alert(self) -> Result<Alert, &'static str> {
        let state = self.of_state.into_state(self.status, self.last_error.as_deref())?;
        let counts =
            Counts { claims: self.claims, failures: self.failures, requeues: self.requeues };
        Ok(Alert {
            alert_ref: self.alert_ref.parse().map_err(|_| "an alert's reference is not one")?,
            source: self.source,
            service: self.service,
            env: self.env,
            kind: self.kind,
            title: self.title,
            message: self.message,
            severity: self.severity,
            fingerprint: self.fingerprint,
            signature: self.signature,
            labels: json(&self.labels)?,
            details: json(&self.details)?,
            occurrences: self.occurrences,
            created_at: self.created_at.at()?,
            last_seen_at: self.last_seen_at.at()?,
            started_at: self.started_at,
            resolved_at: at(self.resolved_at)?,
            told_by: json(&self.told_by)?,
            incident_ref: incident_ref(self.incident_ref)?,
            last_error: self.last_error,
            life: Life::restore(state, counts),
        })
    }
}

fn incident_ref(text: Option<String>) -> Result<Option<plumb_alert::IncidentRef>, &'static str> {
    text.map(|text| text.parse().map_err(|_| "an incident's reference is not one")).transpose()
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IncidentRow {
    incident_ref: String,
    signature: String,
    service: String,
    env: String,
    title: String,
    severity: Severity,
    state: IncidentState,
    opened_at: Moment,
    last_alert_at: Moment,
    alerts: u64,
    entries: u64,
    closed_by: Option<String>,
    closed_at: Option<Moment>,
    resolution: Option<String>,
}

impl IncidentRow {
    pub(super) fn of(incident: &Incident, server: Server) -> Self {
        let closing = incident.closing.as_ref();
        Self {
            incident_ref: incident.incident_ref.to_string(),
            signature: incident.signature.clone(),
            service: incident.service.clone(),
            env: incident.env.clone(),
            title: incident.title.clone(),
            severity: incident.severity,
            state: incident.state,
            opened_at: Moment::of(incident.opened_at, server),
            last_alert_at: Moment::of(incident.last_alert_at, server),
            alerts: incident.alerts,
            entries: incident.entries,
            closed_by: closing.map(|closing| closing.by.clone()),
            closed_at: closing.map(|closing| Moment::of(closing.at, server)),
            resolution: closing.map(|closing| closing.resolution.clone()),
        }
    }

    pub(super) fn into_incident(self) -> Result<Incident, &'static str> {
        let closing = match self.closed_by {
            None => None,
            Some(by) => Some(Closing {
                by,
                at: required(self.closed_at)?,
                resolution: self.resolution.unwrap_or_default(),
            }),
        };
        Ok(Incident {
            incident_ref: self
                .incident_ref
                .parse()
                .map_err(|_| "an incident's reference is not one")?,
            signature: self.signature,
            service: self.service,
            env: self.env,
            title: self.title,
            severity: self.severity,
            state: self.state,
            opened_at: self.opened_at.at()?,
            last_alert_at: self.last_alert_at.at()?,
            alerts: self.alerts,
            entries: self.entries,
            closing,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventRow {
    incident_ref: String,
    number: u64,
    entry_at: Moment,
    entry_by: String,
    event: String,
}

impl EventRow {
    pub(super) fn of(incident: &Incident, entry: &TimelineEntry, server: Server) -> Self {
        Self {
            incident_ref: incident.incident_ref.to_string(),
            number: entry.number,
            entry_at: Moment::of(entry.at, server),
            entry_by: entry.by.clone(),
            event: text(&entry.event),
        }
    }

    pub(super) fn into_entry(self) -> Result<TimelineEntry, &'static str> {
        Ok(TimelineEntry {
            number: self.number,
            at: self.entry_at.at()?,
            by: self.entry_by,
            event: json(&self.event)?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignatureRow {
    signature: String,
    last_triage_at: Moment,
    skipped: u64,
}

impl SignatureRow {
    pub(super) fn of(state: &SignatureState, server: Server) -> Self {
        Self {
            signature: state.signature.clone(),
            last_triage_at: Moment::of(state.last_triage_at, server),
            skipped: state.skipped,
        }
    }

    pub(super) fn into_state(self) -> Result<SignatureState, &'static str> {
        Ok(SignatureState {
            signature: self.signature,
            last_triage_at: self.last_triage_at.at()?,
            skipped: self.skipped,
        })
    }
}
