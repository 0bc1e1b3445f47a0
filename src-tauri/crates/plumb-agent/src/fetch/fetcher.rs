//! Starting and stopping a fetcher.

mod come_up;
mod examine;
mod handle;
mod held_back;
mod stored;
mod worker;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use handle::FetchHandle;
use plumb_fleet::Digest;
use plumb_wire::v1::LogLevel;
use stored::StoredPacks;
pub(crate) use stored::{Sound, StoredPack};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use worker::Worker;

use super::{
    alert::Alert,
    audit::AuditLog,
    config::{FetchConfig, FetchMode, FetchSettingError},
    decide::Memory,
    disk::Disk,
    failure::{Cause, FetchFailure},
    follow,
    limits::{ALERTS_MAX, QUEUE_MAX},
    metrics::Metrics,
    pack::{Activate, VerifiedPack},
    source::{Answer, PackSource},
    status::{Attempt, FetchEvent, FetchStatus, FetchTrigger},
    store::{PackStore, StoreError, TakenBack},
    verify::PackVerifier,
};
use crate::{chain::chain, config::Clock};

/// Why a fetcher does not start.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Setting(#[from] FetchSettingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes every line of a log.
pub type LogSink = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Takes every event; it must not wait.
pub type EventSink = Arc<dyn Fn(FetchEvent<'_>) + Send + Sync>;

/// The outside of a fetcher.
pub struct FetchParts {
    pub source: Arc<dyn PackSource>,
    pub verifier: Arc<dyn PackVerifier>,
    pub activate: Arc<dyn Activate>,
    pub disk: Arc<dyn Disk>,
    pub clock: Clock,
    /// Random numbers from 0 to 1.
    pub share: Box<dyn FnMut() -> f64 + Send>,
    /// Takes every line of the log.
    pub log: LogSink,
    pub observe: EventSink,
}

impl fmt::Debug for FetchParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchParts").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What the tasks of one fetcher share.
pub(crate) struct Shared {
    pub(crate) config: FetchConfig,
    pub(crate) source: Arc<dyn PackSource>,
    pub(crate) verifier: Arc<dyn PackVerifier>,
    pub(crate) activate: Arc<dyn Activate>,
    pub(crate) clock: Clock,
    pub(crate) share: Mutex<Box<dyn FnMut() -> f64 + Send>>,
    pub(crate) log: LogSink,
    pub(crate) observe: EventSink,
    pub(crate) status: watch::Sender<FetchStatus>,
    pub(crate) metrics: Metrics,
    pub(crate) alerts: mpsc::Sender<Alert>,
    /// Time that never jumps counts from here.
    pub(crate) begun: Instant,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn share(&self) -> f64 {
        (self.share.lock().unwrap_or_else(PoisonError::into_inner))()
    }

    pub(crate) fn observe(&self, event: FetchEvent<'_>) {
        (self.observe)(event);
    }

    /// Remembers whether what is in force is not what the registry offers.
    pub(crate) fn fallback(&self, active: bool) {
        let changed = self
            .status
            .send_if_modified(|status| std::mem::replace(&mut status.fallback, active) != active);
        if changed {
            self.observe(FetchEvent::Fallback(active));
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// One entry of the queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) trigger: FetchTrigger,
    pub(crate) correlation: String,
    pub(crate) work: Work,
    pub(crate) done: Option<oneshot::Sender<Done>>,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// Ask the registry.
    Ask,
    /// The registry says that it offers this, as `sha256:<hex>`.
    Told { digest: String },
    /// Take the stored pack that is wanted.
    Restore { wants: Wants },
    /// Go back from the pack in force to the one before it, and do not take it again.
    TakeBack { digest: Digest, reason: String },
    /// Begin again from the stored packs.
    Again,
    /// A long poll was answered; with the condition it was asked under.
    Answered { asked_with: Option<String>, answer: Result<Answer, FetchFailure> },
}

/// Which stored pack is wanted.
pub(crate) struct Wants(pub(crate) Box<dyn Fn(&VerifiedPack) -> bool + Send + Sync>);

impl fmt::Debug for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wants")
    }
}

/// What came of a job, and how the next long poll is asked.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) attempt: Option<Attempt>,
    pub(crate) pause: Duration,
    pub(crate) condition: Option<String>,
}

/// A new id for a fetch.
pub(crate) fn correlation() -> String {
    format!("fetch-{:016x}", rand::random::<u64>())
}

/// Fetches until it is shut down; dropping it stops it, too.
pub struct Fetcher {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    alerts: Option<mpsc::Receiver<Alert>>,
    tracker: TaskTracker,
    stored: StoredPacks,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("url", &self.shared.config.url().as_str())
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Locks the store, brings the last good pack into force, and begins to look for newer ones. That
    /// there is none yet, or that the registry is down, is no error here.
    pub async fn start(config: FetchConfig, parts: FetchParts) -> Result<Self, FetchError> {
        config.check()?;
        let (folder, disk) = (config.folder.clone(), Arc::clone(&parts.disk));
        let (store, removed) = on_blocking_thread(move || PackStore::open(disk, &folder)).await?;
        let (alert_queue, alerts) = mpsc::channel(ALERTS_MAX);
        let audit = AuditLog::new(parts.disk, &config.folder);
        let pack = config.pack_id().to_owned();
        let shared = Arc::new(Shared {
            source: parts.source,
            verifier: parts.verifier,
            activate: parts.activate,
            clock: parts.clock,
            share: Mutex::new(parts.share),
            log: parts.log,
            observe: parts.observe,
            status: watch::Sender::new(FetchStatus { pack, ..FetchStatus::default() }),
            metrics: Metrics::default(),
            alerts: alert_queue,
            begun: Instant::now(),
            stop: CancellationToken::new(),
            config,
        });
        for path in removed {
            let text = format!("Removed {path}, left half written by an earlier process");
            (shared.log)(LogLevel::Warn, &text);
        }
        let store = Arc::new(Mutex::new(store));
        let taken_back = taken_back(&shared, &store).await;
        let mut worker = Worker::new(Arc::clone(&shared), Arc::clone(&store), taken_back, audit);
        worker.come_up(FetchTrigger::Start).await;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let tracker = TaskTracker::new();
        match shared.config.mode {
            FetchMode::Poll => {}
            FetchMode::LongPoll => {
                let condition = worker.condition();
                tracker.spawn(follow::long_poll(Arc::clone(&shared), jobs.clone(), condition));
            }
            FetchMode::Push => {
                tracker.spawn(follow::push(Arc::clone(&shared), jobs.clone()));
            }
        }
        let first = Memory::first(shared.share());
        tracker.spawn(worker.run(queue, first));
        let stored = StoredPacks::new(&store, Arc::clone(&shared.verifier));
        Ok(Self { shared, jobs, alerts: Some(alerts), tracker, stored })
    }

    /// What there is to show, and a way to wait for its next change.
    pub fn status(&self) -> watch::Receiver<FetchStatus> {
        self.shared.status.subscribe()
    }

    /// The alerts, for the one who sends them on; `None` when they were taken already.
    pub fn alerts(&mut self) -> Option<mpsc::Receiver<Alert>> {
        self.alerts.take()
    }

    /// Alerts nobody took in time, and audit lines that could not be written, so far.
    pub fn lost(&self) -> (u64, u64) {
        self.shared.metrics.lost()
    }

    /// Failures of one cause so far.
    pub fn failures(&self, cause: Cause) -> u64 {
        self.shared.metrics.failures(cause)
    }

    /// Looks now, after what is queued already; `None` when the registry asked to be left alone, or
    /// the fetcher stops.
    pub async fn look(&self) -> Option<Attempt> {
        self.handle().look(FetchTrigger::Request).await
    }

    /// A door for those who only ask.
    pub(crate) fn handle(&self) -> FetchHandle {
        let url = self.shared.config.url().to_string();
        FetchHandle::new(self.jobs.clone(), self.status(), self.stored.clone(), url)
    }

    /// Stops: what is being brought into force is finished, and the store is given back.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// What an earlier process took back. That it cannot be read is told, and stops nothing.
async fn taken_back(shared: &Shared, store: &Arc<Mutex<PackStore>>) -> Vec<TakenBack> {
    let store = Arc::clone(store);
    let read = on_blocking_thread(move || {
        store.lock().unwrap_or_else(PoisonError::into_inner).taken_back()
    });
    read.await.unwrap_or_else(|error| {
        let text = format!("Packs that were taken back may come again: {}", chain(&error));
        (shared.log)(LogLevel::Error, &text);
        Vec::new()
    })
}

pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
