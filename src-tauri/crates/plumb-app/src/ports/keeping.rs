//! Evidence of a run while it goes on: what nodes and others answer it is kept as it comes, on a thread of its own, so that a run
//! neither waits for it nor loses it when the program is killed.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use plumb_clients::{Received, Tap};
use plumb_evidence::{
    CaptureError,
    live::{Answer, Answerer, Live, Stand},
};
use plumb_fleet::RunId;
use tokio::sync::oneshot;
use tracing::warn;

use crate::{
    app::{App, Loaded},
    error::{AppError, chain},
    fleets::folder_of,
    own_log,
    tasks::watch::KEPT,
};

/// No capture of a window takes so long.
const HERE_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long what came may not be on disk yet: what a killed program loses at most.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Bytes that wait to be redacted; what comes beyond is counted and not kept, because a run waits for nobody's notes.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Programs that went on with one run.
const PARTS_MAX: u32 = 50;

enum Said {
    Came(Received),
    /// Everything that came before is to be made durable.
    Keep(oneshot::Sender<Option<Stand>>),
    /// Nothing more is kept, whoever may still hear answers.
    End,
}

/// What keeps the answers of nodes to a run. Dropping it ends the thread.
pub(crate) struct Keeping {
    tell: Sender<Said>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Keeping {
    fn start(live: Live, run: RunId) -> std::io::Result<Self> {
        let (tell, told) = channel();
        let (waiting, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let worker =
            Worker { live, run, waiting: Arc::clone(&waiting), dropped: Arc::clone(&dropped) };
        let thread =
            Builder::new().name("evidence".to_owned()).spawn(move || worker.work(&told))?;
        Ok(Self { tell, waiting, dropped, thread: Some(thread) })
    }

    /// Hears every answer.
    pub(crate) fn tap(&self) -> Tap {
        let (tell, waiting) = (self.tell.clone(), Arc::clone(&self.waiting));
        let dropped = Arc::clone(&self.dropped);
        Arc::new(move |received| {
            let bytes = received.body.len();
            if waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
                waiting.fetch_sub(bytes, Ordering::Relaxed);
                dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // Nobody takes it any more where the disk refused, which was told.
            let _ = tell.send(Said::Came(received));
        })
    }

    /// Makes everything durable that came before; nothing where it could not be.
    pub(crate) async fn keep(&self) -> Option<Stand> {
        let (done, answer) = oneshot::channel();
        self.tell.send(Said::Keep(done)).ok()?;
        answer.await.ok().flatten()
    }

    /// Waits until what came is on disk, and ends. Blocking.
    pub(crate) fn end(mut self) {
        let _ = self.tell.send(Said::End);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that keeps evidence gave up");
        }
    }
}

struct Worker {
    live: Live,
    run: RunId,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Worker {
    fn work(mut self, told: &Receiver<Said>) {
        if let Err(error) = self.listen(told) {
            warn!(run = %self.run, error = %chain(&error), "answers of nodes are no longer kept");
            return;
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        let ended = self.note(dropped).and_then(|()| self.live.finish());
        if let Err(error) = ended {
            warn!(run = %self.run, error = %chain(&error), "the newest answers were not kept");
        }
    }

    fn note(&mut self, dropped: u64) -> Result<(), CaptureError> {
        if dropped == 0 {
            return Ok(());
        }
        let what = format!("{dropped} answers of nodes to run {}", self.run);
        self.live.lacks(&what, "they came faster than they could be redacted")
    }

    fn listen(&mut self, told: &Receiver<Said>) -> Result<(), CaptureError> {
        let mut due = Instant::now() + KEEP_EVERY;
        loop {
            match told.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Said::Came(received)) => {
                    let taken = self.live.take(&Answer {
                        from: match &received.from {
                            plumb_clients::Answerer::Node(node) => Answerer::Node(node),
                            plumb_clients::Answerer::Host(host) => Answerer::Host(host),
                        },
                        method: &received.method,
                        path: &received.path,
                        at: received.at,
                        status: received.status,
                        headers: &received.headers,
                        body: &String::from_utf8_lossy(&received.body),
                    });
                    self.waiting.fetch_sub(received.body.len(), Ordering::Relaxed);
                    taken?;
                }
                Ok(Said::Keep(done)) => {
                    // Whoever asked may be gone, which changes nothing.
                    let _ = done.send(Some(self.live.keep()?));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if Instant::now() >= due {
                self.live.keep()?;
                due = Instant::now() + KEEP_EVERY;
            }
        }
    }
}

impl App {
    /// Begins to keep what nodes answer to a run. A run goes on without it, and its evidence says so.
    pub(crate) async fn keep_answers(&self, run: RunId, loaded: &Loaded) -> Option<Keeping> {
        match self.begin_keeping(run, loaded).await {
            Ok(keeping) => Some(keeping),
            Err(error) => {
                warn!(%run, error = %error.message, "answers of nodes are not kept while the run goes on");
                None
            }
        }
    }

    async fn begin_keeping(&self, run: RunId, loaded: &Loaded) -> Result<Keeping, AppError> {
        let fleet = &loaded.fleet;
        let about = self.about_run(fleet, self.now());
        let state = self.state(fleet.name.as_str())?;
        let rules = Self::redaction_rules_in(folder_of(&state.file))?;
        let (folder, key_file) = (self.live_folder(), self.token_key_file());
        let (mut fresh, mut raw) = ([0; 32], |bytes: &mut [u8]| rand::fill(bytes));
        rand::fill(&mut fresh);
        let raw = plumb_trust::locked::stream::StreamKey::generate(&mut raw);
        // A command line has no day at which it would do this.
        self.let_go_of_old();
        let begun = tokio::task::spawn_blocking(move || {
            let tokens = plumb_evidence::live::token_key(&key_file, fresh)?;
            let (part, path) = next_part(&folder, run);
            let live = Live::begin(&path, (run, part), about, rules, (tokens, raw))?;
            Keeping::start(live, run).map_err(|error| CaptureError::Private { path, error })
        });
        let refused = |why: String| {
            AppError::new(crate::error::Code::Other, why, "look at the disk and its rights")
        };
        begun.await.map_err(|error| refused(chain(&error)))?.map_err(|error| refused(chain(&error)))
    }

    /// Folders in which runs kept what nodes answered, in order; one for each program that carried the run out.
    pub(crate) fn kept_answers(&self, run: RunId) -> Vec<(u32, Utf8PathBuf)> {
        let folder = self.live_folder();
        let parts = (1..=PARTS_MAX).map(|part| (part, part_folder(&folder, run, part)));
        parts.take_while(|(_, path)| path.is_dir()).collect()
    }

    /// Lets go of what runs kept, and of the console's log, once nobody asks about them any more.
    pub(crate) fn let_go_of_old(&self) {
        let now = self.now();
        if let Err(error) = expire(&self.live_folder(), now - KEPT) {
            warn!(%error, "old answers of nodes to runs not removed");
        }
        // Of a window that was killed while it captured.
        if let Err(error) = expire(&self.here_folder(), now - HERE_KEPT) {
            warn!(%error, "what captures left behind is not removed");
        }
        if let Err(error) = own_log::expire(self.data_dir(), now) {
            warn!(%error, "old files of the own log not removed");
        }
    }

    pub(crate) fn live_folder(&self) -> Utf8PathBuf {
        self.data_dir().join("evidence").join("live")
    }

    pub(crate) fn token_key_file(&self) -> Utf8PathBuf {
        self.data_dir().join("evidence").join("token.key")
    }
}

/// Removes what runs kept so long ago that nobody asks about them any more.
fn expire(folder: &Utf8Path, before: Timestamp) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let changed = Timestamp::try_from(entry.metadata()?.modified()?);
        if changed.is_ok_and(|changed| changed < before) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn part_folder(folder: &Utf8Path, run: RunId, part: u32) -> Utf8PathBuf {
    folder.join(format!("{run}-{part:02}"))
}

fn next_part(folder: &Utf8Path, run: RunId) -> (u32, Utf8PathBuf) {
    let parts = (1..=PARTS_MAX).map(|part| (part, part_folder(folder, run, part)));
    let mut parts = parts.skip_while(|(_, path)| path.exists());
    parts.next().unwrap_or_else(|| (PARTS_MAX, part_folder(folder, run, PARTS_MAX)))
}
