//! An alert: what a monitor says, and what became of it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AlertRef, IncidentRef},
    limits::{
        DEDUPE_MINUTES_MAX, DETAILS_BYTES_MAX, KEY_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX,
        TELLER_BYTES_MAX, TELLS_FOR, TEXT_BYTES_MAX, TITLE_BYTES_MAX,
    },
};

pub type Labels = BTreeMap<String, String>;

/// How bad; the first is the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Severity {
    P0,
    P1,
    #[default]
    P2,
    P3,
}

impl Severity {
    /// No worse than the cap.
    #[must_use]
    pub fn capped(self, cap: Self) -> Self {
        self.max(cap)
    }

    /// 0 for P0.
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.rank())
    }
}

impl FromStr for Severity {
    type Err = Rejection;
    /// `P0` to `P3`, or the words that alert rules use.
    fn from_str(text: &str) -> Result<Self, Rejection> {
        match text.to_ascii_lowercase().as_str() {
            "p0" | "emergency" | "page" => Ok(Self::P0),
            "p1" | "critical" | "high" | "error" => Ok(Self::P1),
            "p2" | "warning" | "medium" | "warn" => Ok(Self::P2),
            "p3" | "info" | "low" | "none" | "notice" => Ok(Self::P3),
            _ => Err(Rejection::Severity { severity: text.chars().take(40).collect() }),
        }
    }
}

/// What a monitor says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Who says it, such as `monitor@node1`.
    pub source: String,
    pub service: String,
    pub env: String,
    /// What sort of thing it is, such as `slo_breach`.
    pub kind: String,
    /// One line.
    pub title: String,
    pub message: String,
    pub severity: Severity,
    /// What makes two reports one alert; computed where the sender gives none.
    pub fingerprint: Option<String>,
    /// What makes two alerts one incident; computed where the sender gives none.
    pub signature: Option<String>,
    pub labels: Labels,
    /// Whatever else the sender gave.
    pub details: BTreeMap<String, serde_json::Value>,
    pub dedupe_ttl_minutes: Option<u32>,
    /// When the condition began, by the sender's clock.
    pub started_at: Option<Timestamp>,
    /// The condition is over.
    pub resolved: bool,
    /// Which of several that watch the same thing says it, such as a console of a team; nobody where one watches alone.
    pub told_by: Option<String>,
}

/// Why an alert is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Rejection {
    #[error("{field} is missing: give it as a text that is not empty")]
    Missing { field: String },
    #[error("kind {kind:?} is not valid: use letters, digits, '_', '-', '.' and ':'")]
    Kind { kind: String },
    #[error("kind {kind:?} is not one of those the routing policy lists: {known}")]
    UnknownKind { kind: String, known: String },
    #[error("severity {severity:?} is unknown: use P0, P1, P2 or P3")]
    Severity { severity: String },
    #[error("{field} has {bytes} bytes, at most {max} are allowed")]
    TooLong { field: String, bytes: usize, max: usize },
    #[error("{count} labels, at most {max} are allowed")]
    TooManyLabels { count: usize, max: usize },
    #[error("{field} holds a control character")]
    Control { field: String },
    #[error("dedupe_ttl_minutes is {minutes}, at most {max} are allowed")]
    Window { minutes: u32, max: u32 },
    #[error("installation is not valid: use up to 64 letters from a to z, digits and '-'")]
    Installation,
    #[error("nothing to resolve: no alert has fingerprint {fingerprint}")]
    NothingToResolve { fingerprint: String },
}

impl Draft {
    /// The draft with what cannot be accepted cut or replaced, for a sender that repeats nothing and reads no answer:
    /// better a shortened alert than none. What makes two reports one alert is left as it is.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let kind_byte = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        self.kind = self.kind.trim().replace(|c| !kind_byte(c), "_");
        for (text, max) in [
            (&mut self.kind, NAME_BYTES_MAX),
            (&mut self.source, NAME_BYTES_MAX),
            (&mut self.service, NAME_BYTES_MAX),
            (&mut self.env, NAME_BYTES_MAX),
            (&mut self.title, TITLE_BYTES_MAX),
        ] {
            *text = cut(text, max).replace(char::is_control, " ");
        }
        for (empty, other) in
            [(&mut self.service, "unknown"), (&mut self.title, self.kind.as_str())]
        {
            if empty.trim().is_empty() {
                other.clone_into(empty);
            }
        }
        self.message = cut(&self.message, TEXT_BYTES_MAX).replace('\0', " ");
        let labels = std::mem::take(&mut self.labels).into_iter().take(LABELS_MAX);
        self.labels = labels
            .map(|(name, value)| {
                let name = cut(&name, NAME_BYTES_MAX).replace(char::is_control, " ");
                (name, cut(&value, TEXT_BYTES_MAX).replace('\0', " "))
            })
            .collect();
        self
    }

    /// Whether the alert can be accepted; `kinds` where the policy names the only ones.
    pub fn check(&self, kinds: Option<&[String]>) -> Result<(), Rejection> {
        for (field, text) in
            [("service", &self.service), ("title", &self.title), ("kind", &self.kind)]
        {
            if text.trim().is_empty() {
                return Err(Rejection::Missing { field: field.to_owned() });
            }
        }
        let kind_ok =
            self.kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
        if !kind_ok || self.kind.len() > NAME_BYTES_MAX {
            return Err(Rejection::Kind { kind: self.kind.chars().take(60).collect() });
        }
        if let Some(kinds) = kinds
            && !kinds.contains(&self.kind)
        {
            return Err(Rejection::UnknownKind {
                kind: self.kind.clone(),
                known: kinds.join(", "),
            });
        }
        let names = [("source", &self.source), ("service", &self.service), ("env", &self.env)];
        for (field, text) in names {
            one_line(field, text, NAME_BYTES_MAX)?;
        }
        if let Some(teller) = &self.told_by {
            one_line("told_by", teller, TELLER_BYTES_MAX)?;
        }
        one_line("title", &self.title, TITLE_BYTES_MAX)?;
        within("message", self.message.len(), TEXT_BYTES_MAX)?;
        if self.message.contains('\0') {
            return Err(Rejection::Control { field: "message".to_owned() });
        }
        for (field, key) in [("fingerprint", &self.fingerprint), ("signature", &self.signature)] {
            if let Some(key) = key {
                if key.trim().is_empty() {
                    return Err(Rejection::Missing { field: field.to_owned() });
                }
                one_line(field, key, KEY_BYTES_MAX)?;
            }
        }
        self.check_extras()
    }

    fn check_extras(&self) -> Result<(), Rejection> {
        if self.labels.len() > LABELS_MAX {
            return Err(Rejection::TooManyLabels { count: self.labels.len(), max: LABELS_MAX });
        }
        for (name, value) in &self.labels {
            one_line("label", name, NAME_BYTES_MAX)?;
            within("label", value.len(), TEXT_BYTES_MAX)?;
            if value.contains('\0') {
                return Err(Rejection::Control { field: "label".to_owned() });
            }
        }
        let details = serde_json::to_string(&self.details).map_or(usize::MAX, |text| text.len());
        within("details", details, DETAILS_BYTES_MAX)?;
        match self.dedupe_ttl_minutes {
            Some(minutes) if minutes > DEDUPE_MINUTES_MAX => {
                Err(Rejection::Window { minutes, max: DEDUPE_MINUTES_MAX })
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn one_line(field: &str, text: &str, max: usize) -> Result<(), Rejection> {
    within(field, text.len(), max)?;
    if text.chars().any(char::is_control) {
        return Err(Rejection::Control { field: field.to_owned() });
    }
    Ok(())
}

/// The beginning that fits, up to a whole character.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn within(field: &str, bytes: usize, max: usize) -> Result<(), Rejection> {
    if bytes > max {
        return Err(Rejection::TooLong { field: field.to_owned(), bytes, max });
    }
    Ok(())
}

/// The states by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    New,
    Processing,
    Acked,
    Failed,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::New, Self::Processing, Self::Acked, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Processing => "processing",
            Self::Acked => "acked",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no status: use new, processing, acked or failed"))
    }
}

/// Where an alert is, with what belongs to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum State {
    New,
    Processing { owner: String, claimed_at: Timestamp, lock_until: Timestamp },
    Acked { by: String, at: Timestamp, note: String, outcome: Outcome },
    Failed { by: String, at: Timestamp, error: String, retry_at: Timestamp },
}

/// What an acknowledged claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A triage ran.
    Triaged,
    /// It was added to an incident, and no triage ran.
    Appended,
    /// No incident came of it, such as a false positive.
    Dismissed,
}

/// Whether what was told then still counts.
pub(crate) fn tells(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < TELLS_FOR
}

/// How often things happened to one alert; sums over all of them are the law of conservation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub claims: u64,
    pub failures: u64,
    pub requeues: u64,
}

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub alert_ref: AlertRef,
    pub source: String,
    pub service: String,
    pub env: String,
    pub kind: String,
    pub title: String,
    pub message: String,
    pub severity: Severity,
    pub fingerprint: String,
    pub signature: String,
    pub labels: Labels,
    pub details: BTreeMap<String, serde_json::Value>,
    pub occurrences: u64,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    /// Who says that it lasts, and when they last did; empty where its source alone speaks for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told_by: BTreeMap<String, Timestamp>,
    pub incident_ref: Option<IncidentRef>,
    /// Of the newest failure, also after the alert is new again.
    pub last_error: Option<String>,
    #[serde(flatten)]
    pub life: Life,
}

/// Where an alert is, and how often things happened to it. Only the functions of this crate move it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub(crate) counts: Counts,
    #[serde(flatten)]
    pub(crate) state: State,
}

impl Life {
    /// As a store kept it.
    pub fn restore(state: State, counts: Counts) -> Self {
        Self { counts, state }
    }
}

impl Alert {
    pub fn state(&self) -> &State {
        &self.life.state
    }

    pub fn status(&self) -> Status {
        match self.life.state {
            State::New => Status::New,
            State::Processing { .. } => Status::Processing,
            State::Acked { .. } => Status::Acked,
            State::Failed { .. } => Status::Failed,
        }
    }

    pub fn counts(&self) -> Counts {
        self.life.counts
    }

    /// Somebody other than `teller` who said a short time ago that it lasts, and when.
    pub fn lasts_for(&self, teller: &str, now: Timestamp) -> Option<(&str, Timestamp)> {
        let others = self.told_by.iter().filter(|(by, at)| *by != teller && tells(**at, now));
        others.max_by_key(|(_, at)| **at).map(|(by, at)| (by.as_str(), *at))
    }

    /// From when on a claim may take it: now, after its lease, after its pause, or never.
    pub fn claimable_at(&self) -> Option<Timestamp> {
        match &self.life.state {
            State::New => Some(self.created_at),
            State::Processing { lock_until, .. } => Some(*lock_until),
            State::Failed { retry_at, .. } => Some(*retry_at),
            State::Acked { .. } => None,
        }
    }
}
