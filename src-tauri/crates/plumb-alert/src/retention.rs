//! How long settled alerts are kept. Without a policy, for ever.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, State};

/// Only acknowledged alerts go: what nobody has dealt with stays, and so do incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub acked_days: u32,
}

impl Retention {
    /// Alerts acknowledged before this go.
    pub fn before(self, now: Timestamp) -> Timestamp {
        let kept = SignedDuration::from_hours(24 * i64::from(self.acked_days));
        now.saturating_sub(kept).unwrap_or(Timestamp::MIN)
    }

    /// Whether an alert would go now.
    pub fn expires(self, alert: &Alert, now: Timestamp) -> bool {
        matches!(&alert.life.state, State::Acked { at, .. } if *at < self.before(now))
    }
}
