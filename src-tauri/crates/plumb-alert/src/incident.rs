//! An incident and its append-only timeline.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    alert::{Rejection, Severity},
    ids::{AlertRef, IncidentRef},
    life::{named, text},
    limits::FROZEN_BYTES_MAX,
    why::{Refusal, Why},
};

/// Where an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    Open,
    Mitigating,
    Resolved,
    Closed,
}

impl IncidentState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mitigating => "mitigating",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// Any step but out of `closed`; what was resolved may break again.
    const fn may_become(self, to: Self) -> bool {
        !matches!(self, Self::Closed) && self as u8 != to as u8
    }
}

impl fmt::Display for IncidentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an incident was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    pub by: String,
    pub at: Timestamp,
    pub resolution: String,
}

/// An incident as it is kept; what happened stands in its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub incident_ref: IncidentRef,
    pub signature: String,
    pub service: String,
    pub env: String,
    pub title: String,
    pub severity: Severity,
    pub state: IncidentState,
    pub opened_at: Timestamp,
    pub last_alert_at: Timestamp,
    pub alerts: u64,
    /// Entries of the timeline; the number of the next one.
    pub entries: u64,
    pub closing: Option<Closing>,
}

/// What a triage saw when it ran, each part as its source tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    pub snapshot: Option<Value>,
    pub drift_groups: Vec<Value>,
    pub deployments: Vec<Value>,
    pub doctor: Vec<Value>,
}

/// What kind of emergency lets a release pass a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BypassKind {
    EmergencyDeploy,
    /// The release mends what breaches the objective.
    FixesTheBreach,
    /// What was measured is known to be wrong.
    MeasurementBroken,
}

impl BypassKind {
    /// For a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::EmergencyDeploy => "emergency deploy",
            Self::FixesTheBreach => "it mends the breach",
            Self::MeasurementBroken => "the measurement is broken",
        }
    }
}

/// Why a gate was bypassed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BypassReason {
    pub kind: BypassKind,
    pub text: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum IncidentEvent {
    Opened {
        alert: AlertRef,
        why: Vec<Why>,
    },
    AlertAdded {
        alert: AlertRef,
        why: Vec<Why>,
    },
    SeverityRaised {
        from: Severity,
        to: Severity,
    },
    Triaged {
        alert: AlertRef,
        frozen: Frozen,
        why: Vec<Why>,
    },
    /// A triage did not run, because one did a short time ago.
    TriageSkipped {
        alert: AlertRef,
        why: Vec<Why>,
    },
    Note {
        text: String,
    },
    StateChanged {
        from: IncidentState,
        to: IncidentState,
    },
    GateBypassed {
        gate: String,
        service: String,
        reason: BypassReason,
    },
    Closed {
        resolution: String,
    },
}

/// One line of the timeline, never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// From 0, without gaps.
    pub number: u64,
    pub at: Timestamp,
    pub by: String,
    pub event: IncidentEvent,
}

/// An incident with what is to be added to its timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    pub incident: Incident,
    pub entries: Vec<TimelineEntry>,
}

impl Appended {
    pub(crate) fn to(incident: Incident) -> Self {
        Self { incident, entries: Vec::new() }
    }

    pub(crate) fn add(&mut self, by: &str, at: Timestamp, event: IncidentEvent) {
        let number = self.incident.entries;
        self.incident.entries += 1;
        self.entries.push(TimelineEntry { number, at, by: by.to_owned(), event });
    }
}

impl Frozen {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let bytes = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        let (field, max) = ("frozen".to_owned(), FROZEN_BYTES_MAX);
        if bytes > max {
            return Err(Rejection::TooLong { field, bytes, max }.into());
        }
        Ok(())
    }
}

impl Incident {
    /// Adds a note. A closed incident takes notes, too: a postmortem comes after the end.
    pub fn note(&self, by: &str, note: &str, now: Timestamp) -> Result<Appended, Refusal> {
        named("by", by)?;
        text("note", note)?;
        if note.trim().is_empty() {
            return Err(Rejection::Missing { field: "note".to_owned() }.into());
        }
        let mut appended = Appended::to(self.clone());
        appended.add(by, now, IncidentEvent::Note { text: note.to_owned() });
        Ok(appended)
    }

    /// Moves the incident on, or back; closing has its own function.
    pub fn move_to(
        &self,
        by: &str,
        to: IncidentState,
        now: Timestamp,
    ) -> Result<Appended, Refusal> {
        named("by", by)?;
        self.check_transition(to)?;
        if to == IncidentState::Closed {
            return self.close(by, "", now);
        }
        let mut appended = Appended::to(self.clone());
        appended.incident.state = to;
        appended.add(by, now, IncidentEvent::StateChanged { from: self.state, to });
        Ok(appended)
    }

    /// Closes the incident for good.
    pub fn close(&self, by: &str, resolution: &str, now: Timestamp) -> Result<Appended, Refusal> {
        named("by", by)?;
        text("resolution", resolution)?;
        self.check_transition(IncidentState::Closed)?;
        let mut appended = Appended::to(self.clone());
        let resolution = resolution.to_owned();
        appended.incident.state = IncidentState::Closed;
        appended.incident.closing =
            Some(Closing { by: by.to_owned(), at: now, resolution: resolution.clone() });
        appended.add(by, now, IncidentEvent::Closed { resolution });
        Ok(appended)
    }

    fn check_transition(&self, to: IncidentState) -> Result<(), Refusal> {
        if self.state.may_become(to) {
            return Ok(());
        }
        Err(Refusal::Transition { incident: self.incident_ref.clone(), from: self.state, to })
    }
}
