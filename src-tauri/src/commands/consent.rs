//! Approvals of a plan, requests of others, reviews that are due, and the roster.

use plumb_app::{
    error::AppError,
    views::{
        approvals::{ReviewView, RosterFileView, RosterView, SignedView},
        consent::{
            KeyRequest, PlanConsentView, RequestFileView, SignRequest, SignerView, WaitingPlanView,
        },
        plan::PlanView,
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn plan_consent(
    app: Front,
    plan_hash: String,
) -> Result<Option<PlanConsentView>, AppError> {
    app.plan_consent(&plan_hash).await
}

#[tauri::command]
pub(crate) async fn waiting_plans(
    app: Front,
    fleet: String,
) -> Result<Vec<WaitingPlanView>, AppError> {
    app.waiting_plans(&fleet).await
}

#[tauri::command]
pub(crate) async fn prepare_kept(
    app: Front,
    fleet: String,
    plan_hash: String,
) -> Result<PlanView, AppError> {
    app.prepare_kept(&fleet, &plan_hash).await
}

#[tauri::command]
pub(crate) async fn ask_for_approval(
    app: Front,
    fleet: String,
    plan_hash: String,
    key: KeyRequest,
    path: String,
) -> Result<SignedView, AppError> {
    app.ask_for_approval(&fleet, &plan_hash, key, &path).await
}

#[tauri::command]
pub(crate) async fn save_request(
    app: Front,
    plan_hash: String,
    path: String,
) -> Result<(), AppError> {
    app.save_request(&plan_hash, &path).await
}

#[tauri::command]
pub(crate) async fn add_approval_file(
    app: Front,
    fleet: String,
    path: String,
) -> Result<String, AppError> {
    app.add_approval_file(&fleet, &path).await
}

#[tauri::command]
pub(crate) async fn sign_here(
    app: Front,
    fleet: String,
    plan_hash: String,
    sign: SignRequest,
) -> Result<SignedView, AppError> {
    app.sign_here(&fleet, &plan_hash, sign).await
}

#[tauri::command]
pub(crate) async fn open_request(app: Front, path: String) -> Result<RequestFileView, AppError> {
    app.open_request(&path).await
}

#[tauri::command]
pub(crate) async fn answer_request_file(
    app: Front,
    path: String,
    digest: String,
    sign: SignRequest,
    output: String,
) -> Result<SignedView, AppError> {
    app.answer_request_file(&path, &digest, sign, &output).await
}

#[tauri::command]
pub(crate) async fn reviews_due(app: Front, fleet: String) -> Result<Vec<ReviewView>, AppError> {
    app.open_reviews(&fleet).await
}

#[tauri::command]
pub(crate) async fn review_signers(
    app: Front,
    fleet: String,
) -> Result<(Vec<SignerView>, Vec<String>), AppError> {
    app.review_signers(&fleet).await
}

#[tauri::command]
pub(crate) async fn give_review(
    app: Front,
    fleet: String,
    run: String,
    note: String,
    role: Option<String>,
    key: KeyRequest,
) -> Result<Vec<ReviewView>, AppError> {
    app.give_review(&fleet, &run, &note, role.as_deref(), key).await
}

#[tauri::command]
pub(crate) async fn enrolled_roster(
    app: Front,
    fleet: String,
) -> Result<Option<RosterView>, AppError> {
    app.enrolled_roster(&fleet).await
}

#[tauri::command]
pub(crate) async fn open_roster(
    app: Front,
    fleet: String,
    path: String,
) -> Result<RosterFileView, AppError> {
    app.open_roster(&fleet, &path).await
}

#[tauri::command]
pub(crate) async fn enrol_roster(
    app: Front,
    fleet: String,
    path: String,
    file: String,
    fingerprints: Vec<String>,
) -> Result<RosterView, AppError> {
    app.enrol_roster_file(&fleet, &path, &file, &fingerprints).await
}
