//! The Plumbline window: builder, state and the list of commands.

mod commands;
mod dialog;
mod environment;
mod front;
mod measure;
mod notify;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Parser;
use plumb_app::{
    App, AppOptions,
    console::{Console, Named},
    error::AppError,
};
use tauri::{
    DragDropEvent, Emitter as _, Manager as _, RunEvent, WebviewUrl, WebviewWindowBuilder,
    WindowEvent,
};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::measure::Measurement;

type Opening = tauri::async_runtime::JoinHandle<anyhow::Result<Console>>;

/// Plumbline: the operations console for policy fleets.
#[derive(Debug, Parser)]
#[command(name = "plumbline", version)]
struct Arguments {
    /// Archive of evidence to verify, and to show as if it were its fleet.
    #[arg(value_name = "EVIDENCE")]
    evidence: Option<Utf8PathBuf>,
    /// Public key of whoever may have sealed it, as PEM; may be repeated.
    #[arg(long = "key", value_name = "PEM", requires = "evidence")]
    keys: Vec<Utf8PathBuf>,
    /// Root key of its roster as PEM, or a roster that is trusted; may be repeated.
    #[arg(long = "root", value_name = "FILE", requires = "evidence")]
    roots: Vec<Utf8PathBuf>,
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
    environment::settle().context("starting again with the settings that WebKit reads")?;
    let data_dir = match arguments.data_dir {
        Some(folder) => folder,
        None => plumb_app::paths::data_dir().context("finding the folder for data")?,
    };
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(tracing_subscriber::EnvFilter::from_default_env());
    tracing_subscriber::registry().with(log).with(plumb_app::own_log::layer()).init();
    // Files and fleets are read while the window and its processes come up.
    let named = Named { keys: arguments.keys, roots: arguments.roots };
    let evidence = arguments.evidence.map(|file| (file, named));
    let opening = tauri::async_runtime::spawn(open(data_dir, arguments.fleet_file, evidence));
    tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .manage(Measurement::new(arguments.measure_start))
        .invoke_handler(commands())
        .setup(move |tauri| show(tauri, opening).map_err(|error| format!("{error:#}").into()))
        .build(tauri::generate_context!())
        .context("opening the window")?
        .run(move |tauri, event| {
            if let RunEvent::Exit = event
                && let Some(console) = tauri.try_state::<Console>()
            {
                tauri::async_runtime::block_on(console.close());
            }
        });
    Ok(ExitCode::SUCCESS)
}

/// Everything the page can ask for.
#[expect(clippy::too_many_lines, reason = "one line for each command")]
fn commands() -> impl Fn(tauri::ipc::Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        commands::fleet::shell,
        commands::fleet::open_fleet,
        commands::fleet::fleet_overview,
        commands::fleet::node_names,
        commands::fleet::node,
        commands::fleet::node_raw,
        commands::fleet::node_logs,
        commands::fleet::history,
        commands::fleet::history_svg,
        commands::fleet::refresh,
        commands::fleet::chart_svg,
        commands::drift::drift,
        commands::drift::moments,
        commands::drift::policy_text_diff,
        commands::drift::impact,
        commands::drift::stop_impact,
        commands::plans::bundle_choices,
        commands::plans::prepare_plan,
        commands::plans::start_run,
        commands::plans::start_run_at_night,
        commands::consent::plan_consent,
        commands::proof::dry_run,
        commands::proof::newest_dry_run,
        commands::proof::readiness,
        commands::proof::link_readiness,
        commands::proof::attest_readiness,
        commands::consent::waiting_plans,
        commands::consent::prepare_kept,
        commands::consent::ask_for_approval,
        commands::consent::save_request,
        commands::consent::add_approval_file,
        commands::consent::sign_here,
        commands::consent::open_request,
        commands::consent::answer_request_file,
        commands::consent::reviews_due,
        commands::consent::review_signers,
        commands::consent::give_review,
        commands::consent::enrolled_roster,
        commands::consent::open_roster,
        commands::consent::enrol_roster,
        commands::keys::own_keys,
        commands::keys::make_key,
        commands::keys::take_key,
        commands::refused::refused,
        commands::refused::refuse,
        commands::refused::clear_refused,
        commands::refused::open_clearing,
        commands::refused::sign_clearing,
        commands::refused::take_refused,
        commands::refused::save_refused,
        commands::refused::push_refused,
        commands::runs::run,
        commands::runs::runs,
        commands::runs::run_moments,
        commands::runs::live_run,
        commands::runs::abort_run,
        commands::runs::order_run,
        commands::runs::resume_run,
        commands::runs::run_certificate,
        commands::runs::make_certificate,
        commands::runs::save_certificate,
        commands::runbooks::runbooks,
        commands::runbooks::runbook,
        commands::runbooks::begin_runbook,
        commands::runbooks::rehearse_runbook,
        commands::runbooks::runbook_runs,
        commands::runbooks::runbook_run,
        commands::runbooks::tell_runbook,
        commands::runbooks::sign_runbook,
        commands::runbooks::pick_up_runbook,
        commands::runbooks::runbooks_for,
        commands::runbooks::doctor,
        commands::runbooks::record_runbook,
        commands::alerts::alerts,
        commands::alerts::alert,
        commands::alerts::act_on_alerts,
        commands::alerts::incidents,
        commands::alerts::incident,
        commands::alerts::act_on_incident,
        commands::alerts::incident_draft,
        commands::alerts::alert_retention,
        commands::alerts::retain_alerts,
        commands::evidence::preview_capture,
        commands::evidence::capture_evidence,
        commands::evidence::choose_evidence,
        commands::evidence::open_evidence,
        commands::evidence::opened_evidence,
        commands::evidence::close_evidence,
        commands::evidence::evidence_steps,
        commands::evidence::show_evidence_step,
        commands::evidence::evidence_request,
        commands::evidence::answer_evidence_request,
        commands::evidence::compare_evidence,
        commands::files::choose_fleet_file,
        commands::files::choose_signed_file,
        commands::files::choose_import_file,
        commands::files::choose_place,
        commands::files::save_text,
        commands::settings::settings,
        commands::settings::add_fleet,
        commands::settings::remove_fleet,
        commands::settings::preview_import,
        commands::settings::save_import,
        commands::settings::set_secret,
        commands::settings::delete_secret,
        commands::settings::set_quiet,
        commands::settings::start_demo,
        commands::window::painted,
        commands::window::visible,
        commands::window::quit,
    ]
}

async fn open(
    data_dir: Utf8PathBuf,
    fleet_file: Option<Utf8PathBuf>,
    evidence: Option<(Utf8PathBuf, Named)>,
) -> anyhow::Result<Console> {
    let told = |error: AppError| anyhow::anyhow!("{}; {}", error.message, error.hint);
    let app = App::open(AppOptions::window(data_dir).evaluating())
        .await
        .map_err(told)
        .context("opening the console's files")?;
    if let Some(file) = fleet_file {
        app.add_fleet(file.as_str()).await.map_err(told).context("opening the fleet file")?;
    }
    let console = Console::new(&app);
    if let Some((file, named)) = evidence {
        console.begin_with_evidence(&file, &named).await;
    }
    Ok(console)
}

/// Shows the one window, waits for the console's files, which were opened meanwhile, and begins to tell it what changes.
fn show(tauri: &tauri::App, opening: Opening) -> anyhow::Result<()> {
    let handle = tauri.handle().clone();
    let window = WebviewWindowBuilder::new(&handle, "main", WebviewUrl::default())
        .title("Plumbline")
        .inner_size(1280.0, 800.0)
        .min_inner_size(960.0, 600.0)
        .build()?;
    let dropped_on = handle.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::DragDrop(DragDropEvent::Drop { paths, .. }) = event {
            dropped(&dropped_on, paths);
        }
    });
    // The page's first question waits for the end of this.
    let console = tauri::async_runtime::block_on(opening)??;
    tauri.manage(console.live().clone());
    tauri.manage(console.clone());
    tauri::async_runtime::spawn(notify::show(console.live().clone(), handle.clone()));
    tauri::async_runtime::spawn(forward_topics(console, handle));
    Ok(())
}

/// A file that somebody drops onto the window is evidence that they want to see: the page asks for it by this path.
fn dropped(handle: &tauri::AppHandle, paths: &[std::path::PathBuf]) {
    if let [path, ..] = paths {
        let _ = handle.emit("dropped", path.display().to_string());
    }
}

/// Tells the page which of its views are out of date.
async fn forward_topics(console: Console, handle: tauri::AppHandle) {
    use tokio::sync::broadcast::error::RecvError;
    let mut heard = console.subscribe();
    loop {
        match heard.recv().await {
            Ok(topics) => {
                // A window that is closing no longer listens.
                let _ = handle.emit("topics", Arc::new(topics));
            }
            Err(RecvError::Lagged(_)) => {
                let _ = handle.emit("topics", console.front().every_topic());
            }
            Err(RecvError::Closed) => return,
        }
    }
}
