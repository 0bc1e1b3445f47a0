//! Entries of the troubleshooting help that an answer leads to, by their headings.

pub const NOT_ACCEPTED: &str = "A report is not accepted";
pub const REPEATED: &str = "A report counts as seen before";
pub const NOT_FOUND: &str = "An alert is not found";
pub const STUCK: &str = "Alerts stay in processing";
pub const FAILED: &str = "Alerts stay in failed";
pub const COOLING: &str = "No triage runs";
pub const NOTHING_FREE: &str = "A claim gives nothing";
pub const GATE: &str = "A release gate blocks";
pub const INGEST_DENIED: &str = "Telling of alerts is denied";
pub const CLAIM_DENIED: &str = "Claiming is denied";

pub const ALL: [&str; 10] = [
    NOT_ACCEPTED,
    REPEATED,
    NOT_FOUND,
    STUCK,
    FAILED,
    COOLING,
    NOTHING_FREE,
    GATE,
    INGEST_DENIED,
    CLAIM_DENIED,
];
