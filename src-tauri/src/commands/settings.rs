//! Fleets, credentials, and what the desktop is told.

use plumb_app::{
    App,
    error::AppError,
    views::{
        settings::{ImportFormat, ImportPreview, SettingsView},
        shell::ShellView,
    },
};
use tauri::State;

#[tauri::command]
pub(crate) async fn settings(app: State<'_, App>) -> Result<SettingsView, AppError> {
    app.settings().await
}

#[tauri::command]
pub(crate) async fn add_fleet(app: State<'_, App>, path: String) -> Result<ShellView, AppError> {
    app.add_fleet(&path).await
}

#[tauri::command]
pub(crate) async fn remove_fleet(app: State<'_, App>, name: String) -> Result<ShellView, AppError> {
    app.remove_fleet(&name).await
}

#[tauri::command]
pub(crate) async fn preview_import(
    app: State<'_, App>,
    fleet: Option<String>,
    format: ImportFormat,
    text: String,
    name: String,
) -> Result<ImportPreview, AppError> {
    app.preview_import(fleet.as_deref(), format, &text, &name).await
}

#[tauri::command]
pub(crate) async fn save_import(
    app: State<'_, App>,
    name: String,
    toml: String,
    file: Option<String>,
) -> Result<ShellView, AppError> {
    app.save_import(&name, &toml, file.as_deref()).await
}

#[tauri::command]
pub(crate) async fn set_secret(
    app: State<'_, App>,
    name: String,
    secret: String,
) -> Result<(), AppError> {
    app.set_secret(&name, secret.into()).await
}

#[tauri::command]
pub(crate) async fn delete_secret(app: State<'_, App>, name: String) -> Result<(), AppError> {
    app.delete_secret(&name).await
}

#[tauri::command]
pub(crate) async fn set_quiet(
    app: State<'_, App>,
    fleet: String,
    quiet: bool,
) -> Result<SettingsView, AppError> {
    app.set_quiet(&fleet, quiet).await
}

#[tauri::command]
pub(crate) async fn start_demo(app: State<'_, App>) -> Result<ShellView, AppError> {
    app.start_demo().await
}
