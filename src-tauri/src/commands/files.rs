//! Files by the system's dialog. The page never names a file to read or write: a person does.

use plumb_app::{
    actions::files::{read_chosen, write_chosen},
    error::AppError,
    views::settings::ChosenText,
};
use tauri::AppHandle;

use crate::dialog::{self, Asked};

#[tauri::command]
pub(crate) async fn choose_fleet_file(handle: AppHandle) -> Result<Option<String>, AppError> {
    Ok(dialog::file(&handle, Asked::FleetFile).await?.map(String::from))
}

#[tauri::command]
pub(crate) async fn choose_signed_file(
    handle: AppHandle,
    what: String,
) -> Result<Option<String>, AppError> {
    Ok(dialog::file(&handle, Asked::Signed { what }).await?.map(String::from))
}

#[tauri::command]
pub(crate) async fn choose_import_file(handle: AppHandle) -> Result<Option<ChosenText>, AppError> {
    let Some(path) = dialog::file(&handle, Asked::Nodes).await? else { return Ok(None) };
    read_chosen(path).await.map(Some)
}

#[tauri::command]
pub(crate) async fn choose_place(
    handle: AppHandle,
    name: String,
) -> Result<Option<String>, AppError> {
    Ok(dialog::file(&handle, Asked::Place { name }).await?.map(String::from))
}

#[tauri::command]
pub(crate) async fn save_text(
    handle: AppHandle,
    name: String,
    text: String,
) -> Result<Option<String>, AppError> {
    let Some(path) = dialog::file(&handle, Asked::Place { name }).await? else { return Ok(None) };
    write_chosen(path.clone(), text).await.map(|()| Some(path.into_string()))
}
