//! The refused list: signed, signed clean, exchanged as files and pushed to agents.

use plumb_app::{
    error::AppError,
    views::{
        consent::KeyRequest,
        refused::{ClearingFileView, ClearingView, RefusedPushView, RefusedView},
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn refused(app: Front, fleet: String) -> Result<RefusedView, AppError> {
    app.refused(&fleet).await
}

#[tauri::command]
pub(crate) async fn refuse(
    app: Front,
    fleet: String,
    content: Option<(String, String)>,
    key: Option<KeyRequest>,
) -> Result<RefusedView, AppError> {
    app.refuse_here(&fleet, content, key).await
}

#[tauri::command]
pub(crate) async fn clear_refused(
    app: Front,
    fleet: String,
    content: String,
    reason: String,
    key: KeyRequest,
    output: String,
) -> Result<ClearingView, AppError> {
    app.clear_here(&fleet, &content, &reason, key, &output).await
}

#[tauri::command]
pub(crate) async fn open_clearing(
    app: Front,
    fleet: String,
    path: String,
) -> Result<ClearingFileView, AppError> {
    app.open_clearing(&fleet, &path).await
}

#[tauri::command]
pub(crate) async fn sign_clearing(
    app: Front,
    fleet: String,
    path: String,
    file: String,
    key: KeyRequest,
    output: String,
) -> Result<ClearingView, AppError> {
    app.sign_clearing_file(&fleet, &path, &file, key, &output).await
}

#[tauri::command]
pub(crate) async fn take_refused(
    app: Front,
    fleet: String,
    path: String,
) -> Result<RefusedView, AppError> {
    app.take_refused(&fleet, &path).await
}

#[tauri::command]
pub(crate) async fn save_refused(
    app: Front,
    fleet: String,
    path: String,
) -> Result<RefusedView, AppError> {
    app.save_refused(&fleet, &path).await
}

#[tauri::command]
pub(crate) async fn push_refused(app: Front, fleet: String) -> Result<RefusedPushView, AppError> {
    app.push_refused_here(&fleet).await
}
