//! The release builds people get: one package set and one feature set everywhere, because another set resolves
//! features anew and rebuilds tauri (1 to 3.5 minutes).

use std::path::PathBuf;

use anyhow::Result;

use crate::cmd::{Cmd, TARGET, cargo, npm};

/// Builds the page that the window embeds.
pub(crate) fn page() -> Cmd {
    npm().args(["run", "build"])
}

/// Builds `plumb` and `plumbline`.
pub(crate) fn release() -> Cmd {
    cargo().args([
        "build",
        "--release",
        "-p",
        "plumb-cli",
        "-p",
        "plumb-desktop",
        "--features",
        "plumb-desktop/custom-protocol",
    ])
}

pub(crate) fn plumb() -> PathBuf {
    TARGET.join("release").join(format!("plumb{}", std::env::consts::EXE_SUFFIX))
}

pub(crate) fn plumbline() -> PathBuf {
    TARGET.join("release").join(format!("plumbline{}", std::env::consts::EXE_SUFFIX))
}

/// Page and programs, with everything the builds say on standard error.
pub(crate) fn build() -> Result<()> {
    page().stdout_to_stderr().run()?;
    release().stdout_to_stderr().run()
}

/// Tells a driver of the window which programs to drive.
pub(crate) fn driven(cmd: Cmd) -> Cmd {
    cmd.env("PLUMB_BIN", plumb()).env("PLUMBLINE_BIN", plumbline())
}
