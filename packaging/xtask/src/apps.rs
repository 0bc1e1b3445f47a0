//! The release builds people get: one package set and one feature set everywhere, because another set resolves
//! features anew and rebuilds tauri (1 to 3.5 minutes).

use std::{
    env::consts::EXE_SUFFIX,
    path::{Path, PathBuf},
};

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

/// Where the release build leaves both programs.
pub(crate) fn folder() -> PathBuf {
    TARGET.join("release")
}

pub(crate) fn plumb() -> PathBuf {
    folder().join(named("plumb"))
}

pub(crate) fn plumbline() -> PathBuf {
    folder().join(named("plumbline"))
}

fn named(program: &str) -> String {
    format!("{program}{EXE_SUFFIX}")
}

/// Page and programs, with everything the builds say on standard error.
pub(crate) fn build() -> Result<()> {
    page().stdout_to_stderr().run()?;
    release().stdout_to_stderr().run()
}

/// Tells a driver of the window which programs to drive: those of a folder.
pub(crate) fn driven(cmd: Cmd, folder: &Path) -> Cmd {
    let program = |name: &str| folder.join(named(name));
    cmd.env("PLUMB_BIN", program("plumb")).env("PLUMBLINE_BIN", program("plumbline"))
}
