//! The life of an alert: `new` to `processing` to `acked` or `failed`, and back to `new`.

use jiff::{SignedDuration, Timestamp};

use crate::{
    alert::{Alert, Outcome, Rejection, State, one_line},
    limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX, WINDOW_S_MAX},
    why::{Decided, Refusal, Why},
};

/// Who takes an alert, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    owner: String,
    ttl_s: u32,
}

impl Lease {
    /// Refuses an owner without a name, and a lease of no time or of more than a day.
    pub fn new(owner: &str, ttl_s: i64) -> Result<Self, Refusal> {
        const TTL_S_MAX: i64 = 24 * 3_600;
        let ttl_s_given = ttl_s;
        let ttl_s = u32::try_from(ttl_s).ok().filter(|s| *s > 0 && i64::from(*s) <= TTL_S_MAX);
        let ttl_s = ttl_s.ok_or(Refusal::OutOfRange {
            field: "lock_ttl_seconds",
            value: ttl_s_given,
            min: 1,
            max: TTL_S_MAX,
        })?;
        named("owner", owner)?;
        Ok(Self { owner: owner.to_owned(), ttl_s })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }
}

/// Who settles an alert, and by which claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Whom the record names.
    pub by: String,
    /// The owner that must hold the claim, where the caller says so.
    pub owner: Option<String>,
    /// The number of the claim, where the caller says so: it tells one claim of an owner from the next.
    pub claim: Option<u64>,
}

impl Caller {
    pub fn new(by: impl Into<String>) -> Self {
        Self { by: by.into(), owner: None, claim: None }
    }
}

/// How an alert is acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledgement {
    pub caller: Caller,
    pub note: String,
}

/// How an alert failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub caller: Caller,
    pub error: String,
    pub retry_after_s: i64,
}

impl Alert {
    /// Whether its lease or pause is over, or it was never taken.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.claimable_at().is_some_and(|at| at <= now)
    }

    /// Back to `new` when a lease or a pause is over; nothing otherwise.
    pub fn requeue(&self, now: Timestamp) -> Option<Decided<Self>> {
        let why = match &self.life.state {
            State::Processing { owner, lock_until, .. } if *lock_until <= now => {
                Why::LockExpired { owner: owner.clone(), lock_until: *lock_until }
            }
            State::Failed { retry_at, .. } if *retry_at <= now => {
                Why::RetryDue { retry_at: *retry_at }
            }
            _ => return None,
        };
        let mut alert = self.clone();
        // A failed claim was counted as failed.
        if matches!(self.life.state, State::Processing { .. }) {
            alert.life.counts.requeues += 1;
        }
        alert.life.state = State::New;
        Some(Decided::new(alert, why))
    }

    /// Takes the alert. Its number of claims is the number of this claim.
    pub fn claim(&self, lease: &Lease, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        let requeued = self.requeue(now);
        let (mut alert, mut why) = match requeued {
            Some(Decided { value, why }) => (value, why),
            None => (self.clone(), Vec::new()),
        };
        match &alert.life.state {
            State::New => {}
            State::Processing { owner, lock_until, .. } => {
                return Err(Refusal::Held {
                    alert: alert.alert_ref.clone(),
                    owner: owner.clone(),
                    until: *lock_until,
                });
            }
            State::Acked { .. } | State::Failed { .. } => {
                return Err(Refusal::Settled {
                    alert: alert.alert_ref.clone(),
                    status: alert.status(),
                });
            }
        }
        let lock_until = after_seconds(now, i64::from(lease.ttl_s));
        alert.life.counts.claims += 1;
        alert.life.state =
            State::Processing { owner: lease.owner.clone(), claimed_at: now, lock_until };
        why.push(Why::Claimed { owner: lease.owner.clone(), lock_until });
        Ok(Decided { value: alert, why })
    }

    /// Closes the alert. One that nobody holds is claimed by the caller in the same step.
    pub fn ack(&self, ack: &Acknowledgement, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        let outcome = match self.incident_ref {
            Some(_) => Outcome::Appended,
            None => Outcome::Dismissed,
        };
        self.settle(ack, outcome, now)
    }

    pub(crate) fn settle(
        &self,
        ack: &Acknowledgement,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        text("note", &ack.note)?;
        let caller = &ack.caller;
        named("by", &caller.by)?;
        let (mut alert, why) = match &self.life.state {
            State::Processing { lock_until, .. } => {
                self.held_by(caller)?;
                let late = (*lock_until <= now).then_some(*lock_until);
                (self.clone(), late.map(|lock_until| Why::AckedLate { lock_until }))
            }
            State::New | State::Failed { .. } => {
                // Somebody who speaks of a claim has lost it.
                if let Some(given) = caller.claim {
                    return Err(self.stale(given));
                }
                if caller.owner.as_ref().is_some_and(|owner| *owner != caller.by) {
                    return Err(Refusal::NotClaimed { alert: self.alert_ref.clone() });
                }
                let mut alert = self.clone();
                alert.life.counts.claims += 1;
                (alert, Some(Why::ClaimedToSettle { by: caller.by.clone() }))
            }
            State::Acked { .. } => {
                return Err(Refusal::Settled {
                    alert: self.alert_ref.clone(),
                    status: self.status(),
                });
            }
        };
        alert.life.state =
            State::Acked { by: caller.by.clone(), at: now, note: ack.note.clone(), outcome };
        Ok(Decided { value: alert, why: why.into_iter().collect() })
    }

    /// Marks a claimed alert as failed; it is new again after the pause.
    pub fn fail(&self, failure: &Failure, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        text("error", &failure.error)?;
        named("by", &failure.caller.by)?;
        if failure.error.trim().is_empty() {
            return Err(Rejection::Missing { field: "error".to_owned() }.into());
        }
        if !(0..=WINDOW_S_MAX).contains(&failure.retry_after_s) {
            return Err(Refusal::OutOfRange {
                field: "retry_after_seconds",
                value: failure.retry_after_s,
                min: 0,
                max: WINDOW_S_MAX,
            });
        }
        match &self.life.state {
            State::Processing { .. } => self.held_by(&failure.caller)?,
            State::New => return Err(Refusal::NotClaimed { alert: self.alert_ref.clone() }),
            State::Acked { .. } | State::Failed { .. } => {
                return Err(Refusal::Settled {
                    alert: self.alert_ref.clone(),
                    status: self.status(),
                });
            }
        }
        let retry_at = after_seconds(now, failure.retry_after_s);
        let mut alert = self.clone();
        alert.life.counts.failures += 1;
        alert.last_error = Some(failure.error.clone());
        alert.life.state = State::Failed {
            by: failure.caller.by.clone(),
            at: now,
            error: failure.error.clone(),
            retry_at,
        };
        Ok(Decided::new(alert, Why::RetryLater { retry_at }))
    }

    fn held_by(&self, caller: &Caller) -> Result<(), Refusal> {
        let State::Processing { owner, lock_until, .. } = &self.life.state else { return Ok(()) };
        if caller.owner.as_ref().is_some_and(|own| own != owner) {
            return Err(Refusal::Held {
                alert: self.alert_ref.clone(),
                owner: owner.clone(),
                until: *lock_until,
            });
        }
        match caller.claim {
            Some(given) if given != self.life.counts.claims => Err(self.stale(given)),
            _ => Ok(()),
        }
    }

    fn stale(&self, given: u64) -> Refusal {
        Refusal::StaleClaim {
            alert: self.alert_ref.clone(),
            given,
            current: self.life.counts.claims,
        }
    }
}

fn after_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

pub(crate) fn named(field: &str, name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Rejection::Missing { field: field.to_owned() }.into());
    }
    Ok(one_line(field, name, NAME_BYTES_MAX)?)
}

pub(crate) fn text(field: &str, text: &str) -> Result<(), Refusal> {
    let (bytes, max) = (text.len(), TEXT_BYTES_MAX);
    if bytes > max {
        return Err(Rejection::TooLong { field: field.to_owned(), bytes, max }.into());
    }
    if text.contains('\0') {
        return Err(Rejection::Control { field: field.to_owned() }.into());
    }
    Ok(())
}
