//! The system's file dialog, asked from this side only: the page has no permission for it.

use camino::Utf8PathBuf;
use plumb_app::error::{AppError, Code};
use tauri::{AppHandle, Manager as _};
use tauri_plugin_dialog::{DialogExt as _, FilePath};
use tokio::sync::oneshot;

/// What a person is asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    FleetFile,
    Evidence,
    /// A list of nodes to import.
    Nodes,
    /// A request, an answer or a key.
    Signed {
        what: String,
    },
    /// A place for a new file, with the name that is proposed.
    Place {
        name: String,
    },
}

/// The chosen path, or nothing when the dialog was closed without one.
pub(crate) async fn file(
    handle: &AppHandle,
    asked: Asked,
) -> Result<Option<Utf8PathBuf>, AppError> {
    let mut builder = handle.dialog().file();
    if let Some(window) = handle.get_webview_window("main") {
        builder = builder.set_parent(&window);
    }
    let (told, heard) = oneshot::channel();
    // The dialog outlives a window that is closed under it; then nobody listens any more.
    let tell = move |chosen: Option<FilePath>| drop(told.send(chosen));
    match asked {
        Asked::FleetFile => builder
            .set_title("Add a fleet file")
            .add_filter("Fleet files", &["toml"])
            .add_filter("All files", &["*"])
            .pick_file(tell),
        Asked::Evidence => builder
            .set_title("Open evidence")
            .add_filter("Sealed evidence", &["zip"])
            .add_filter("All files", &["*"])
            .pick_file(tell),
        Asked::Nodes => builder
            .set_title("Import nodes")
            .add_filter("Node lists", &["json", "csv", "toml", "txt"])
            .add_filter("All files", &["*"])
            .pick_file(tell),
        Asked::Signed { what } => builder
            .set_title(what)
            .add_filter("Signed files and keys", &["json", "pem", "p8", "key"])
            .add_filter("All files", &["*"])
            .pick_file(tell),
        Asked::Place { name } => {
            builder.set_title("Save as").set_file_name(name).save_file(tell);
        }
    }
    let unusable = |message: String| {
        AppError::new(Code::Other, message, "type the path instead of choosing the file")
    };
    let chosen = heard
        .await
        .map_err(|_| unusable("the system's file dialog could not be shown".to_owned()))?;
    chosen
        .map(|chosen| {
            let path = chosen.into_path().map_err(|error| unusable(error.to_string()))?;
            Utf8PathBuf::from_path_buf(path)
                .map_err(|path| unusable(format!("{} is not UTF-8", path.display())))
        })
        .transpose()
}
