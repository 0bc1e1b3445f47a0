//! The deployment lock while a run holds it: taken, made longer in time, lost.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Execution;
use crate::{
    next::Lease,
    ports::{Clock, EffectHandler, Journal, Lock, LockError},
};

/// What a run knows of its lease.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    held: Option<Held>,
    lost: Option<String>,
    asking: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    until: Timestamp,
    lasts: SignedDuration,
    /// When it is asked for again.
    ask_at: Timestamp,
}

impl Tenure {
    pub(super) const fn is_needed(&self) -> bool {
        self.held.is_some()
    }

    /// When something has to be done about it.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        let held = self.held.filter(|_| self.lost.is_none())?;
        Some(if self.asking { held.until } else { held.ask_at.min(held.until) })
    }

    /// Takes in the answer to a request that began at a moment. The lease counts from there: the
    /// answer may have been slow.
    pub(super) fn answered(
        &mut self,
        began: Timestamp,
        answer: Result<Option<Duration>, LockError>,
    ) {
        self.asking = false;
        match answer {
            Ok(None) => {}
            Ok(Some(lasts)) => {
                let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
                let until = began.saturating_add(lasts).unwrap_or(Timestamp::MAX);
                let ask_at = began.saturating_add(lasts / 3).unwrap_or(Timestamp::MAX);
                self.held = Some(Held { until, lasts, ask_at });
            }
            Err(error @ LockError::Held { .. }) => self.lost = Some(error.to_string()),
            // It is asked again until the lease is over.
            Err(LockError::NoAnswer { .. }) => {
                if let Some(held) = &mut self.held {
                    held.ask_at = held.ask_at.max(began) + held.lasts / 8;
                }
            }
        }
    }

    fn lease(&self) -> Lease {
        match (&self.lost, self.held) {
            (Some(reason), _) => Lease::Lost { reason: reason.clone() },
            (None, None) => Lease::NotNeeded,
            // What is sent at the very end would arrive when somebody else may hold it.
            (None, Some(held)) => {
                Lease::Held { act_until: held.until - held.lasts / 4, until: held.until }
            }
        }
    }
}

impl<H: EffectHandler, J: Journal, C: Clock, L: Lock> Execution<'_, H, J, C, L> {
    pub(super) async fn take_lock(&mut self) -> Result<(), LockError> {
        let began = self.now();
        let answer = self.setting.lock.hold().await?;
        self.lease.answered(began, Ok(answer));
        self.known.lease = self.lease.lease();
        Ok(())
    }

    /// Asks for the lease again in time, and notices its end.
    pub(super) fn tend_lease(&mut self) {
        let now = self.now();
        if let Some(held) = self.lease.held.filter(|_| self.lease.lost.is_none()) {
            if now >= held.until {
                self.lease.lost = Some("the lease of the deployment lock ended".to_owned());
            } else if now >= held.ask_at && !self.lease.asking {
                self.lease.asking = true;
                self.flights.hold(self.setting.lock, now);
            }
        }
        self.known.lease = self.lease.lease();
    }
}
