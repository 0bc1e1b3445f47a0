//! `screenshots`: pictures of every screen, in `screenshots` below cargo's target folder.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    apps,
    cmd::{TARGET, cargo},
    session::Session,
    setup::{self, Purpose},
};

pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(Purpose::Test)?;
    apps::build()?;
    let folder = TARGET.join("screenshots");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let camera = cargo().args(["run", "-p", "e2e-tests", "--bin", "screenshots"]);
    let camera = apps::driven(camera, &apps::folder()).env("PLUMB_SCREENSHOTS", &folder);
    let session = Session::new()?;
    session.within(camera).run()?;
    eprintln!("pictures are in {}", folder.display());
    Ok(ExitCode::SUCCESS)
}
