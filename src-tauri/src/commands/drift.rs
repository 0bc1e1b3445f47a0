//! Drift screen.

use plumb_app::{
    App,
    error::AppError,
    views::drift::{Baseline, DriftView, MomentsView, TextDiffView},
};
use tauri::State;

#[tauri::command]
pub(crate) async fn drift(
    app: State<'_, App>,
    fleet: String,
    baseline: Baseline,
    group: Option<String>,
) -> Result<DriftView, AppError> {
    app.drift(&fleet, &baseline, group.as_deref()).await
}

#[tauri::command]
pub(crate) async fn moments(
    app: State<'_, App>,
    fleet: String,
    named: String,
) -> Result<MomentsView, AppError> {
    app.moments(&fleet, &named).await
}

#[tauri::command]
pub(crate) async fn policy_text_diff(
    app: State<'_, App>,
    fleet: String,
    from: Option<String>,
    to: Option<String>,
    policy: String,
) -> Result<TextDiffView, AppError> {
    app.policy_text_diff(&fleet, from.as_deref(), to.as_deref(), &policy).await
}
