//! Why something was decided as it was, and why something was refused.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Rejection, Severity, Status},
    ids::{AlertRef, IncidentRef},
    incident::IncidentState,
};

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided<T> {
    pub value: T,
    pub why: Vec<Why>,
}

impl<T> Decided<T> {
    pub fn new(value: T, why: Why) -> Self {
        Self { value, why: vec![why] }
    }
}

/// One reason, with the fingerprint, window or rule it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Why {
    NewFingerprint { fingerprint: String },
    WithinWindow { fingerprint: String, alert: AlertRef, first_at: Timestamp, ttl_minutes: u32 },
    WindowOver { fingerprint: String, alert: AlertRef, first_at: Timestamp, ttl_minutes: u32 },
    ResolvedBySource { fingerprint: String },
    StillTold { fingerprint: String, teller: String, by: String, at: Timestamp },
    Claimed { owner: String, lock_until: Timestamp },
    ClaimedToSettle { by: String },
    LockExpired { owner: String, lock_until: Timestamp },
    RetryDue { retry_at: Timestamp },
    RetryLater { retry_at: Timestamp },
    AckedLate { lock_until: Timestamp },
    NeverTriaged { signature: String },
    CooldownOver { signature: String, last_triage_at: Timestamp, minutes: u32 },
    Cooldown { signature: String, last_triage_at: Timestamp, minutes: u32, until: Timestamp },
    AlreadyInIncident { incident: IncidentRef },
    SameSignature { signature: String, incident: IncidentRef, window_minutes: u32 },
    NoOpenIncident { signature: String },
    IncidentWindowOver { signature: String, incident: IncidentRef, window_minutes: u32 },
    Capped { from: Severity, cap: Severity },
    Route { policy: String, rule: String },
    RouteDefault { policy: String },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewFingerprint { fingerprint } => {
                write!(f, "no alert has fingerprint {fingerprint}")
            }
            Self::WithinWindow { fingerprint, alert, first_at, ttl_minutes } => write!(
                f,
                "{alert} has the same fingerprint {fingerprint} and was first seen at {first_at}, within the dedupe window of {ttl_minutes} min"
            ),
            Self::WindowOver { fingerprint, alert, first_at, ttl_minutes } => write!(
                f,
                "{alert} has the same fingerprint {fingerprint}, but was first seen at {first_at}, before the dedupe window of {ttl_minutes} min"
            ),
            Self::ResolvedBySource { fingerprint } => {
                write!(f, "its source says that what {fingerprint} stands for is over")
            }
            Self::StillTold { fingerprint, teller, by, at } => write!(
                f,
                "{teller} does not see {fingerprint} any more, but {by} told it at {at}: it is over when nobody does"
            ),
            Self::Claimed { owner, lock_until } => {
                write!(f, "it was free; {owner} holds it until {lock_until}")
            }
            Self::ClaimedToSettle { by } => {
                write!(f, "nobody held it, so {by} claimed it in the same step")
            }
            Self::LockExpired { owner, lock_until } => {
                write!(f, "the claim of {owner} ended at {lock_until} without an answer")
            }
            Self::RetryDue { retry_at } => write!(f, "its retry was due at {retry_at}"),
            Self::RetryLater { retry_at } => write!(f, "it is tried again from {retry_at} on"),
            Self::AckedLate { lock_until } => {
                write!(f, "the claim had ended at {lock_until}, and nobody else had taken it")
            }
            Self::NeverTriaged { signature } => {
                write!(f, "no triage of signature {signature} is known")
            }
            Self::CooldownOver { signature, last_triage_at, minutes } => write!(
                f,
                "the last triage of signature {signature} was at {last_triage_at}, longer ago than the cooldown of {minutes} min"
            ),
            Self::Cooldown { signature, last_triage_at, minutes, until } => write!(
                f,
                "the last triage of signature {signature} was at {last_triage_at}; the cooldown of {minutes} min lasts until {until}"
            ),
            Self::AlreadyInIncident { incident } => write!(f, "it belongs to {incident} already"),
            Self::SameSignature { signature, incident, window_minutes } => write!(
                f,
                "{incident} has the same signature {signature} and got an alert within {window_minutes} min"
            ),
            Self::NoOpenIncident { signature } => {
                write!(f, "no incident with signature {signature} is open")
            }
            Self::IncidentWindowOver { signature, incident, window_minutes } => write!(
                f,
                "{incident} has the same signature {signature}, but got its last alert more than {window_minutes} min ago"
            ),
            Self::Capped { from, cap } => write!(f, "severity {from} was capped at {cap}"),
            Self::Route { policy, rule } => write!(f, "rule {rule} of {policy} matches"),
            Self::RouteDefault { policy } => write!(f, "no rule of {policy} matches: defaults"),
        }
    }
}

/// Why something cannot be done with an alert or incident.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{alert} is not here: it was never taken in, it was removed by retention, or it was kept in memory before a restart"
    )]
    NoAlert { alert: AlertRef },
    #[error("{incident} is not here")]
    NoIncident { incident: IncidentRef },
    #[error("{alert} is {status}: only claimed or unclaimed alerts can be settled")]
    Settled { alert: AlertRef, status: Status },
    #[error("{alert} is held by {owner} until {until}: ask them, or wait for it")]
    Held { alert: AlertRef, owner: String, until: Timestamp },
    #[error("{alert} is not claimed: claim it first")]
    NotClaimed { alert: AlertRef },
    #[error(
        "claim {given} of {alert} is over, it is at claim {current}: what it was for belongs to somebody else now"
    )]
    StaleClaim { alert: AlertRef, given: u64, current: u64 },
    #[error("{incident} is {from} and cannot become {to}")]
    Transition { incident: IncidentRef, from: IncidentState, to: IncidentState },
    #[error("{incident} is closed: open a new one")]
    Closed { incident: IncidentRef },
    #[error(
        "a bypass of gate {gate} needs a reason: give its kind and at least {min} characters of text"
    )]
    NoReason { gate: String, min: usize },
    #[error("a bypass of gate {gate} needs an incident whose timeline it is written to")]
    NoIncidentForBypass { gate: String },
    #[error("{field} is {value}, it must be between {min} and {max}")]
    OutOfRange { field: &'static str, value: i64, min: i64, max: i64 },
    #[error(transparent)]
    Text(#[from] Rejection),
}
