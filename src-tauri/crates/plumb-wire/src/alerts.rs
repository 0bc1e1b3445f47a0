//! The alert contract: calls of `POST /v1/tools/execute`, and what Alertmanager sends.

mod alertmanager;
pub mod guides;
mod plain;
mod teller;

pub use alertmanager::{GettableAlert, Notification, NotifiedAlert, PrometheusAlerts};
pub use plain::{
    AckBody, AlertsQuery, ChangesQuery, ClaimBody, ConvertBody, DashboardQuery, FailBody,
    IncidentsQuery, MoveBody, NoteBody, OpenQuery, ReasonBody, ReleaseCheck, ResolutionBody,
    ToolBody, TriageBody,
};
pub use teller::{is_installation, teller};

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

pub const ALERT_TOOL: &str = "alert_ingest_tool";
pub const ONCALL_TOOL: &str = "oncall_tool";

/// One call, by tool and action.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolCall {
    Ingest(Box<Ingest>),
    List(List),
    Claim(Claim),
    Ack(Ack),
    Fail(Fail),
    AlertToIncident(AlertToIncident),
    IncidentAppendEvent(IncidentAppendEvent),
    IncidentClose(IncidentClose),
}

/// Why a call is not understood.
#[derive(Debug)]
pub enum CallError {
    Json(serde_json::Error),
    Unknown { tool: String, action: String },
    Arguments { action: String, error: serde_json::Error },
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the body is no JSON object with tool and action"),
            Self::Unknown { tool, action } => write!(
                f,
                "{tool:?} has no action {action:?}: {ALERT_TOOL} has ingest, list, claim, ack, fail; {ONCALL_TOOL} has alert_to_incident, incident_append_event, incident_close"
            ),
            Self::Arguments { action, .. } => write!(f, "the arguments of {action} are not valid"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) | Self::Arguments { error, .. } => Some(error),
            Self::Unknown { .. } => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    tool: String,
    action: String,
    #[serde(flatten)]
    arguments: Map<String, Value>,
}

impl ToolCall {
    /// Reads a body as JSON, whatever its content type says.
    pub fn read(body: &[u8]) -> Result<Self, CallError> {
        let Envelope { tool, action, arguments } =
            serde_json::from_slice(body).map_err(CallError::Json)?;
        match (tool.as_str(), action.as_str()) {
            (ALERT_TOOL, "ingest") => typed(&action, arguments).map(Self::Ingest),
            (ALERT_TOOL, "list") => typed(&action, arguments).map(Self::List),
            (ALERT_TOOL, "claim") => typed(&action, arguments).map(Self::Claim),
            (ALERT_TOOL, "ack") => typed(&action, arguments).map(Self::Ack),
            (ALERT_TOOL, "fail") => typed(&action, arguments).map(Self::Fail),
            (ONCALL_TOOL, "alert_to_incident") => {
                typed(&action, arguments).map(Self::AlertToIncident)
            }
            (ONCALL_TOOL, "incident_append_event") => {
                typed(&action, arguments).map(Self::IncidentAppendEvent)
            }
            (ONCALL_TOOL, "incident_close") => typed(&action, arguments).map(Self::IncidentClose),
            _ => Err(CallError::Unknown { tool, action }),
        }
    }
}

fn typed<T: DeserializeOwned>(action: &str, arguments: Map<String, Value>) -> Result<T, CallError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| CallError::Arguments { action: action.to_owned(), error })
}

/// A report. What is not named here is kept with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Ingest {
    pub source: Option<String>,
    pub service: Option<String>,
    pub env: Option<String>,
    pub kind: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub severity: Option<String>,
    pub fingerprint: Option<String>,
    pub incident_signature: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub dedupe_ttl_minutes: Option<u32>,
    pub started_at: Option<Timestamp>,
    pub resolved: bool,
    /// Which of the sender's installations says it, where several of one identity watch the same thing: up to 64 of a-z, 0-9
    /// and `-`. An alert is over when nobody says any more that it lasts; who the sender is, the hub knows by itself.
    pub installation: Option<String>,
    #[serde(flatten)]
    pub details: BTreeMap<String, Value>,
}

impl Ingest {
    /// The title, or the first line of the message where there is none; empty when both are missing.
    pub fn title(&self) -> &str {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.trim().is_empty());
        let text = if given(&self.title) { &self.title } else { &self.message };
        let text = text.as_deref().unwrap_or_default().trim();
        text.lines().next().unwrap_or_default()
    }
}

macro_rules! arguments {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$of])* pub $field: $kind,)* }
    };
}

arguments! {
    /// Which alerts to list; every status where none is given.
    List {
        window_minutes: Option<u32>,
        env: Option<String>,
        service: Option<String>,
        source: Option<String>,
        #[serde(default)]
        status_in: Vec<String>,
        limit: Option<u32>,
    }
}
arguments! {
    /// Takes alerts that nobody holds.
    Claim {
        owner: String,
        window_minutes: Option<u32>,
        limit: Option<u32>,
        lock_ttl_seconds: Option<i64>,
    }
}
arguments! {
    Ack { alert_ref: String, note: Option<String>, owner: Option<String>, claim: Option<u64>, }
}
arguments! {
    /// Both names of the pause are understood; seconds either way.
    Fail {
        alert_ref: String,
        error: String,
        #[serde(alias = "retry_after_sec")]
        retry_after_seconds: Option<i64>,
        owner: Option<String>,
        claim: Option<u64>,
    }
}
arguments! {
    AlertToIncident {
        alert_ref: String,
        incident_severity_cap: Option<String>,
        dedupe_window_minutes: Option<u32>,
    }
}
arguments! {
    IncidentAppendEvent { incident_ref: String, note: String, }
}
arguments! {
    IncidentClose { incident_ref: String, resolution: Option<String>, }
}
