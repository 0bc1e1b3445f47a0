//! What a fetcher tells about itself.

use std::time::Duration;

use jiff::Timestamp;
use plumb_fleet::Digest;
use serde::Serialize;

use super::{failure::Cause, verify::VerificationReport};

/// What made a fetcher look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchTrigger {
    Start,
    Poll,
    LongPoll,
    Push,
    Request,
    /// An operator told the agent to take what it should run.
    Sync,
    /// An operator, or the agent itself, went back to an earlier pack.
    Rollback,
    Restart,
}

/// The pack in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActivePack {
    pub digest: Digest,
    pub version: String,
    pub etag: Option<String>,
    pub activated_at: Timestamp,
    pub verification: VerificationReport,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The registry offers what is in force.
    Current,
    Activated,
    /// The registry offers something else than what this node is told to run.
    HeldBack,
    Failed,
}

/// The newest look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    pub at: Timestamp,
    pub trigger: FetchTrigger,
    pub correlation: String,
    pub result: Ended,
    pub cause: Option<Cause>,
    pub text: Option<String>,
}

/// Something that happened, for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A look ended. `took` counts from the request, or from the answer to a long poll. `digest` is
    /// that of the pack that came, where one came.
    Looked { took: Duration, attempt: &'a Attempt, digest: Option<Digest> },
    /// Bytes were verified, with this result.
    Verified(&'a VerificationReport),
    /// The engine took a pack, or did not.
    Reloaded { took: Duration, taken: bool, trigger: FetchTrigger },
    /// Whether what is in force is not what the registry offers.
    Fallback(bool),
}

/// Everything a health endpoint shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FetchStatus {
    pub pack: String,
    pub active: Option<ActivePack>,
    /// When the registry last said that the pack in force is the one it offers.
    pub confirmed_at: Option<Timestamp>,
    pub last: Option<Attempt>,
    pub consecutive_failures: u32,
    /// What is in force is not what the registry offers, because that was refused.
    pub fallback: bool,
}

impl FetchStatus {
    /// Seconds since the registry confirmed what is in force; nothing before it ever did. A clock
    /// that was set back gives zero.
    pub fn digest_age_s(&self, now: Timestamp) -> Option<f64> {
        let confirmed = self.confirmed_at?;
        Some(now.duration_since(confirmed).as_secs_f64().max(0.0))
    }
}
