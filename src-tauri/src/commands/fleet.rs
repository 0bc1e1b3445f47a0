//! Frame, Fleet screen and node drawer.

use plumb_app::{
    App,
    error::AppError,
    views::{
        fleet::{FleetPage, FleetView, NodeNames},
        node::{LogLine, NodeView, RawAnswer},
        shell::ShellView,
    },
};
use tauri::State;

#[tauri::command]
pub(crate) async fn shell(app: State<'_, App>) -> Result<ShellView, AppError> {
    app.shell().await
}

#[tauri::command]
pub(crate) async fn open_fleet(app: State<'_, App>, name: String) -> Result<ShellView, AppError> {
    app.open_fleet(&name).await
}

#[tauri::command]
pub(crate) async fn fleet_overview(
    app: State<'_, App>,
    fleet: String,
    page: FleetPage,
) -> Result<FleetView, AppError> {
    app.fleet_overview(&fleet, &page).await
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands its state over by value")]
pub(crate) fn node_names(app: State<'_, App>, fleet: String) -> Result<NodeNames, AppError> {
    app.node_names(&fleet)
}

#[tauri::command]
pub(crate) async fn node(
    app: State<'_, App>,
    fleet: String,
    id: String,
) -> Result<NodeView, AppError> {
    app.node(&fleet, &id).await
}

#[tauri::command]
pub(crate) async fn node_raw(
    app: State<'_, App>,
    fleet: String,
    id: String,
) -> Result<Vec<RawAnswer>, AppError> {
    app.node_raw(&fleet, &id).await
}

#[tauri::command]
pub(crate) async fn node_logs(
    app: State<'_, App>,
    fleet: String,
    id: String,
    filter: String,
    level: String,
    max_age_s: u32,
) -> Result<Vec<LogLine>, AppError> {
    app.node_logs(&fleet, &id, &filter, &level, max_age_s).await
}

#[tauri::command]
pub(crate) async fn refresh(app: State<'_, App>, fleet: String) -> Result<(), AppError> {
    app.refresh(&fleet).await
}

#[tauri::command]
pub(crate) async fn chart_svg(
    app: State<'_, App>,
    fleet: String,
    chart: String,
    node: Option<String>,
) -> Result<String, AppError> {
    app.chart_svg(&fleet, &chart, node.as_deref()).await
}
