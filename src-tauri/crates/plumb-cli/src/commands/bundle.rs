//! `bundle`: signed bundles offline; keys are PEM files.

pub(crate) mod build;
pub(crate) mod diff;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod sign;
pub(crate) mod verify;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
};

use plumb_app::error::chain;
use plumb_bundle::{Bundle, limits::BUNDLE_BYTES_MAX};

use crate::exit::Failure;

/// Reads a file of at most the size a bundle may have.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("{path} could not be read: {error}"), "give the path of a file")
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BUNDLE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() > BUNDLE_BYTES_MAX {
        let message = format!("{path} is larger than {BUNDLE_BYTES_MAX} bytes");
        return Err(Failure::usage(message, "a bundle this large is refused everywhere"));
    }
    Ok(bytes)
}

/// Reads a bundle of any format.
fn bundle(path: &str) -> Result<(Vec<u8>, Bundle), Failure> {
    let bytes = read(path)?;
    let bundle = Bundle::read(&bytes).map_err(|error| bad(path, &error))?;
    Ok((bytes, bundle))
}

fn bad(path: &str, error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("{path}: {}", chain(error)), "mend the file at that place")
}

/// Writes a file whole or not at all; nobody ever reads half of it.
pub(crate) fn write(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let target = Path::new(path);
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            readable_by_all(file.as_file())?;
            file.persist(target).map(drop).map_err(|error| error.error)
        });
    written.map_err(|error| {
        Failure::internal(format!("{path} could not be written: {error}"), "look at the folder")
    })
}

/// Temporary files are private; a bundle is not.
#[cfg(unix)]
fn readable_by_all(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Randomness of the cryptographic library.
fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the system has randomness");
}
