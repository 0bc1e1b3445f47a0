//! From a request to a plan, and from a plan to a run.

use plumb_app::{
    error::AppError,
    views::{
        bundles::BundleChoice,
        consent::KeyRequest,
        plan::{ActionRequest, PlanView},
        run::RunView,
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn bundle_choices(
    app: Front,
    fleet: String,
) -> Result<Vec<BundleChoice>, AppError> {
    app.bundle_choices(&fleet).await
}

#[tauri::command]
pub(crate) async fn prepare_plan(
    app: Front,
    fleet: String,
    request: ActionRequest,
) -> Result<PlanView, AppError> {
    app.prepare_plan(&fleet, &request).await
}

#[tauri::command]
pub(crate) async fn start_run(
    app: Front,
    fleet: String,
    plan_hash: String,
    typed: Option<String>,
    reason: Option<String>,
) -> Result<RunView, AppError> {
    app.start_here(&fleet, &plan_hash, typed.as_deref(), reason.as_deref()).await
}

#[tauri::command]
pub(crate) async fn start_run_at_night(
    app: Front,
    fleet: String,
    plan_hash: String,
    typed: Option<String>,
    reason: String,
    key: KeyRequest,
) -> Result<RunView, AppError> {
    app.start_at_night_with(&fleet, &plan_hash, typed.as_deref(), &reason, key).await
}
