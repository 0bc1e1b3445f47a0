//! What a window shows: fleets as they are now, or evidence as if it were its fleet.

use std::sync::{
    Arc, Mutex, RwLock,
    atomic::{AtomicU64, Ordering},
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::broadcast;
use tracing::warn;

use crate::{
    actions::files::read_chosen,
    app::App,
    console_key::public_keys,
    error::AppError,
    opened::open_archive,
    topics::Topic,
    views::{evidence::EvidenceOpened, shell::ShellView},
};

/// Announcements kept for a slow listener; one that lags asks for everything again.
const HEARD_MAX: usize = 64;

/// The application behind a window, and the evidence before it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: App,
    front: RwLock<Option<Shown>>,
    newest: Mutex<Option<EvidenceOpened>>,
    opening: tokio::sync::Mutex<()>,
    number: AtomicU64,
    topics: broadcast::Sender<Vec<Topic>>,
}

/// Evidence that is open, and the scratch folder that goes with it.
#[derive(Debug, Clone)]
struct Shown {
    app: App,
    folder: Utf8PathBuf,
}

impl Console {
    pub fn new(live: &App) -> Self {
        let console = Self(Arc::new(Inner {
            live: live.clone(),
            front: RwLock::default(),
            newest: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            number: AtomicU64::new(0),
            topics: broadcast::Sender::new(HEARD_MAX),
        }));
        console.forward(live);
        console
    }

    /// The fleets, whatever is shown.
    pub fn live(&self) -> &App {
        &self.0.live
    }

    /// What is shown.
    pub fn front(&self) -> App {
        let front = self.0.front.read().expect("no panic while the front is held");
        front.as_ref().map_or_else(|| self.0.live.clone(), |shown| shown.app.clone())
    }

    /// Hears what changed of whatever is shown.
    pub fn subscribe(&self) -> broadcast::Receiver<Vec<Topic>> {
        self.0.topics.subscribe()
    }

    /// Verifies an archive, and shows it in the place of what is shown, unless a promise of it is broken. Whoever has
    /// the public key of the signer by another way names its file.
    pub async fn open_evidence(
        &self,
        path: &Utf8Path,
        key: Option<&Utf8Path>,
    ) -> Result<EvidenceOpened, AppError> {
        let _one_at_a_time = self.0.opening.lock().await;
        let mut trust = self.0.live.evidence_trust().await?;
        if let Some(key) = key {
            let pem = read_chosen(key.to_owned()).await?.text;
            trust.keys.extend(public_keys(&[pem])?);
        }
        let folder = self.scratch();
        let opened = open_archive(path, trust, &folder).await;
        let (opened, app) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                removed(&folder);
                return Err(error);
            }
        };
        *self.0.newest.lock().expect("no panic while it is held") = Some(opened.clone());
        match app {
            Some(app) => {
                self.forward(&app);
                self.show(Some(Shown { app, folder })).await;
            }
            None => removed(&folder),
        }
        Ok(opened)
    }

    /// What was found in the archive that was opened last, whether it is shown or not.
    pub fn opened(&self) -> Option<EvidenceOpened> {
        self.0.newest.lock().expect("no panic while it is held").clone()
    }

    /// Goes back to the fleets.
    pub async fn close_evidence(&self) -> Result<ShellView, AppError> {
        self.show(None).await;
        self.0.newest.lock().expect("no panic while it is held").take();
        self.0.live.shell().await
    }

    /// Ends everything.
    pub async fn close(&self) {
        self.show(None).await;
        self.0.live.close().await;
    }

    async fn show(&self, shown: Option<Shown>) {
        let former = {
            let mut front = self.0.front.write().expect("no panic while the front is held");
            std::mem::replace(&mut *front, shown)
        };
        let _ = self.0.topics.send(self.front().every_topic());
        if let Some(former) = former {
            former.app.close().await;
            removed(&former.folder);
        }
    }

    fn scratch(&self) -> Utf8PathBuf {
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        let name = format!("opened/{}-{number}", std::process::id());
        self.0.live.data_dir().join(name)
    }

    /// Passes on what an application announces, as long as it is the one that is shown.
    fn forward(&self, app: &App) {
        let (mut heard, this, app) = (app.subscribe(), Arc::downgrade(&self.0), app.clone());
        let cancelled = app.cancelled();
        tokio::spawn(async move {
            loop {
                let topics = tokio::select! {
                    () = cancelled.cancelled() => return,
                    topics = heard.recv() => match topics {
                        Ok(topics) => topics,
                        Err(broadcast::error::RecvError::Lagged(_)) => app.every_topic(),
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                };
                let Some(inner) = this.upgrade() else { return };
                if Self(inner.clone()).front().is_same(&app) {
                    // A window that is closing no longer listens.
                    let _ = inner.topics.send(topics);
                }
            }
        });
    }
}

fn removed(folder: &Utf8Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            warn!(%folder, %error, "a scratch folder was not removed");
        }
        _ => {}
    }
}
