//! Evidence from the window: looked at before it is captured, then sealed into a file that somebody chose.

use std::future::Future;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::runtime::Handle;

use crate::{
    actions::{
        capture::{CaptureRequest, Sealer, gather::blocking},
        consent::{choice, named},
    },
    app::App,
    error::{AppError, Code, chain},
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
        self.apart(async move |app| {
            let folder = app.evidence_folder();
            let captured = app.captured_here(&fleet, &asked, command, &folder).await;
            removed(folder).await?;
            captured
        })
        .await
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
        let (fleet, asked) = (fleet.to_owned(), asked.clone());
        self.apart(async move |app| {
            let folder = app.evidence_folder();
            let sealed = async {
                app.captured_here(&fleet, &asked, command, &folder).await?;
                app.seal_evidence(&folder, &path, &sealer).await
            };
            let sealed = sealed.await;
            removed(folder).await?;
            let sealed = sealed?;
            let verdict = verify_evidence(&path, app.evidence_trust().await?).await?;
            Ok(SealedHere { sealed, verdict })
        })
        .await
    }

    /// Does it on a thread of its own: a capture hashes and syncs between its questions, which nothing else of a
    /// window is to wait for.
    async fn apart<T, F>(
        &self,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AppError>>,
    {
        let (app, runtime) = (self.clone(), Handle::current());
        blocking(move || runtime.block_on(work(app))).await?
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
async fn removed(folder: Utf8PathBuf) -> Result<(), AppError> {
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("{folder} could not be removed: {}", chain(&error));
            Err(AppError::new(Code::Other, message, "remove it by hand"))
        }
        _ => Ok(()),
    }
}
