//! Evidence screen, and the moments of evidence that is open.

use camino::Utf8Path;
use plumb_app::{
    console::Console,
    error::AppError,
    views::{
        evidence::{EvidenceOpened, EvidenceStep},
        shell::ShellView,
    },
};
use tauri::{AppHandle, State};

use crate::{
    dialog::{self, Asked},
    front::Front,
};

#[tauri::command]
pub(crate) async fn choose_evidence(handle: AppHandle) -> Result<Option<String>, AppError> {
    Ok(dialog::file(&handle, Asked::Evidence).await?.map(String::from))
}

#[tauri::command]
pub(crate) async fn open_evidence(
    console: State<'_, Console>,
    path: String,
    key: Option<String>,
) -> Result<EvidenceOpened, AppError> {
    console.open_evidence(Utf8Path::new(&path), key.as_deref().map(Utf8Path::new)).await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn opened_evidence(console: State<'_, Console>) -> Option<EvidenceOpened> {
    console.opened()
}

#[tauri::command]
pub(crate) async fn close_evidence(console: State<'_, Console>) -> Result<ShellView, AppError> {
    console.close_evidence().await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "as every command about what is shown")]
pub(crate) fn evidence_steps(app: Front) -> Vec<EvidenceStep> {
    app.evidence_steps()
}

#[tauri::command]
pub(crate) async fn show_evidence_step(app: Front, step: u32) -> Result<ShellView, AppError> {
    app.show_evidence_step(step).await
}
