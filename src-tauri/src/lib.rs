//! The Plumbline window: builder, state and the list of commands.

mod commands;
mod measure;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Parser;
use plumb_app::{App, AppOptions};
use tauri::{Emitter as _, Manager as _, RunEvent, WebviewUrl, WebviewWindowBuilder};

use crate::measure::Measurement;

/// Plumbline: the operations console for policy fleets.
#[derive(Debug, Parser)]
#[command(name = "plumbline", version)]
struct Arguments {
    /// Fleet file to add and open.
    #[arg(long, value_name = "FILE")]
    fleet_file: Option<Utf8PathBuf>,
    /// Folder of the two database files.
    #[arg(long, value_name = "DIR", env = "PLUMBLINE_DATA_DIR")]
    data_dir: Option<Utf8PathBuf>,
    /// Print the time to the painted fleet and the memory used, then end.
    #[arg(long)]
    measure_start: bool,
}

/// Opens the store, shows the window on the last known fleet, and sweeps afterwards.
pub fn run() -> anyhow::Result<ExitCode> {
    if let Some(ended) = plumb_app::run_evaluation_process_if_asked() {
        return Ok(ended);
    }
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let data_dir = match arguments.data_dir {
        Some(folder) => folder,
        None => plumb_app::paths::data_dir().context("finding the folder for data")?,
    };
    let options = AppOptions::window(data_dir);
    let app = tauri::async_runtime::block_on(async {
        let app = App::open(options).await?;
        if let Some(file) = &arguments.fleet_file {
            app.add_fleet(file.as_str()).await?;
        }
        Ok::<App, plumb_app::error::AppError>(app)
    })
    .map_err(|error| anyhow::anyhow!("{}; {}", error.message, error.hint))
    .context("opening the console's files")?;
    let closing = app.clone();
    tauri::Builder::default()
        .manage(app)
        .manage(Measurement::new(arguments.measure_start))
        .invoke_handler(tauri::generate_handler![
            commands::fleet::shell,
            commands::fleet::open_fleet,
            commands::fleet::fleet_overview,
            commands::fleet::node,
            commands::fleet::node_raw,
            commands::fleet::node_logs,
            commands::fleet::refresh,
            commands::fleet::chart_svg,
            commands::drift::drift,
            commands::drift::policy_text_diff,
            commands::plans::prepare_plan,
            commands::plans::start_run,
            commands::runs::run,
            commands::runs::runs,
            commands::runs::abort_run,
            commands::settings::settings,
            commands::settings::add_fleet,
            commands::settings::remove_fleet,
            commands::settings::preview_import,
            commands::settings::save_import,
            commands::settings::set_secret,
            commands::settings::delete_secret,
            commands::settings::start_demo,
            commands::window::painted,
            commands::window::visible,
            commands::window::quit,
        ])
        .setup(|tauri| {
            let handle = tauri.handle().clone();
            WebviewWindowBuilder::new(&handle, "main", WebviewUrl::default())
                .title("Plumbline")
                .inner_size(1280.0, 800.0)
                .min_inner_size(960.0, 600.0)
                .build()?;
            let app = tauri.state::<App>().inner().clone();
            tauri::async_runtime::spawn(forward_topics(app, handle));
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("opening the window")?
        .run(move |_, event| {
            if let RunEvent::Exit = event {
                tauri::async_runtime::block_on(closing.close());
            }
        });
    Ok(ExitCode::SUCCESS)
}

/// Tells the page which of its views are out of date.
async fn forward_topics(app: App, handle: tauri::AppHandle) {
    use tokio::sync::broadcast::error::RecvError;
    let mut heard = app.subscribe();
    loop {
        match heard.recv().await {
            Ok(topics) => {
                // A window that is closing no longer listens.
                let _ = handle.emit("topics", Arc::new(topics));
            }
            Err(RecvError::Lagged(_)) => {
                let _ = handle.emit("topics", app.every_topic());
            }
            Err(RecvError::Closed) => return,
        }
    }
}
