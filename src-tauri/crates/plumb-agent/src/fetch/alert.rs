//! Alerts as values; whoever holds the receiver sends them on.

use jiff::Timestamp;
use serde::Serialize;

use super::failure::Cause;

/// Failures in a row after which one that may pass by itself is worth an alert (R198).
const PASSING_FAILURES_MIN: u32 = 3;

/// Who has to look at an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// May pass by itself: said when it lasts.
    Passing,
    /// Somebody has to change something.
    Operator,
    /// Bytes came that nobody we trust vouches for.
    Security,
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    pub at: Timestamp,
    pub kind: Cause,
    pub severity: Severity,
    /// Teams it is for (R221).
    pub teams: &'static [&'static str],
    pub pack: String,
    /// SHA-256 of the pack it is about, where one came.
    pub digest: Option<String>,
    pub correlation: String,
    pub consecutive_failures: u32,
    pub message: String,
}

/// Whether a failure is told: at once, or when it lasts.
pub(crate) fn is_told(cause: Cause, consecutive: u32) -> bool {
    cause.severity() != Severity::Passing || consecutive >= PASSING_FAILURES_MIN
}

pub(crate) const fn teams(severity: Severity) -> &'static [&'static str] {
    match severity {
        Severity::Passing | Severity::Operator => &["app-engineering"],
        Severity::Security => &["app-engineering", "security"],
    }
}
