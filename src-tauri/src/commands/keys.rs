//! Keys of people: their public halves only leave this side.

use plumb_app::{
    App,
    error::AppError,
    views::{
        approvals::PersonalKeyView,
        consent::{KeyFileRequest, NewKeyRequest, OwnKeysView},
    },
};
use tauri::State;

#[tauri::command]
pub(crate) async fn own_keys(
    app: State<'_, App>,
    fleet: Option<String>,
) -> Result<OwnKeysView, AppError> {
    app.signing_keys(fleet.as_deref()).await
}

#[tauri::command]
pub(crate) async fn make_key(
    app: State<'_, App>,
    asked: NewKeyRequest,
) -> Result<PersonalKeyView, AppError> {
    app.make_own_key(asked).await
}

#[tauri::command]
pub(crate) async fn take_key(
    app: State<'_, App>,
    name: String,
    file: KeyFileRequest,
) -> Result<PersonalKeyView, AppError> {
    app.take_own_key(&name, file).await
}
