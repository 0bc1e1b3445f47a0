//! Where the console keeps its files.

use camino::Utf8PathBuf;

/// No folder for data can be found.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("this system names no folder for a program's data; give one with --data-dir")]
    NoFolder,
    #[error("the folder for data is not UTF-8: {path}")]
    NotUtf8 { path: String },
}

/// The system's folder for this program's data, for example `~/.local/share/plumbline`.
pub fn data_dir() -> Result<Utf8PathBuf, PathError> {
    let folder = dirs::data_dir().ok_or(PathError::NoFolder)?;
    Utf8PathBuf::from_path_buf(folder)
        .map(|folder| folder.join("plumbline"))
        .map_err(|path| PathError::NotUtf8 { path: path.display().to_string() })
}

/// The folder of whoever runs this, where it is known.
pub(crate) fn home() -> Option<Utf8PathBuf> {
    dirs::home_dir().and_then(|folder| Utf8PathBuf::from_path_buf(folder).ok())
}
