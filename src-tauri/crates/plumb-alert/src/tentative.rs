//! Claims made while the shared inbox could not be asked, and the one way in which they are settled afterwards.
//!
//! A tentative claim holds nobody off: the shared inbox decides. It is settled once, in this order: an alert that is not
//! there any more is told; a claim older than its lease is over, as a real one would be; what somebody else took or
//! settled meanwhile is lost; what is ours already is won; everything else is claimed now.
//!
//! Two clocks decide, each about what it has seen: how long ago the claim was made is measured by the clock that it was
//! made by, and who holds an alert until when by that of the shared inbox. So no clock is compared with another one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, State},
    ids::AlertRef,
};

/// A claim that the shared inbox does not know of yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TentativeClaim {
    pub alert: AlertRef,
    pub owner: String,
    pub made_at: Timestamp,
    /// How long the claim was meant to last, in seconds.
    pub lease_s: u32,
}

/// What becomes of a tentative claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Reconciled {
    /// Nobody holds the alert: it is to be claimed now.
    ClaimNow,
    /// It is ours.
    Won { lock_until: Timestamp },
    /// Somebody else holds it.
    Held { owner: String, lock_until: Timestamp },
    /// Somebody settled it.
    Settled { by: String, at: Timestamp },
    /// Its last owner could not settle it, and it waits for its next try.
    Waiting { by: String, retry_at: Timestamp },
    /// The time it was claimed for is over.
    Lapsed { at: Timestamp },
    /// The shared inbox has no such alert any more.
    Gone,
    /// The shared inbox does not give it to us.
    Refused { why: String },
}

impl TentativeClaim {
    /// When the claim ends by itself.
    pub fn until(&self) -> Timestamp {
        let lease = SignedDuration::from_secs(i64::from(self.lease_s));
        self.made_at.saturating_add(lease).unwrap_or(Timestamp::MAX)
    }

    /// Settles the claim; `found` is the alert as the shared inbox has it now, `now` the inbox's time and `here` ours.
    pub fn reconcile(&self, found: Option<&Alert>, now: Timestamp, here: Timestamp) -> Reconciled {
        let Some(alert) = found else { return Reconciled::Gone };
        let free = alert.is_due(now);
        match alert.state() {
            State::Processing { owner, lock_until, .. } if !free => {
                if *owner == self.owner {
                    return Reconciled::Won { lock_until: *lock_until };
                }
                Reconciled::Held { owner: owner.clone(), lock_until: *lock_until }
            }
            State::Acked { by, at, .. } => Reconciled::Settled { by: by.clone(), at: *at },
            State::Failed { by, retry_at, .. } if !free => {
                Reconciled::Waiting { by: by.clone(), retry_at: *retry_at }
            }
            _ if self.until() <= here => Reconciled::Lapsed { at: self.until() },
            _ => Reconciled::ClaimNow,
        }
    }
}
