//! Drift screen.

use plumb_app::{
    error::AppError,
    impact::Looked,
    views::{
        drift::{Baseline, DriftView, MomentsView, TextDiffView},
        impact::{ImpactView, ReadingView},
    },
};
use tauri::ipc::Channel;

use crate::front::Front;

#[tauri::command]
pub(crate) async fn drift(
    app: Front,
    fleet: String,
    baseline: Baseline,
    group: Option<String>,
) -> Result<DriftView, AppError> {
    app.drift(&fleet, &baseline, group.as_deref()).await
}

#[tauri::command]
pub(crate) async fn moments(
    app: Front,
    fleet: String,
    named: String,
) -> Result<MomentsView, AppError> {
    app.moments(&fleet, &named).await
}

#[tauri::command]
pub(crate) async fn policy_text_diff(
    app: Front,
    fleet: String,
    from: Option<String>,
    to: Option<String>,
    policy: String,
) -> Result<TextDiffView, AppError> {
    app.policy_text_diff(&fleet, from.as_deref(), to.as_deref(), &policy).await
}

#[tauri::command]
pub(crate) async fn impact(
    app: Front,
    fleet: String,
    from: String,
    to: String,
    reading: Option<ReadingView>,
    so_far: Channel<ImpactView>,
) -> Result<ImpactView, AppError> {
    // A window that is closing no longer listens.
    let told = |view: &ImpactView| drop(so_far.send(view.clone()));
    app.impact_of(&fleet, &Looked { from, to, reading: reading.map(Into::into) }, told).await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn stop_impact(app: Front, from: String, to: String, reading: Option<ReadingView>) {
    app.stop_looking(&Looked { from, to, reading: reading.map(Into::into) });
}
