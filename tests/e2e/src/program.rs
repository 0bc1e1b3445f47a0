//! Programs under test, and child processes that end with their whole group.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// A program named by an environment variable, or as the release build leaves it.
pub fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map_or_else(
        || {
            let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
            PathBuf::from(target).join("release").join(name)
        },
        PathBuf::from,
    );
    ensure!(
        path.is_file(),
        "{} is missing: build it with `cargo xtask test`, or name it in {variable}",
        path.display()
    );
    path.canonicalize().with_context(|| format!("finding {}", path.display()))
}

/// A child in a process group of its own; dropping it ends the whole group.
#[derive(Debug)]
pub struct Group(Child);

impl Group {
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The standard library ends one process only; a driver that is ended alone leaves its window behind.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}
