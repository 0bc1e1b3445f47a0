//! Evidence screen, and the moments of evidence that is open.

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{
    console::{Console, Named},
    error::AppError,
    views::{
        approvals::SignedView,
        consent::{KeyRequest, RequestFileView, SignRequest},
        evidence::{
            CaptureAsked, CaptureView, EvidenceDiffView, EvidenceOpened, EvidenceStep, SealedHere,
        },
        shell::ShellView,
    },
};
use tauri::{AppHandle, State};

use crate::{
    dialog::{self, Asked},
    front::Front,
};

/// How this program was started, for whoever reads the evidence. A name of a file need not be text.
fn arguments() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

#[tauri::command]
pub(crate) async fn preview_capture(
    app: Front,
    fleet: String,
    asked: CaptureAsked,
) -> Result<CaptureView, AppError> {
    app.preview_capture(&fleet, &asked, arguments()).await
}

#[tauri::command]
pub(crate) async fn capture_evidence(
    app: Front,
    fleet: String,
    asked: CaptureAsked,
    key: Option<KeyRequest>,
    path: String,
) -> Result<SealedHere, AppError> {
    app.capture_here(&fleet, &asked, arguments(), key, &path).await
}

#[tauri::command]
pub(crate) async fn choose_evidence(handle: AppHandle) -> Result<Option<String>, AppError> {
    Ok(dialog::file(&handle, Asked::Evidence).await?.map(String::from))
}

#[tauri::command]
pub(crate) async fn open_evidence(
    console: State<'_, Console>,
    path: String,
    keys: Vec<Utf8PathBuf>,
    roots: Vec<Utf8PathBuf>,
) -> Result<EvidenceOpened, AppError> {
    console.open_evidence(Utf8Path::new(&path), &Named { keys, roots }).await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn opened_evidence(console: State<'_, Console>) -> Option<EvidenceOpened> {
    console.opened()
}

#[tauri::command]
pub(crate) async fn close_evidence(console: State<'_, Console>) -> Result<ShellView, AppError> {
    console.close_evidence().await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "as every command about what is shown")]
pub(crate) fn evidence_steps(app: Front) -> Vec<EvidenceStep> {
    app.evidence_steps()
}

#[tauri::command]
pub(crate) async fn show_evidence_step(app: Front, step: u32) -> Result<ShellView, AppError> {
    app.show_evidence_step(step).await
}

#[tauri::command]
pub(crate) async fn evidence_request(
    console: State<'_, Console>,
    plan_hash: String,
) -> Result<RequestFileView, AppError> {
    console.evidence_request(&plan_hash).await
}

#[tauri::command]
pub(crate) async fn answer_evidence_request(
    console: State<'_, Console>,
    plan_hash: String,
    digest: String,
    sign: SignRequest,
    output: String,
) -> Result<SignedView, AppError> {
    console.answer_evidence_request((&plan_hash, &digest), sign, &output).await
}

#[tauri::command]
pub(crate) async fn compare_evidence(
    console: State<'_, Console>,
    left: String,
    right: String,
    keys: Vec<Utf8PathBuf>,
    roots: Vec<Utf8PathBuf>,
) -> Result<EvidenceDiffView, AppError> {
    let (left, right) = (Utf8Path::new(&left), Utf8Path::new(&right));
    console.compare_evidence(left, right, &Named { keys, roots }).await
}
