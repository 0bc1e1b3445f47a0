//! Files a person chose in the system's dialog: read under a limit, written whole or not at all.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::fleet::FLEET_FILE_BYTES_MAX;

use crate::{
    error::{AppError, Code, chain},
    views::settings::ChosenText,
};

/// The text of a chosen file, at most as large as a fleet file may be.
pub async fn read_chosen(path: Utf8PathBuf) -> Result<ChosenText, AppError> {
    let text = read_text(path.clone(), FLEET_FILE_BYTES_MAX).await?;
    let name = path.file_name().unwrap_or(path.as_str()).to_owned();
    Ok(ChosenText { name, text })
}

/// The text of a file of at most so many bytes.
pub(crate) async fn read_text(path: Utf8PathBuf, bytes_max: usize) -> Result<String, AppError> {
    tokio::task::spawn_blocking(move || read_under_limit(&path, bytes_max))
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
}

fn read_under_limit(path: &Utf8Path, bytes_max: usize) -> Result<String, AppError> {
    let unreadable = |error: std::io::Error| {
        AppError::new(
            Code::Invalid,
            format!("{path} could not be read: {error}"),
            "choose another file, or paste its text",
        )
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large.
    let limit = bytes_max as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        return Err(AppError::new(
            Code::Invalid,
            format!("{path} is larger than {bytes_max} bytes"),
            "take it in parts",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("{path} is not text in UTF-8: {}", error.utf8_error()),
            "save it as UTF-8 and choose it again",
        )
    })
}

/// Writes a file where a person chose; the dialog has asked before it named a file that is there.
pub async fn write_chosen(path: Utf8PathBuf, content: impl Into<Vec<u8>>) -> Result<(), AppError> {
    let (file, content) = (path.clone(), content.into());
    tokio::task::spawn_blocking(move || write_durably(&file, &content))
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
        .map_err(|error| not_written(&path, &error))
}

pub(crate) fn not_written(path: &Utf8Path, error: &std::io::Error) -> AppError {
    AppError::new(
        Code::Other,
        format!("{path} could not be written: {error}"),
        "look at the folder's rights and disk",
    )
}

/// Temporary file, fsync, rename, fsync of the folder: the old file or the new one, never a part.
pub(crate) fn write_durably(path: &Utf8Path, content: impl AsRef<[u8]>) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = written_durably(path)?;
    file.write_all(content.as_ref())?;
    file.finish()
}

/// The same for what is written bit by bit: nothing is at the path before [`WholeFile::finish`].
pub(crate) fn written_durably(path: &Utf8Path) -> std::io::Result<WholeFile> {
    // The parent of a bare name is empty, which is no folder that can be opened.
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
    let folder = folder.unwrap_or(Utf8Path::new(".")).to_owned();
    std::fs::create_dir_all(&folder)?;
    let fresh = std::io::BufWriter::new(tempfile::NamedTempFile::new_in(&folder)?);
    Ok(WholeFile { fresh, folder, path: path.to_owned() })
}

/// A file that is there when it is finished, and not before.
#[derive(Debug)]
pub(crate) struct WholeFile {
    fresh: std::io::BufWriter<tempfile::NamedTempFile>,
    folder: Utf8PathBuf,
    path: Utf8PathBuf,
}

impl WholeFile {
    pub(crate) fn finish(self) -> std::io::Result<()> {
        let file = self.fresh.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        std::fs::File::open(&self.folder)?.sync_all()
    }
}

impl std::io::Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.fresh.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.fresh.flush()
    }
}
