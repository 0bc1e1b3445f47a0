//! Frame, Fleet screen and node drawer.

use plumb_app::{
    Palette,
    error::AppError,
    views::{
        fleet::{FleetPage, FleetView, NodeNames},
        history::HistoryView,
        node::{LogLine, NodeView, RawAnswer},
        shell::ShellView,
    },
};

use crate::front::Front;

#[tauri::command]
pub(crate) async fn shell(app: Front) -> Result<ShellView, AppError> {
    app.shell().await
}

#[tauri::command]
pub(crate) async fn open_fleet(app: Front, name: String) -> Result<ShellView, AppError> {
    app.open_fleet(&name).await
}

#[tauri::command]
pub(crate) async fn fleet_overview(
    app: Front,
    fleet: String,
    page: FleetPage,
) -> Result<FleetView, AppError> {
    app.fleet_overview(&fleet, &page).await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn node_names(app: Front, fleet: String) -> Result<NodeNames, AppError> {
    app.node_names(&fleet)
}

#[tauri::command]
pub(crate) async fn node(app: Front, fleet: String, id: String) -> Result<NodeView, AppError> {
    app.node(&fleet, &id).await
}

#[tauri::command]
pub(crate) async fn node_raw(
    app: Front,
    fleet: String,
    id: String,
) -> Result<Vec<RawAnswer>, AppError> {
    app.node_raw(&fleet, &id).await
}

#[tauri::command]
pub(crate) async fn node_logs(
    app: Front,
    fleet: String,
    id: String,
    filter: String,
    level: String,
    max_age_s: u32,
) -> Result<Vec<LogLine>, AppError> {
    app.node_logs(&fleet, &id, &filter, &level, max_age_s).await
}

#[tauri::command]
pub(crate) async fn history(
    app: Front,
    fleet: String,
    hours: u32,
) -> Result<HistoryView, AppError> {
    app.history(&fleet, hours).await
}

#[tauri::command]
pub(crate) async fn history_svg(
    app: Front,
    fleet: String,
    chart: String,
    hours: u32,
) -> Result<String, AppError> {
    app.history_svg(&fleet, &chart, hours, &Palette::light()).await
}

#[tauri::command]
pub(crate) async fn refresh(app: Front, fleet: String) -> Result<(), AppError> {
    app.refresh(&fleet).await
}

#[tauri::command]
pub(crate) async fn chart_svg(
    app: Front,
    fleet: String,
    chart: String,
    node: Option<String>,
) -> Result<String, AppError> {
    app.chart_svg(&fleet, &chart, node.as_deref()).await
}
