//! What stands beside a plan: its dry run, and what is ready before a change.

use plumb_app::{
    error::AppError,
    views::{consent::KeyRequest, dry_run::DryRunView, readiness::ChecklistView},
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn dry_run(app: Front, plan_hash: String) -> Result<DryRunView, AppError> {
    app.dry_run(&plan_hash).await
}

#[tauri::command]
pub(crate) async fn newest_dry_run(
    app: Front,
    plan_hash: String,
) -> Result<Option<DryRunView>, AppError> {
    app.newest_dry_run(&plan_hash).await
}

#[tauri::command]
pub(crate) async fn readiness(app: Front, fleet: String) -> Result<ChecklistView, AppError> {
    app.readiness_checklist(&fleet).await
}

#[tauri::command]
pub(crate) async fn link_readiness(
    app: Front,
    fleet: String,
    item: String,
    url: String,
) -> Result<ChecklistView, AppError> {
    app.link_readiness(&fleet, &item, &url).await
}

#[tauri::command]
pub(crate) async fn attest_readiness(
    app: Front,
    fleet: String,
    item: String,
    seen: String,
    role: Option<String>,
    key: KeyRequest,
) -> Result<ChecklistView, AppError> {
    app.attest_here(&fleet, &item, &seen, role, key).await
}
