//! The default way: offer a bundle, and wait until OPA says that it is in force.

use std::{sync::Arc, time::Duration};

use plumb_bundle::formats::pack::OpaForm;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    Times,
    failure::{OpaFailure, Return},
    limits::{DOUBT, LOOK_PAUSE, NUDGE_PAUSE, RETURN_TIMEOUT},
    offer::{Offer, Offered},
    opa::Opa,
    status::{BundleStatus, OpaFault},
};
use crate::probe_file::ProbeEntry;

/// One OPA and the bundle it is offered.
pub(super) struct ByBundle {
    pub(super) opa: Arc<Opa>,
    pub(super) offer: Arc<Offer>,
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) limit: Duration,
}

impl ByBundle {
    /// Offers a pack and returns once OPA decides by it. On a failure the former one is offered
    /// again before this returns.
    pub(super) async fn activate(
        &self,
        form: OpaForm,
        probes: &[ProbeEntry],
        times: Times,
        cancel: &CancellationToken,
    ) -> Result<(), (OpaFailure, Return)> {
        let former = self.offer.current();
        let fresh = Arc::new(Offered::new(form));
        // What OPA says before it has the bundle cannot be about the bundle.
        let before = self.opa.status(&self.name).await.ok();
        self.offer.set(Some(Arc::clone(&fresh)));
        let taken = tokio::select! {
            () = cancel.cancelled() => Err(OpaFailure::Cancelled),
            taken = self.until_taken(&fresh, before, probes, times) => taken,
        };
        match taken {
            Ok(()) => Ok(()),
            // The last good pack is to be there for an OPA that comes up later.
            Err(failure) if former.is_none() && !failure.is_judgement() => {
                Err((failure, Return::Offered))
            }
            Err(failure) => {
                let turn = self.offer.set(former.clone());
                let returned = match former {
                    None => Return::Nothing,
                    Some(_)
                        if failure.is_away() || matches!(failure, OpaFailure::NotAsked { .. }) =>
                    {
                        Return::Awaited
                    }
                    Some(former) => self.until_back(&former, &fresh, turn).await,
                };
                Err((failure, returned))
            }
        }
    }

    async fn until_taken(
        &self,
        fresh: &Offered,
        before: Option<BundleStatus>,
        probes: &[ProbeEntry],
        times: Times,
    ) -> Result<(), OpaFailure> {
        let Times { mut reach_by, deadline } = times;
        let mut judge = Judge { stale: before, suspect: None };
        let mut nudged = Instant::now();
        let asked = self.offer.asked();
        let mut last = OpaFailure::Late { what: "GET /v1/status".to_owned() };
        loop {
            match timeout_at(deadline, self.opa.status(&self.name)).await {
                Err(_) => return Err(self.not_in_time(fresh, asked, last)),
                Ok(Err(failure)) if failure.is_away() && Instant::now() >= reach_by => {
                    return Err(failure);
                }
                Ok(Err(failure)) if failure.is_passing() => last = failure,
                Ok(Err(failure)) => return Err(failure),
                Ok(Ok(status)) => {
                    reach_by = deadline;
                    let current = status.revision.as_deref() == Some(&fresh.revision);
                    if current && status.fault.is_none() {
                        break;
                    }
                    if current && nudged.elapsed() >= NUDGE_PAUSE {
                        self.offer.nudge();
                        nudged = Instant::now();
                    }
                    last = OpaFailure::NotActivated {
                        limit_s: self.limit.as_secs(),
                        revision: status.revision.clone().unwrap_or_else(|| "none".to_owned()),
                    };
                    if let Some(fault) = judge.failed(status, self.offer.was_sent(fresh)) {
                        return Err(OpaFailure::Bundle(Box::new(fault)));
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(self.not_in_time(fresh, asked, last));
            }
            sleep(LOOK_PAUSE).await;
        }
        super::ask_all(&self.opa, probes, deadline).await
    }

    fn not_in_time(&self, fresh: &Offered, asked_before: u64, last: OpaFailure) -> OpaFailure {
        let silent = self.offer.asked() == asked_before && !self.offer.was_sent(fresh);
        match last {
            OpaFailure::NotActivated { limit_s, .. } if silent => OpaFailure::NotAsked {
                name: self.name.clone(),
                listen: self.listen.clone(),
                limit_s,
            },
            last => last,
        }
    }

    /// Waits until OPA decides by the former bundle, which is offered again since `turn`.
    async fn until_back(&self, former: &Offered, refused: &Offered, turn: u64) -> Return {
        let deadline = Instant::now() + RETURN_TIMEOUT;
        let mut nudged = Instant::now();
        while Instant::now() < deadline {
            // An OPA that may still be busy with the refused one has to ask again first.
            let settled = !self.offer.was_sent(refused) || self.offer.was_answered_in(turn);
            match timeout_at(deadline, self.opa.status(&self.name)).await {
                Ok(Ok(status))
                    if settled && status.revision.as_deref() == Some(&former.revision) =>
                {
                    if status.fault.is_none() {
                        return Return::Answers;
                    }
                    if nudged.elapsed() >= NUDGE_PAUSE {
                        self.offer.nudge();
                        nudged = Instant::now();
                    }
                }
                // Waiting shows nothing where nothing is told.
                Ok(Err(failure)) if !failure.is_passing() => return Return::Awaited,
                _ => {}
            }
            sleep(LOOK_PAUSE).await;
        }
        Return::Awaited
    }
}

/// Tells a failure of the bundle that is offered from one that was there before.
struct Judge {
    /// The newest status from before OPA got the bundle.
    stale: Option<BundleStatus>,
    /// A failure that may still be that of an earlier bundle, and since when it stands.
    suspect: Option<(BundleStatus, Instant)>,
}

impl Judge {
    fn failed(&mut self, status: BundleStatus, sent: bool) -> Option<OpaFault> {
        if !sent {
            self.stale = Some(status);
            return None;
        }
        // An answer of the bundle server that was an error is never about a bundle.
        let fault = status.fault.clone().filter(|fault| fault.http_code.is_none())?;
        if self.stale.as_ref() == Some(&status) {
            return None;
        }
        let faulty = |stale: &BundleStatus| {
            stale.fault.as_ref().is_some_and(|fault| fault.http_code.is_none())
        };
        if !self.stale.as_ref().is_none_or(faulty) {
            return Some(fault);
        }
        // OPA works on one bundle at a time, so a second failure is a new one.
        match &self.suspect {
            Some((first, since)) if *first != status || since.elapsed() >= DOUBT => Some(fault),
            Some(_) => None,
            None => {
                self.suspect = Some((status, Instant::now()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(at: &str, fault: Option<(&str, Option<u16>)>) -> BundleStatus {
        let fault = fault.map(|(message, http_code)| OpaFault {
            message: message.to_owned(),
            http_code,
            ..OpaFault::default()
        });
        BundleStatus { revision: None, fault, last_request: Some(at.to_owned()) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_failure_is_not_taken_for_one_of_the_new_bundle() {
        let old = || status("1", Some(("parse", None)));
        let mut judge = Judge { stale: Some(old()), suspect: None };
        assert_eq!(judge.failed(old(), true), None, "nothing changed since before");
        let again = || status("2", Some(("parse", None)));
        assert_eq!(judge.failed(again(), true), None, "may be the last of the old one");
        assert!(judge.failed(status("3", Some(("roots", None))), true).is_some());
        let mut judge = Judge { stale: Some(old()), suspect: None };
        assert_eq!(judge.failed(again(), true), None);
        tokio::time::advance(DOUBT).await;
        assert!(judge.failed(again(), true).is_some(), "it stands");
        let mut judge = Judge { stale: Some(status("1", None)), suspect: None };
        assert_eq!(judge.failed(again(), false), None, "not sent yet");
        let mut judge = Judge { stale: Some(status("1", None)), suspect: None };
        assert_eq!(judge.failed(status("2", Some(("Not Found", Some(404)))), true), None);
        assert!(judge.failed(status("3", Some(("parse", None))), true).is_some());
    }
}
