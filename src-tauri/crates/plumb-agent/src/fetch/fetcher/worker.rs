//! The one task that works off the queue: one look, and one reload, at a time.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use plumb_fleet::Digest;
use plumb_wire::{packs::etag_digest, v1::LogLevel};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Done, Job, Shared, Work, correlation,
    examine::{Examined, examine},
    held_back::HeldBack,
    on_blocking_thread,
};
use crate::{
    chain::chain,
    fetch::{
        alert::{Alert, is_told, teams},
        audit::{AuditLine, AuditLog},
        config::FetchMode,
        decide::{Memory, Outcome, Pace, Seen, Step},
        failure::{Cause, FetchFailure, Stage},
        limits::ACTIVATION_TIMEOUT,
        pack::VerifiedPack,
        source::{Answer, Ask},
        status::{ActivePack, Attempt, Ended, FetchEvent, FetchTrigger},
        store::{PackStore, Record, StoreError, TakenBack},
    },
};

/// A long poll or a push wakes the worker; without them it would poll at this moment: never.
const NEVER: Duration = Duration::from_hours(365 * 24);

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    store: Arc<Mutex<PackStore>>,
    audit: Arc<Mutex<AuditLog>>,
    pub(super) memory: Memory,
    /// Packs that were taken back, the newest last.
    pub(super) taken_back: Vec<TakenBack>,
    /// What the registry offers and this node is not to run.
    pub(super) held_back: Option<HeldBack>,
    pub(super) pace: Pace,
}

/// A look that brought nothing into force, and what came with it.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) failure: FetchFailure,
    pub(super) digest: Option<Digest>,
}

impl From<FetchFailure> for Lost {
    fn from(failure: FetchFailure) -> Self {
        Self { failure, digest: None }
    }
}

/// What became of a pack that passed every check.
#[derive(Debug)]
enum Admitted {
    InForce { carried_by: Option<String> },
    HeldBack { reason: String },
}

/// A look that went well.
#[derive(Debug, Default)]
struct Found {
    full: bool,
    waited: bool,
    /// Something new is in force.
    activated: bool,
    /// Why what came is not to be run here.
    held_back: Option<String>,
    /// What carried the verification of it.
    carried_by: Option<String>,
    digest: Option<Digest>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        store: Arc<Mutex<PackStore>>,
        taken_back: Vec<TakenBack>,
        audit: AuditLog,
    ) -> Self {
        let pace = shared.config.pace();
        Self {
            shared,
            store,
            audit: Arc::new(Mutex::new(audit)),
            memory: Memory::default(),
            taken_back,
            held_back: None,
            pace,
        }
    }

    /// Works until the fetcher stops.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>, first: Duration) {
        let polls = self.shared.config.mode != FetchMode::LongPoll;
        let mut wake = Instant::now() + if polls { first } else { NEVER };
        loop {
            let job = tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return,
                job = queue.recv() => match job {
                    Some(job) => job,
                    None => return,
                },
                () = sleep_until(wake) => Job {
                    trigger: FetchTrigger::Poll,
                    correlation: correlation(),
                    work: Work::Ask,
                    done: None,
                },
            };
            let (attempt, pause) = match job.work {
                Work::Restore { wants } => (self.restore(job.trigger, &wants).await, None),
                Work::TakeBack { digest, reason } => (self.take_back(digest, reason).await, None),
                Work::Again => (self.again(job.trigger).await, None),
                work => self.attend(job.trigger, &job.correlation, work).await,
            };
            if let Some(pause) = pause.filter(|_| polls) {
                wake = Instant::now() + pause;
            }
            if let Some(done) = job.done {
                let pause = pause.unwrap_or_default();
                let _ = done.send(Done { attempt, pause, condition: self.condition() });
            }
        }
    }

    /// One look. Gives nothing when there was no reason for one.
    async fn attend(
        &mut self,
        trigger: FetchTrigger,
        correlation: &str,
        work: Work,
    ) -> (Option<Attempt>, Option<Duration>) {
        let asks = !matches!(work, Work::Answered { .. });
        if asks && self.shared.elapsed() < self.memory.not_before {
            return (None, None);
        }
        let begun = Instant::now();
        let looked = match work {
            Work::Told { digest } if self.is_held(&digest) => return (None, None),
            Work::Told { .. } | Work::Ask => {
                let ask =
                    Ask { etag: self.condition(), wait: None, correlation: correlation.to_owned() };
                let source = Arc::clone(&self.shared.source);
                let answer = tokio::select! {
                    answer = source.pack(&ask) => answer,
                    () = self.shared.stop.cancelled() => return (None, None),
                };
                self.take(trigger, correlation, ask.etag.as_deref(), answer).await
            }
            Work::Answered { asked_with, answer } => {
                self.take(trigger, correlation, asked_with.as_deref(), answer).await
            }
            // Told apart by the one who calls: they ask nobody.
            Work::Restore { .. } | Work::TakeBack { .. } | Work::Again => return (None, None),
        };
        let took = begun.elapsed();
        let (attempt, pause) = match looked {
            Ok(found) => self.found(trigger, correlation, found, took).await,
            Err(lost) => self.lost(trigger, correlation, lost, took).await,
        };
        (Some(attempt), Some(pause))
    }

    fn is_held(&self, digest: &str) -> bool {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.memory.held.as_ref().is_some_and(|held| hex.parse() == Ok(held.digest))
    }

    /// Judges an answer and, when it is something new, brings it into force.
    async fn take(
        &mut self,
        trigger: FetchTrigger,
        correlation: &str,
        asked_with: Option<&str>,
        answer: Result<Answer, FetchFailure>,
    ) -> Result<Found, Lost> {
        match answer? {
            Answer::NotModified { etag, digest_field, waited } => {
                let step = self.memory.judge(Seen::NotModified {
                    asked_with,
                    etag: etag.as_deref(),
                    digest_field: digest_field.as_deref(),
                })?;
                let found = Found { full: false, waited, ..Found::default() };
                match (step, &self.held_back) {
                    (Step::StillHeldBack { digest }, _)
                        if let Some(failure) = self.was_taken_back(digest) =>
                    {
                        Err(Lost { failure, digest: Some(digest) })
                    }
                    (Step::StillHeldBack { digest }, Some(held_back)) => {
                        let reason = held_back.reason.clone();
                        Ok(Found { held_back: Some(reason), digest: Some(digest), ..found })
                    }
                    _ => Ok(found),
                }
            }
            Answer::Pack { etag, digest_field, attestation, bytes, waited } => {
                let (found, bytes) = on_blocking_thread(move || (Digest::of(&bytes), bytes)).await;
                let lost = |failure| Lost { failure, digest: Some(found) };
                let seen = Seen::Pack {
                    etag: etag.as_deref(),
                    digest_field: digest_field.as_deref(),
                    found,
                };
                if self.memory.judge(seen).map_err(lost)? == Step::Rest {
                    if let Some(held) = &mut self.memory.held {
                        held.etag = etag;
                    }
                    let digest = Some(found);
                    return Ok(Found { full: true, waited, digest, ..Found::default() });
                }
                if let Some(failure) = self.was_taken_back(found) {
                    self.hold_back(found, etag, "");
                    return Err(lost(failure));
                }
                let attestation = match attestation {
                    Some(attestation) => attestation,
                    None => {
                        self.attestation(correlation, found, etag.as_deref()).await.map_err(lost)?
                    }
                };
                let admitted = self.admit(trigger, correlation, etag, bytes, attestation).await;
                let digest = Some(found);
                let found = Found { full: true, waited, digest, ..Found::default() };
                Ok(match admitted.map_err(lost)? {
                    Admitted::InForce { carried_by } => {
                        Found { activated: true, carried_by, ..found }
                    }
                    Admitted::HeldBack { reason } => Found { held_back: Some(reason), ..found },
                })
            }
        }
    }

    /// Asks for the attestation, and refuses one that says it is of another pack.
    async fn attestation(
        &self,
        correlation: &str,
        found: Digest,
        etag: Option<&str>,
    ) -> Result<Vec<u8>, FetchFailure> {
        let attestation = self.shared.source.attestation(correlation).await?;
        let other = match attestation.etag.as_deref().and_then(etag_digest) {
            Some(hex) => hex.parse() != Ok(found),
            None => attestation.etag.is_some() && attestation.etag.as_deref() != etag,
        };
        if other { Err(FetchFailure::AttestationOfOther) } else { Ok(attestation.bytes) }
    }

    /// Signature, unpacking, store, activation; the former pack on disk again when the engine refuses.
    async fn admit(
        &mut self,
        trigger: FetchTrigger,
        correlation: &str,
        etag: Option<String>,
        tar: Vec<u8>,
        attestation: Vec<u8>,
    ) -> Result<Admitted, FetchFailure> {
        let begun = Instant::now();
        let verifier = Arc::clone(&self.shared.verifier);
        let now = self.shared.clock.now();
        let id = self.shared.config.pack_id().to_owned();
        let pack_id = id.clone();
        let (examined, tar, attestation) = on_blocking_thread(move || {
            let examined = examine(&*verifier, &pack_id, &tar, &attestation, now);
            (examined, tar, attestation)
        })
        .await;
        let Examined { pack, bundle, report } = self.seen(examined)?;
        let carried_by = report.carried_by.clone();
        let digest = pack.digest().0;
        let pack = VerifiedPack {
            id: id.clone(),
            etag: etag.clone(),
            pack,
            bundle,
            report,
            correlation: correlation.to_owned(),
        };
        if let Err(refused) = self.shared.activate.accepts(&pack) {
            self.hold_back(digest, etag, &refused.reason);
            return Ok(Admitted::HeldBack { reason: refused.reason });
        }
        let mut record = Record {
            pack: id,
            digest,
            etag: etag.clone(),
            verified_at: now,
            generation: 0,
            tar,
            attestation,
        };
        let record = self
            .store(move |store| store.admit(&mut record).map(|()| record))
            .await
            .map_err(FetchFailure::Store)?;
        if let Err(failure) = self.activate(&pack, trigger).await {
            self.return_to_former().await;
            return Err(failure);
        }
        self.store(move |store| store.acknowledge(&record)).await;
        self.in_force(&pack, begun.elapsed());
        self.holds(digest, etag);
        Ok(Admitted::InForce { carried_by })
    }

    /// Tells what verification found, whatever it was.
    pub(super) fn seen(
        &self,
        examined: Result<Examined, FetchFailure>,
    ) -> Result<Examined, FetchFailure> {
        match &examined {
            Ok(examined) => self.shared.observe(FetchEvent::Verified(&examined.report)),
            Err(FetchFailure::Untrusted { report, .. }) => {
                self.shared.observe(FetchEvent::Verified(report));
            }
            Err(_) => {}
        }
        examined
    }

    /// Hands a pack to the engine, within its time, and survives its bugs.
    pub(super) async fn activate(
        &self,
        pack: &VerifiedPack,
        trigger: FetchTrigger,
    ) -> Result<(), FetchFailure> {
        let begun = Instant::now();
        let activated = self.activate_within(pack).await;
        let (took, taken) = (begun.elapsed(), activated.is_ok());
        self.shared.observe(FetchEvent::Reloaded { took, taken, trigger });
        activated
    }

    async fn activate_within(&self, pack: &VerifiedPack) -> Result<(), FetchFailure> {
        let activating = AssertUnwindSafe(self.shared.activate.activate(pack)).catch_unwind();
        let reason = match timeout(ACTIVATION_TIMEOUT, activating).await {
            Ok(Ok(Ok(_))) => return Ok(()),
            Ok(Ok(Err(refused))) => refused.reason,
            Ok(Err(_)) => "it has a bug that this pack met".to_owned(),
            Err(_) => {
                let limit_s = ACTIVATION_TIMEOUT.as_secs();
                return Err(FetchFailure::ActivationTimedOut { limit_s });
            }
        };
        Err(FetchFailure::ActivationRefused { reason })
    }

    async fn return_to_former(&mut self) {
        match self.store(PackStore::restore).await {
            Ok(()) | Err(StoreError::NoFormer) => {}
            Err(error) => {
                // At the next start the engine refuses it again, and last-known-good follows.
                let text = format!("The former pack cannot be put back on disk: {}", chain(&error));
                (self.shared.log)(LogLevel::Error, &text);
            }
        }
    }

    /// Writes down what is in force from now on.
    pub(super) fn in_force(&self, pack: &VerifiedPack, took: Duration) {
        let now = self.shared.clock.now();
        let version = pack.bundle().version.to_string();
        // The field's pattern (R280), with what finds the fetch in other logs behind it.
        let text = format!(
            "Hot-reload successful: v{version} ({:.2}ms, {} policies) [{}, {}]",
            took.as_secs_f64() * 1e3,
            pack.bundle().policies.len(),
            pack.digest().short(),
            pack.correlation()
        );
        (self.shared.log)(LogLevel::Info, &text);
        self.shared.status.send_modify(|status| {
            status.active = Some(ActivePack {
                digest: pack.digest(),
                version,
                etag: pack.etag().map(str::to_owned),
                activated_at: now,
                verification: pack.report().clone(),
            });
        });
    }

    async fn found(
        &mut self,
        trigger: FetchTrigger,
        correlation: &str,
        found: Found,
        took: Duration,
    ) -> (Attempt, Duration) {
        let outcome = Outcome::Current { full: found.full, waited: found.waited };
        let pause =
            self.memory.after(&self.pace, outcome, self.shared.elapsed(), self.shared.share());
        let result = match (&found.held_back, found.activated) {
            (Some(_), _) => Ended::HeldBack,
            (None, true) => Ended::Activated,
            (None, false) => Ended::Current,
        };
        let now = self.shared.clock.now();
        let attempt = Attempt {
            at: now,
            trigger,
            correlation: correlation.to_owned(),
            result,
            cause: None,
            text: found.held_back,
        };
        self.shared.status.send_modify(|status| {
            if result != Ended::HeldBack {
                status.confirmed_at = Some(now);
            }
            status.consecutive_failures = 0;
            status.last = Some(attempt.clone());
        });
        self.shared.fallback(false);
        let (attempt_seen, digest) = (&attempt, found.digest);
        self.shared.observe(FetchEvent::Looked { took, attempt: attempt_seen, digest });
        self.write_down(&attempt, found.digest, found.carried_by, took).await;
        (attempt, pause)
    }

    /// Counts, tells and remembers a failure; what is in force stays.
    pub(super) async fn lost(
        &mut self,
        trigger: FetchTrigger,
        correlation: &str,
        lost: Lost,
        took: Duration,
    ) -> (Attempt, Duration) {
        let Lost { failure, digest } = lost;
        let cause = failure.cause();
        let outcome = Outcome::Failed {
            retry_after: failure.retry_after(),
            distrust: matches!(
                cause,
                Cause::NotModifiedWithoutCache
                    | Cause::EtagLies
                    | Cause::NoDigest
                    | Cause::DigestMismatch
            ),
            answered: cause.stage() != Stage::Fetch,
        };
        let pause =
            self.memory.after(&self.pace, outcome, self.shared.elapsed(), self.shared.share());
        self.shared.metrics.failed(cause);
        let message = chain(&failure);
        let what = if cause.stage() == Stage::Fetch { "Pack fetch" } else { "Hot-reload" };
        let text = format!("{what} failed: {message} [{}, {correlation}]", cause.as_str());
        (self.shared.log)(LogLevel::Error, &text);
        let attempt = Attempt {
            at: self.shared.clock.now(),
            trigger,
            correlation: correlation.to_owned(),
            result: Ended::Failed,
            cause: Some(cause),
            text: Some(message.clone()),
        };
        let mut fell_back = false;
        self.shared.status.send_modify(|status| {
            status.consecutive_failures = self.memory.failures;
            status.last = Some(attempt.clone());
            // What came and was refused is newer than what is in force. Whoever reads the cause reads
            // that, too.
            if cause.stage() != Stage::Fetch && status.active.is_some() {
                fell_back = !std::mem::replace(&mut status.fallback, true);
            }
        });
        if fell_back {
            self.shared.observe(FetchEvent::Fallback(true));
        }
        self.shared.observe(FetchEvent::Looked { took, attempt: &attempt, digest });
        self.tell(cause, correlation, digest, message);
        self.write_down(&attempt, digest, None, took).await;
        (attempt, pause)
    }

    fn tell(&self, cause: Cause, correlation: &str, digest: Option<Digest>, message: String) {
        let consecutive_failures = self.memory.failures;
        if !is_told(cause, consecutive_failures) {
            return;
        }
        let alert = Alert {
            at: self.shared.clock.now(),
            kind: cause,
            severity: cause.severity(),
            teams: teams(cause.severity()),
            pack: self.shared.config.pack_id().to_owned(),
            digest: digest.map(Digest::to_hex),
            correlation: correlation.to_owned(),
            consecutive_failures,
            message,
        };
        if self.shared.alerts.try_send(alert).is_err() {
            self.shared.metrics.alert_lost();
        }
    }

    /// A line for the audit log. That it cannot be written stops no policies, and is counted.
    pub(super) async fn write_down(
        &self,
        attempt: &Attempt,
        digest: Option<Digest>,
        carried_by: Option<String>,
        took: Duration,
    ) {
        let audit = Arc::clone(&self.audit);
        let pack = self.shared.config.pack_id().to_owned();
        let attempt = attempt.clone();
        let written = on_blocking_thread(move || {
            let line = AuditLine {
                at: attempt.at,
                correlation: &attempt.correlation,
                trigger: attempt.trigger,
                pack: &pack,
                result: match attempt.result {
                    Ended::Current => "current",
                    Ended::Activated => "activated",
                    Ended::HeldBack => "held_back",
                    Ended::Failed => "failed",
                },
                digest: digest.map(Digest::to_hex),
                cause: attempt.cause,
                detail: attempt.text.clone(),
                carried_by,
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            };
            audit.lock().unwrap_or_else(PoisonError::into_inner).add(&line)
        })
        .await;
        if let Err(error) = written {
            self.shared.metrics.audit_lost();
            let text = format!("The audit log of fetches cannot be written: {error}");
            (self.shared.log)(LogLevel::Error, &text);
        }
    }

    /// Does something with the store on a thread that may block.
    pub(super) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PackStore) -> T + Send + 'static,
    ) -> T {
        let store = Arc::clone(&self.store);
        on_blocking_thread(move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner)))
            .await
    }
}
