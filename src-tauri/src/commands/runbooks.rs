//! The library of runbooks, runs of them, rehearsals, and what is recorded.

use crate::front::Front;
use plumb_app::{
    error::AppError,
    views::{
        consent::KeyRequest,
        doctor::DoctorView,
        runbook::{
            LibraryRow, RecordedView, RehearsalView, RunbookAsked, RunbookBegun, RunbookOccasion,
            RunbookOffer, RunbookPage, RunbookRunPage, RunbookRunView, RunbookWord,
        },
    },
};

#[tauri::command]
pub(crate) async fn runbooks(app: Front, fleet: String) -> Result<Vec<LibraryRow>, AppError> {
    app.library(&fleet).await
}

#[tauri::command]
pub(crate) async fn runbook(
    app: Front,
    fleet: String,
    file: String,
) -> Result<RunbookPage, AppError> {
    app.open_runbook(&fleet, &file).await
}

#[tauri::command]
pub(crate) async fn begin_runbook(
    app: Front,
    fleet: String,
    asked: RunbookAsked,
) -> Result<RunbookBegun, AppError> {
    app.begin_runbook(&fleet, &asked).await
}

#[tauri::command]
pub(crate) async fn rehearse_runbook(
    app: Front,
    fleet: String,
    asked: RunbookAsked,
) -> Result<RehearsalView, AppError> {
    app.rehearse_asked(&fleet, &asked).await
}

#[tauri::command]
pub(crate) async fn runbook_runs(
    app: Front,
    fleet: String,
) -> Result<Vec<RunbookRunView>, AppError> {
    app.runbook_runs(&fleet).await
}

#[tauri::command]
pub(crate) async fn runbook_run(app: Front, id: String) -> Result<RunbookRunPage, AppError> {
    app.runbook_run_page(&id).await
}

#[tauri::command]
pub(crate) async fn tell_runbook(
    app: Front,
    id: String,
    by: Option<String>,
    groups: Vec<String>,
    word: RunbookWord,
) -> Result<RunbookRunPage, AppError> {
    app.tell_runbook(&id, by.as_deref(), &groups, word).await
}

#[tauri::command]
pub(crate) async fn sign_runbook(
    app: Front,
    id: String,
    word: RunbookWord,
    key: KeyRequest,
) -> Result<RunbookRunPage, AppError> {
    app.sign_runbook_word(&id, word, key).await
}

#[tauri::command]
pub(crate) async fn pick_up_runbook(app: Front, id: String) -> Result<RunbookRunPage, AppError> {
    app.pick_up_runbook(&id).await
}

#[tauri::command]
pub(crate) async fn runbooks_for(
    app: Front,
    fleet: String,
    occasion: RunbookOccasion,
) -> Result<Vec<RunbookOffer>, AppError> {
    app.runbooks_for(&fleet, &occasion).await
}

#[tauri::command]
pub(crate) async fn doctor(app: Front, fleet: String) -> Result<DoctorView, AppError> {
    app.doctor(&fleet, &[]).await
}

#[tauri::command]
pub(crate) async fn record_runbook(
    app: Front,
    fleet: String,
    runs: Vec<String>,
    title: Option<String>,
) -> Result<RecordedView, AppError> {
    app.record_runbook(&fleet, &runs, title.as_deref()).await
}
