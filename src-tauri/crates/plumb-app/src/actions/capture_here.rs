//! Evidence from the window: looked at before it is captured, then sealed into a file that somebody chose.

use std::future::Future;

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::RunId;
use tokio::runtime::Handle;
use tracing::warn;

use crate::{
    actions::{
        capture::{CaptureRequest, Sealer, gather::blocking},
        consent::{choice, named},
    },
    app::App,
    error::{AppError, Code},
    ids::new_id,
    queries::evidence::verify_evidence,
    views::{
        consent::KeyRequest,
        evidence::{CaptureAsked, CaptureView, SealedHere},
        plan::NodeSelection,
    },
};

impl App {
    /// What would be captured, what would be taken out of it, and what cannot be collected. Nothing is kept.
    pub async fn preview_capture(
        &self,
        fleet: &str,
        asked: &CaptureAsked,
        command: Vec<String>,
    ) -> Result<CaptureView, AppError> {
        let (fleet, asked) = (fleet.to_owned(), asked.clone());
        let work = async move |app: Self, folder: Utf8PathBuf| {
            app.captured_here(&fleet, &asked, command, &folder).await
        };
        self.apart(work).await
    }

    /// Captures and seals, with the key of the console where none of a person is given, and checks what it made as a
    /// reader will.
    pub async fn capture_here(
        &self,
        fleet: &str,
        asked: &CaptureAsked,
        command: Vec<String>,
        key: Option<KeyRequest>,
        path: &str,
    ) -> Result<SealedHere, AppError> {
        let sealer = match key {
            Some(key) => Sealer::Person(choice(key)?),
            None => Sealer::Console,
        };
        let path = named(path)?;
        if path.exists() {
            let message = format!("{path} is there already");
            return Err(AppError::new(Code::Invalid, message, "name another file"));
        }
        let (fleet, asked) = (fleet.to_owned(), asked.clone());
        let work = async move |app: Self, folder: Utf8PathBuf| {
            app.captured_here(&fleet, &asked, command, &folder).await?;
            let sealed = app.seal_evidence(&folder, &path, &sealer).await?;
            let verdict = verify_evidence(&path, app.evidence_trust().await?).await?;
            Ok(SealedHere { sealed, verdict })
        };
        self.apart(work).await
    }

    /// Does it on a thread of its own, in a folder that is removed afterwards: a capture hashes and syncs between its
    /// questions, which nothing else of a window is to wait for. It ends with the window.
    async fn apart<T, F>(
        &self,
        work: impl FnOnce(Self, Utf8PathBuf) -> F + Send + 'static,
    ) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AppError>>,
    {
        let (app, runtime, counted) = (self.clone(), Handle::current(), self.0.tasks.token());
        let id: RunId = new_id(self.now());
        let folder = self.here_folder().join(id.to_string());
        let going = move || async move {
            let cancel = app.0.cancel.clone();
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    Err(AppError::new(Code::Other, "the window was closed", "capture it again"))
                }
                done = work(app, folder.clone()) => done,
            };
            // What it made lies elsewhere by now, or never will.
            if let Err(error) = removed(&folder) {
                warn!(%folder, %error, "what a capture left behind is not removed");
            }
            drop(counted);
            done
        };
        blocking(move || runtime.block_on(going())).await?
    }

    /// Folder of the captures of windows that go on.
    pub(crate) fn here_folder(&self) -> Utf8PathBuf {
        self.data_dir().join("evidence").join("here")
    }

    async fn captured_here(
        &self,
        fleet: &str,
        asked: &CaptureAsked,
        command: Vec<String>,
        folder: &Utf8Path,
    ) -> Result<CaptureView, AppError> {
        self.only_live()?;
        if asked.ask && asked.run.is_none() {
            self.sweep(fleet).await?;
        }
        let nodes = match &asked.filter {
            Some(filter) => NodeSelection::Filter { filter: filter.clone() },
            None => NodeSelection::All,
        };
        let request = CaptureRequest {
            fleet: fleet.to_owned(),
            run: asked.run.clone(),
            last_s: asked.last_s,
            nodes,
            ask: asked.ask,
            command,
            map: None,
            raw: None,
        };
        self.capture_evidence(&request, folder).await
    }
}

/// A folder that is not there was never made.
fn removed(folder: &Utf8Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
