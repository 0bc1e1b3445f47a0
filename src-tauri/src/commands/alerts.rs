//! The inbox, what is done with alerts, and incidents.

use plumb_app::{
    error::AppError,
    views::{
        alerts::{ActedView, AlertAct, AlertView, AlertsPage, InboxView, RetentionView},
        incidents::{IncidentAct, IncidentRow, IncidentView},
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn alerts(
    app: Front,
    fleet: String,
    page: AlertsPage,
) -> Result<InboxView, AppError> {
    app.alerts(&fleet, &page).await
}

#[tauri::command]
pub(crate) async fn alert(app: Front, fleet: String, alert: String) -> Result<AlertView, AppError> {
    app.alert(&fleet, &alert).await
}

#[tauri::command]
pub(crate) async fn act_on_alerts(
    app: Front,
    fleet: String,
    alerts: Vec<String>,
    act: AlertAct,
) -> Result<ActedView, AppError> {
    app.act_on_alerts(&fleet, &alerts, &act).await
}

#[tauri::command]
pub(crate) async fn incidents(
    app: Front,
    fleet: String,
    with_closed: bool,
) -> Result<Vec<IncidentRow>, AppError> {
    app.incidents(&fleet, with_closed).await
}

#[tauri::command]
pub(crate) async fn incident(
    app: Front,
    fleet: String,
    incident: String,
) -> Result<IncidentView, AppError> {
    app.incident(&fleet, &incident).await
}

#[tauri::command]
pub(crate) async fn act_on_incident(
    app: Front,
    fleet: String,
    incident: String,
    act: IncidentAct,
) -> Result<IncidentView, AppError> {
    app.act_on_incident(&fleet, &incident, &act).await
}

#[tauri::command]
pub(crate) async fn incident_draft(
    app: Front,
    fleet: String,
    incident: String,
) -> Result<String, AppError> {
    app.incident_draft(&fleet, &incident).await
}

#[tauri::command]
pub(crate) async fn alert_retention(
    app: Front,
    fleet: String,
    acked_days: Option<u32>,
) -> Result<RetentionView, AppError> {
    app.alert_retention(&fleet, acked_days).await
}

#[tauri::command]
pub(crate) async fn retain_alerts(
    app: Front,
    fleet: String,
    before_ms: i64,
) -> Result<u64, AppError> {
    app.retain_alerts(&fleet, before_ms).await
}
