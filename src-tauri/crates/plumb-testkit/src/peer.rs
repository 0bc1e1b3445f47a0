//! A verifier of envelopes that shares nothing with ours: Debian's `python3-cryptography`.

use std::{fs, process::Command};

/// Debian's own: another Python on the way may lack the package.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verify_dsse.py");

/// The statement of an envelope that this key signed, or why Python refuses it.
///
/// # Panics
/// When the machine lacks the package: a check that is not made must be heard.
pub fn verify_dsse(envelope: &[u8], public_pem: &str) -> Result<String, String> {
    let there = Command::new(PYTHON).args(["-c", "import cryptography"]).output();
    assert!(
        there.is_ok_and(|output| output.status.success()),
        "{PYTHON} has no module cryptography: this check needs Debian's python3-cryptography; \
         run `cargo xtask setup`"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, key) = (folder.path().join("envelope.json"), folder.path().join("key.pem"));
    fs::write(&file, envelope).expect("a folder of ours");
    fs::write(&key, public_pem).expect("a folder of ours");
    let output = Command::new(PYTHON).arg(SCRIPT).arg(file).arg(key).output();
    let output = output.expect("Python started a moment ago");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
