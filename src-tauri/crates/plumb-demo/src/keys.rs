//! Throw-away keys, made once per state folder.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use plumb_trust::SigningKey;

/// Smallest accepted size; making a larger one would delay the first start.
const KEY_BITS: usize = 2048;

/// The key of this name, made if there is none yet. Its public half lies beside it.
pub(crate) fn key(folder: &Path, name: &str) -> Result<SigningKey> {
    let private = folder.join(format!("{name}.private.pem"));
    let key = match fs::read_to_string(&private) {
        Ok(pem) => SigningKey::from_pem(&pem)
            .with_context(|| format!("{} is no key; remove it", private.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::generate_rsa(KEY_BITS, &mut fill)?;
            write_secret(&private, &key.to_pem()?).context("a key cannot be kept")?;
            key
        }
        Err(error) => return Err(error).context("a key cannot be read"),
    };
    fs::write(folder.join(format!("{name}.pem")), key.public_pem()?)?;
    Ok(key)
}

/// A fresh bearer token for every start.
pub(crate) fn token() -> String {
    let mut bytes = [0; 24];
    fill(&mut bytes);
    hex::encode(bytes)
}

/// Writes a file only its owner can read.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(fresh, path)
}

pub(crate) fn fill(bytes: &mut [u8]) {
    rand::fill(bytes);
}
