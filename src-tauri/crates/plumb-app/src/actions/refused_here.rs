//! The refused list from the window: keys as they were picked, files by their paths.

use camino::Utf8PathBuf;
use plumb_fleet::Digest;
use plumb_trust::refused::LIST_BYTES_MAX;

use crate::{
    actions::{
        consent::{choice, named, read, read_as_shown},
        files::write_chosen,
    },
    app::App,
    error::AppError,
    views::{
        consent::KeyRequest,
        refused::{ClearingFileView, ClearingView, RefusedPushView, RefusedView},
    },
};

impl App {
    /// Refuses content, and signs the list with everything that is refused here where a key is given.
    pub async fn refuse_here(
        &self,
        fleet: &str,
        content: Option<(String, String)>,
        key: Option<KeyRequest>,
    ) -> Result<RefusedView, AppError> {
        self.writable(fleet)?;
        let key = key.map(choice).transpose()?;
        let content = content.as_ref().map(|(content, reason)| (content.as_str(), reason.as_str()));
        self.refuse_content(fleet, content, key.as_ref()).await
    }

    /// Begins to sign content clean. What others still have to sign is written to a file.
    pub async fn clear_here(
        &self,
        fleet: &str,
        content: &str,
        reason: &str,
        key: KeyRequest,
        output: &str,
    ) -> Result<ClearingView, AppError> {
        self.writable(fleet)?;
        let output = named(output)?;
        let signed = self.clear_content(fleet, content, reason, &choice(key)?).await?;
        written(signed, output).await
    }

    /// A clearing that somebody sent: what would be signed, and who signed it.
    pub async fn open_clearing(
        &self,
        fleet: &str,
        path: &str,
    ) -> Result<ClearingFileView, AppError> {
        let file = read(named(path)?, LIST_BYTES_MAX as u64).await?;
        let clearing = self.look_at_clearing(fleet, &file).await?;
        Ok(ClearingFileView { file: Digest::of(&file).to_string(), clearing })
    }

    /// Adds a signature to a clearing that somebody sent. `file` is the digest of the file as it was
    /// shown: one that changed meanwhile is not signed.
    pub async fn sign_clearing_file(
        &self,
        fleet: &str,
        path: &str,
        file: &str,
        key: KeyRequest,
        output: &str,
    ) -> Result<ClearingView, AppError> {
        self.writable(fleet)?;
        let output = named(output)?;
        let bytes = read_as_shown(path, file, LIST_BYTES_MAX as u64).await?;
        let signed = self.sign_clearing(fleet, &bytes, &choice(key)?).await?;
        written(signed, output).await
    }

    /// Takes a signed list from a file that somebody sent.
    pub async fn take_refused(&self, fleet: &str, path: &str) -> Result<RefusedView, AppError> {
        self.writable(fleet)?;
        let file = read(named(path)?, LIST_BYTES_MAX as u64).await?;
        self.import_refused(fleet, &file).await
    }

    /// Writes the newest signed list where a person chose.
    pub async fn save_refused(&self, fleet: &str, path: &str) -> Result<RefusedView, AppError> {
        self.export_refused(fleet, named(path)?).await
    }

    /// Sends the list to the agents, and looks at them again.
    pub async fn push_refused_here(&self, fleet: &str) -> Result<RefusedPushView, AppError> {
        self.writable(fleet)?;
        let pushed = self.push_refused(fleet).await?;
        self.refresh(fleet).await?;
        Ok(pushed)
    }
}

/// Writes a clearing for whoever signs next; one that is complete is in the list already.
async fn written(
    (mut view, envelope): (ClearingView, Vec<u8>),
    output: Utf8PathBuf,
) -> Result<ClearingView, AppError> {
    if view.missing.is_some() {
        write_chosen(output.clone(), String::from_utf8_lossy(&envelope).into_owned()).await?;
        view.file = Some(output.into_string());
    }
    Ok(view)
}
