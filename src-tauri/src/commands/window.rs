//! The window itself: first paint, visibility, the end.

use plumb_app::App;
use tauri::{AppHandle, State};

use crate::measure::Measurement;

#[tauri::command]
pub(crate) async fn painted(
    handle: AppHandle,
    app: State<'_, App>,
    measure: State<'_, Measurement>,
) -> Result<(), ()> {
    measure.painted(&handle);
    app.first_paint_done();
    Ok(())
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn visible(app: State<'_, App>, visible: bool) {
    app.set_visible(visible);
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its handle over by value")]
pub(crate) fn quit(handle: AppHandle) {
    handle.exit(0);
}
