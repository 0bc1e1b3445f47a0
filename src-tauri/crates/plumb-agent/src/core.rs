//! The agent's state: what is in force, swapped in one step, and what is remembered around it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use plumb_decide::Reading;
use plumb_fleet::{BundleDigest, Digest};
use plumb_trust::KeySet;
use plumb_wire::v1::{Fallback, LastKnownGood, LogLevel, NoBundle, SignatureStatus};
use tokio::sync::{Mutex as Turn, Notify, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    alerts::Alerts,
    config::{AgentConfig, Polling},
    durable::{Durable, StateDir},
    fetch::{FetchHandle, VerificationReport},
    find::Listing,
    governed::Governed,
    history::History,
    keeper::Job,
    lease::Lease,
    limits::VERIFICATIONS_MAX,
    load::{Checks, Loaded},
    logs::LogRing,
    metrics::{PackMetrics, Traffic},
    packs::{EmbeddedEngine, Told, Trials},
    plans::Plans,
    recorded::Recorder,
    replay::Replays,
    roots::{BundlePath, Roots},
    rules::Rules,
};

/// Everything an agent is, shared by its requests and tasks.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: AgentConfig,
    pub(crate) keys: KeySet,
    pub(crate) roots: Roots,
    /// Copies of bundles that were in force, below the state folder.
    pub(crate) store: Option<Roots>,
    pub(crate) state_dir: Option<StateDir>,
    pub(crate) in_force: ArcSwapOption<InForce>,
    /// One change at a time; the others queue here.
    pub(crate) turn: Turn<()>,
    pub(crate) book: Mutex<Book>,
    /// Held while the state file is written, so that an older state never lands on a newer one.
    pub(crate) writing: Mutex<()>,
    pub(crate) listing: Mutex<Listing>,
    pub(crate) logs: LogRing,
    pub(crate) requests: RequestCounts,
    pub(crate) traffic: Traffic,
    /// What was asked, sampled and masked.
    pub(crate) recorded: Recorder,
    pub(crate) pack: PackMetrics,
    pub(crate) alerts: Alerts,
    pub(crate) replays: Replays,
    pub(crate) plans: Plans,
    /// The deployment lock.
    pub(crate) lease: Lease,
    /// Nothing where the agent was given no roster.
    pub(crate) governed: Option<Governed>,
    pub(crate) verifications: Semaphore,
    pub(crate) keeper: mpsc::Sender<Job>,
    /// The door to the fetcher of packs, once it runs.
    pub(crate) packs: OnceLock<FetchHandle>,
    /// What evaluates Rego in this process, where packs are brought into force here.
    pub(crate) engine: Option<EmbeddedEngine>,
    /// The newest change, while it still has to prove itself.
    pub(crate) trial: Trials,
    pub(crate) settings_changed: Notify,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
    started_us: AtomicI64,
    confirmed_us: AtomicI64,
    /// How long the newest swap took, in nanoseconds.
    pub(crate) swap_ns: AtomicU64,
}

/// The bundle and rules that answer requests; replaced whole.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) bundle: Arc<Loaded>,
    pub(crate) place: Place,
    pub(crate) loaded_at: Timestamp,
    /// Rules put in their place in memory (field-compatible mode only).
    pub(crate) replaced: Option<Arc<Rules>>,
}

/// Where what is in force came from.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(BundlePath),
    Pack(Arc<PackPlace>),
}

/// The pack that what is in force came in.
#[derive(Debug)]
pub(crate) struct PackPlace {
    /// Its address; carries no credential.
    pub(crate) url: String,
    pub(crate) digest: Digest,
    /// What its attestation was found to be.
    pub(crate) report: VerificationReport,
}

impl Place {
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.shown.display().to_string(),
            Self::Pack(pack) => pack.url.clone(),
        }
    }
}

impl InForce {
    /// The first-match rules that answer, where it is those.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        self.replaced.as_deref().or_else(|| self.bundle.rules())
    }

    pub(crate) fn version(&self) -> &str {
        self.bundle.version()
    }

    /// The pack it came in.
    pub(crate) fn pack(&self) -> Option<&PackPlace> {
        match &self.place {
            Place::Pack(pack) => Some(pack),
            Place::File(_) => None,
        }
    }

    /// What carried it: the signature inside, and the attestation beside it.
    pub(crate) fn signature(&self) -> SignatureStatus {
        let mut status = self.bundle.signature.clone();
        let Some(pack) = self.pack() else { return status };
        let mut checks = pack.report.made();
        checks.append(&mut status.checks);
        status.checks = checks;
        if self.bundle.rules().is_none() {
            status.key = pack.report.carried_by.clone().unwrap_or_default();
        }
        status
    }

    /// The name a rollback would find it by.
    pub(crate) fn named(&self) -> LastKnownGood {
        LastKnownGood {
            version: self.version().to_owned(),
            digest: self.bundle.digest.to_string(),
            content: self.bundle.content.to_string(),
            path: self.place.shown(),
        }
    }
}

/// What answers requests, held as it was when it was asked for: a reload in the middle is not seen.
#[derive(Debug, Clone)]
pub(crate) enum Answering {
    Nothing,
    /// Unsigned rules put in place in memory (field-compatible mode only).
    Local(Arc<Rules>),
    InForce(Arc<InForce>),
}

impl Answering {
    /// The first-match rules, where it is those.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        match self {
            Self::Nothing => None,
            Self::Local(rules) => Some(rules),
            Self::InForce(now) => now.rules(),
        }
    }

    pub(crate) fn in_force(&self) -> Option<&InForce> {
        match self {
            Self::InForce(now) => Some(now),
            Self::Nothing | Self::Local(_) => None,
        }
    }

    /// Policies that decide: rules, or Rego modules.
    pub(crate) fn count(&self) -> usize {
        match (self.rules(), self.in_force()) {
            (Some(rules), _) => rules.len(),
            (None, Some(now)) => now.bundle.refs.len(),
            (None, None) => 0,
        }
    }
}

/// What is remembered; every access is short and never waits.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) durable: Durable,
    pub(crate) history: History,
    pub(crate) fallback: Option<Fallback>,
    /// Bytes a poll or watch refused, so that they are refused once and not every minute.
    pub(crate) refused: Option<BundleDigest>,
    /// The target was missing when last looked for.
    pub(crate) missing: bool,
    /// The path the source is asked for when nothing is pinned.
    pub(crate) source: PathBuf,
    /// Rules put in place while there is no bundle (field-compatible mode only).
    pub(crate) local_rules: Option<Arc<Rules>>,
    /// The failure of a look at the registry that was last told, so that a lasting one is told once.
    pub(crate) told: Option<Told>,
}

/// What `Core::new` is made of besides the configuration.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) keys: KeySet,
    pub(crate) roots: Roots,
    pub(crate) store: Option<Roots>,
    pub(crate) state_dir: Option<StateDir>,
    pub(crate) durable: Durable,
    pub(crate) history: History,
    pub(crate) plans: Plans,
    pub(crate) lease: Lease,
    pub(crate) governed: Option<Governed>,
    pub(crate) keeper: mpsc::Sender<Job>,
    pub(crate) engine: Option<EmbeddedEngine>,
    pub(crate) stop: CancellationToken,
}

impl Core {
    pub(crate) fn new(config: AgentConfig, parts: Parts) -> Arc<Self> {
        let started_us = config.clock.now().as_microsecond();
        let recorded = Recorder::new(config.recording.clone(), config.clock.now());
        let book = Book {
            durable: parts.durable,
            history: parts.history,
            source: config.bundle.clone(),
            ..Book::default()
        };
        Arc::new(Self {
            config,
            keys: parts.keys,
            roots: parts.roots,
            store: parts.store,
            state_dir: parts.state_dir,
            in_force: ArcSwapOption::empty(),
            turn: Turn::new(()),
            book: Mutex::new(book),
            writing: Mutex::new(()),
            listing: Mutex::default(),
            logs: LogRing::default(),
            requests: RequestCounts::default(),
            traffic: Traffic::default(),
            recorded,
            pack: PackMetrics::default(),
            alerts: Alerts::default(),
            replays: Replays::default(),
            plans: parts.plans,
            lease: parts.lease,
            governed: parts.governed,
            verifications: Semaphore::new(VERIFICATIONS_MAX),
            keeper: parts.keeper,
            packs: OnceLock::new(),
            engine: parts.engine,
            trial: Trials::default(),
            settings_changed: Notify::new(),
            tracker: TaskTracker::new(),
            stop: parts.stop,
            started_us: AtomicI64::new(started_us),
            confirmed_us: AtomicI64::new(started_us),
            swap_ns: AtomicU64::new(0),
        })
    }

    pub(crate) fn checks(&self) -> Checks<'_> {
        let reading =
            if self.config.field_compatible { Reading::Field } else { Reading::Documented };
        Checks { keys: &self.keys, reading, share: self.config.share.as_ref() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    pub(crate) fn log(&self, level: LogLevel, line: &str) {
        self.logs.write(self.now(), level, line);
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Every change of the book is one assignment or push, so a panic leaves it sound.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told while there is no verified bundle; the field's service allows.
    pub(crate) fn no_bundle(&self) -> NoBundle {
        if self.config.field_compatible { NoBundle::Allow } else { self.config.no_bundle }
    }

    /// What answers requests at this moment.
    pub(crate) fn answering(&self) -> Answering {
        if let Some(now) = self.in_force.load_full() {
            return Answering::InForce(now);
        }
        self.book().local_rules.clone().map_or(Answering::Nothing, Answering::Local)
    }

    /// Polling delays in force, or nothing when the agent does not poll.
    pub(crate) fn polling(&self) -> Option<Polling> {
        let start = self.config.polling?;
        Some(self.book().durable.settings.polling(start))
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        moment(&self.started_us)
    }

    pub(crate) fn uptime(&self) -> Duration {
        let elapsed_us = self.now().as_microsecond() - self.started_us.load(Ordering::Acquire);
        Duration::from_micros(u64::try_from(elapsed_us).unwrap_or(0))
    }

    pub(crate) fn set_started(&self, at: Timestamp) {
        self.started_us.store(at.as_microsecond(), Ordering::Release);
    }

    pub(crate) fn confirmed_at(&self) -> Timestamp {
        moment(&self.confirmed_us)
    }

    /// The source offered exactly what is in force.
    pub(crate) fn confirm(&self, at: Timestamp) {
        self.confirmed_us.store(at.as_microsecond(), Ordering::Release);
    }

    /// Changes the durable state: on disk first, then in memory. Blocks.
    pub(crate) fn change_state(&self, change: impl FnOnce(&mut Durable)) -> std::io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = self.book().durable.clone();
        change(&mut changed);
        if let Some(dir) = &self.state_dir {
            dir.write(&changed)?;
        }
        let mut book = self.book();
        // A reload may have put another bundle in force meanwhile; that part is not ours.
        changed.in_force.clone_from(&book.durable.in_force);
        changed.last_known_good.clone_from(&book.durable.last_known_good);
        book.durable = changed;
        Ok(())
    }
}

fn moment(microseconds: &AtomicI64) -> Timestamp {
    Timestamp::from_microsecond(microseconds.load(Ordering::Acquire)).unwrap_or(Timestamp::MIN)
}

/// Requests by the endpoints the field's metrics name.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    pub(crate) health: AtomicU64,
    pub(crate) rules_summary: AtomicU64,
    pub(crate) rules: AtomicU64,
    pub(crate) evaluate: AtomicU64,
    pub(crate) reload: AtomicU64,
}

impl RequestCounts {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Each endpoint that was asked for, with its count.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("/health", &self.health),
            ("/rules/summary", &self.rules_summary),
            ("/rules", &self.rules),
            ("/evaluate", &self.evaluate),
            ("/reload", &self.reload),
        ]
        .into_iter()
        .map(|(endpoint, count)| (endpoint, count.load(Ordering::Relaxed)))
        .filter(|(_, count)| *count > 0)
    }
}
