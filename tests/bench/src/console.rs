//! The console without a window, on a folder of its own.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8Path;
use plumb_app::{App, AppOptions, KeyPlace, Passphrase, error::AppError};

/// Opens the console on a folder.
pub(crate) async fn open(folder: &Path) -> Result<App> {
    let folder = utf8(folder)?;
    // A throw-away key: nobody is asked for a password while times are taken.
    let keys = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys");
    let console_key = KeyPlace::File {
        path: keys.join("ed25519.key"),
        passphrase: Passphrase::new(|| Ok("correct horse battery".into())),
    };
    let options = AppOptions { console_key, ..AppOptions::command(folder.to_owned()) };
    App::open(options).await.map_err(told)
}

/// A path as the console takes it.
pub(crate) fn utf8(path: &Path) -> Result<&Utf8Path> {
    Utf8Path::from_path(path).context("a path is not UTF-8")
}

/// Opens the console on a folder and puts a fleet on its list.
pub(crate) async fn open_with(folder: &Path, fleet_file: &Path) -> Result<App> {
    let file = fleet_file.to_str().context("the fleet file's path is not UTF-8")?;
    let app = open(folder).await?;
    app.add_fleet(file).await.map_err(told)?;
    Ok(app)
}

/// What went wrong and what to do, as a person reads it.
pub(crate) fn told(error: AppError) -> anyhow::Error {
    let hint = error.hint.clone();
    anyhow!(error).context(hint)
}
