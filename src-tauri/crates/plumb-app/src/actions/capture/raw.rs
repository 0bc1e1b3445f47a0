//! What nodes answered word for word: kept apart from the archive, encrypted, for those who have the passphrase.

use std::{
    fs::File,
    io::{self, BufReader, Write},
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_evidence::{
    diff::evidence,
    raw::{Ended, RawError, RawWriter, file_digest, read_file},
};
use plumb_trust::locked::{lock, stream::StreamKey};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    console_key::write_private,
    error::{AppError, Code, chain},
    queries::evidence::{blocking, open},
};

/// A file of raw answers that is being written.
#[derive(Debug)]
pub(super) struct RawFile {
    path: Utf8PathBuf,
    writer: RawWriter<io::BufWriter<File>>,
}

impl RawFile {
    /// Begins a file that is not there yet, under a passphrase.
    pub(super) fn begin(path: &Utf8Path, passphrase: &SecretString) -> Result<Self, AppError> {
        let mut fill = |bytes: &mut [u8]| rand::fill(bytes);
        let key = StreamKey::generate(&mut fill);
        let locked =
            lock(key.as_bytes(), passphrase.expose_secret(), &mut fill).map_err(|error| {
                AppError::new(Code::Invalid, chain(&error), "choose a longer passphrase")
            })?;
        let made = write_private(path, "").and_then(|()| File::options().append(true).open(path));
        let file = made.map_err(|error| {
            let message = format!("{path} could not be made: {error}");
            AppError::new(Code::Invalid, message, "name a file that is not there yet")
        })?;
        let writer = RawWriter::begin_file(io::BufWriter::new(file), &key, &locked)
            .map_err(|error| unwritten(path, &error))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Adds an answer, a JSON document of one line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), RawError> {
        self.writer.add(line)?;
        self.writer.add(b"\n")
    }

    /// Ends the file, and tells where it is.
    pub(super) fn finish(self) -> Result<Utf8PathBuf, AppError> {
        let Self { path, writer } = self;
        let done = writer.finish().and_then(|file| Ok(file.get_ref().sync_all()?));
        done.map_err(|error| unwritten(&path, &error))?;
        Ok(path)
    }
}

pub(super) fn unwritten(path: &Utf8Path, error: &RawError) -> AppError {
    AppError::new(
        Code::Other,
        format!("{path}: {}", chain(error)),
        "look at the disk and its rights",
    )
}

/// Writes the answers in a file of raw ones, a JSON document a line. With an archive the file has to be the one that
/// its manifest names.
pub async fn raw_answers(
    path: &Utf8Path,
    passphrase: &SecretString,
    of: Option<&Utf8Path>,
    mut out: impl Write + Send + 'static,
) -> Result<(), AppError> {
    let (path, passphrase) = (path.to_owned(), passphrase.clone());
    let of = of.map(Utf8Path::to_owned);
    blocking(move || {
        let wrong = |problem: String| {
            let hint = "give the file that `--raw` wrote, and its passphrase";
            AppError::new(Code::Invalid, format!("{path}: {problem}"), hint)
        };
        if let Some(archive) = of {
            named(&path, &archive)?;
        }
        let file = File::open(&path).map_err(|error| wrong(error.to_string()))?;
        let read = read_file(BufReader::new(file), passphrase.expose_secret(), |piece| {
            out.write_all(piece)
        });
        match read.map_err(|error| wrong(chain(&error)))? {
            Ended::Whole => out.flush().map_err(|error| wrong(error.to_string())),
            Ended::CutOff => {
                Err(wrong("it is cut off: the answers up to there were written".to_owned()))
            }
        }
    })
    .await
}

/// Whether the manifest of an archive names this file.
fn named(path: &Utf8Path, archive: &Utf8Path) -> Result<(), AppError> {
    let wrong = |problem: String| {
        let hint = "give the file and the archive of one capture";
        AppError::new(Code::Invalid, format!("{path}: {problem}"), hint)
    };
    let about = evidence(&open(archive)?).map_err(|error| wrong(chain(&error)))?;
    let named =
        about.raw.ok_or_else(|| wrong(format!("{archive} names no file of raw answers")))?;
    if file_digest(path).map_err(|error| wrong(error.to_string()))? != named {
        return Err(wrong(format!("{archive} names another file, or it was altered")));
    }
    Ok(())
}
