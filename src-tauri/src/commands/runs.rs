//! Runs under way and past.

use plumb_app::{
    error::AppError,
    views::{
        certificate::{CertificateView, RunCertificateView},
        rollout::RunOrder,
        run::{RunMoment, RunView},
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn run(app: Front, id: String) -> Result<RunView, AppError> {
    app.run(&id).await
}

#[tauri::command]
pub(crate) async fn runs(app: Front, fleet: String) -> Result<Vec<RunView>, AppError> {
    app.runs(&fleet).await
}

#[tauri::command]
pub(crate) async fn run_moments(app: Front, id: String) -> Result<Vec<RunMoment>, AppError> {
    app.run_moments(&id).await
}

#[tauri::command]
pub(crate) async fn live_run(app: Front, fleet: String) -> Result<Option<String>, AppError> {
    app.live_run(&fleet).await
}

#[tauri::command]
pub(crate) async fn abort_run(app: Front, id: String) -> Result<(), AppError> {
    app.abort_run(&id)
}

#[tauri::command]
pub(crate) async fn order_run(
    app: Front,
    id: String,
    order: RunOrder,
) -> Result<RunView, AppError> {
    app.order_run(&id, &order).await
}

#[tauri::command]
pub(crate) async fn resume_run(app: Front, id: String) -> Result<RunView, AppError> {
    app.resume_run(&id).await
}

#[tauri::command]
pub(crate) async fn run_certificate(
    app: Front,
    id: String,
) -> Result<RunCertificateView, AppError> {
    app.run_certificate(&id).await
}

#[tauri::command]
pub(crate) async fn make_certificate(app: Front, id: String) -> Result<CertificateView, AppError> {
    app.certificate(&id, true).await
}

#[tauri::command]
pub(crate) async fn save_certificate(
    app: Front,
    id: String,
    path: String,
) -> Result<CertificateView, AppError> {
    app.save_certificate(&id, &path).await
}
