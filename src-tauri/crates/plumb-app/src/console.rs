//! What a window shows: fleets as they are now, or evidence as if it were its fleet.

use std::sync::{Arc, Mutex, RwLock};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_evidence::Trust;
use tokio::sync::broadcast;
use tracing::warn;

use crate::{
    actions::files::read_chosen,
    app::App,
    error::{AppError, Code, chain},
    opened::open_archive,
    queries::evidence::{blocking, diff_evidence, not_opened, trust_key, trust_root},
    scratch::{self, Scratch},
    topics::Topic,
    views::{
        evidence::{EvidenceDiffView, EvidenceOpened},
        shell::ShellView,
    },
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
    topics: broadcast::Sender<Vec<Topic>>,
}

/// Evidence that is open, and the scratch folder that goes with it.
#[derive(Debug, Clone)]
struct Shown {
    app: App,
    _folder: Arc<Scratch>,
}

/// Files of a reviewer that came by another way than the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Public keys of whoever may have sealed it, as PEM.
    pub keys: Vec<Utf8PathBuf>,
    /// Root keys of its roster as PEM, or a roster that is trusted.
    pub roots: Vec<Utf8PathBuf>,
}

impl Console {
    pub fn new(live: &App) -> Self {
        let console = Self(Arc::new(Inner {
            live: live.clone(),
            front: RwLock::default(),
            newest: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            topics: broadcast::Sender::new(HEARD_MAX),
        }));
        console.forward(live);
        if let Err(error) = scratch::sweep(live.data_dir()) {
            warn!(%error, "what closed programs left of evidence was not swept");
        }
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

    /// Verifies an archive, and shows it in the place of what is shown, unless a promise of it is broken. While it is
    /// shown the fleets are left alone: nothing is asked of any node or hub.
    pub async fn open_evidence(
        &self,
        path: &Utf8Path,
        named: &Named,
    ) -> Result<EvidenceOpened, AppError> {
        let _one_at_a_time = self.0.opening.lock().await;
        let trust = self.trust(named).await?;
        let data_dir = self.0.live.data_dir().to_owned();
        let folder = blocking(move || {
            Scratch::new(&data_dir).map_err(|error| {
                let message =
                    format!("no folder could be made under {data_dir}: {}", chain(&error));
                AppError::new(
                    Code::Other,
                    message,
                    "look at the folder's rights and the free space",
                )
            })
        })
        .await?;
        let (opened, app) = open_archive(path, trust, folder.folder()).await?;
        if let Some(app) = app {
            if let Err(error) = self.0.live.leave_network().await {
                app.close().await;
                return Err(error);
            }
            self.forward(&app);
            self.show(Some(Shown { app, _folder: Arc::new(folder) })).await;
        }
        *self.0.newest.lock().expect("no panic while it is held") = Some(opened.clone());
        Ok(opened)
    }

    /// The same for the archive that the program is started with: a window that is not there yet can say nothing, so what
    /// is wrong is kept for it.
    pub async fn begin_with_evidence(&self, path: &Utf8Path, named: &Named) {
        // Nothing is asked before it is known whether the window shows fleets at all.
        let left = self.0.live.leave_network().await;
        let opened = match left {
            Ok(()) => self.open_evidence(path, named).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &opened {
            warn!(file = %path, error = %error.message, "the evidence was not opened");
            let told = not_opened(path, error);
            *self.0.newest.lock().expect("no panic while it is held") = Some(told);
        }
        if self.0.front.read().expect("no panic while the front is held").is_none() {
            self.back_to_network().await;
        }
    }

    /// How two archives differ by what they mean, and how far each may be believed.
    pub async fn compare_evidence(
        &self,
        left: &Utf8Path,
        right: &Utf8Path,
        named: &Named,
    ) -> Result<EvidenceDiffView, AppError> {
        diff_evidence(left, right, Some(self.trust(named).await?)).await
    }

    /// Whom this machine trusts, and those whom the reviewer names.
    async fn trust(&self, named: &Named) -> Result<Trust, AppError> {
        let mut trust = self.0.live.evidence_trust().await?;
        for key in &named.keys {
            let pem = read_chosen(key.clone()).await?.text;
            trust_key(&mut trust, &pem).map_err(|error| about(key, error))?;
        }
        for root in &named.roots {
            let text = read_chosen(root.clone()).await?.text;
            trust_root(&mut trust, &text).map_err(|error| about(root, error))?;
        }
        Ok(trust)
    }

    async fn back_to_network(&self) {
        if let Err(error) = self.0.live.return_to_network().await {
            warn!(error = %error.message, "the fleets were not opened again");
        }
    }

    /// What was found in the archive that was opened last, whether it is shown or not.
    pub fn opened(&self) -> Option<EvidenceOpened> {
        self.0.newest.lock().expect("no panic while it is held").clone()
    }

    /// Goes back to the fleets.
    pub async fn close_evidence(&self) -> Result<ShellView, AppError> {
        let _one_at_a_time = self.0.opening.lock().await;
        self.show(None).await;
        self.0.newest.lock().expect("no panic while it is held").take();
        self.back_to_network().await;
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
        }
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

/// An error about one of several files.
fn about(file: &Utf8Path, error: AppError) -> AppError {
    AppError { message: format!("{file}: {}", error.message), ..error }
}
