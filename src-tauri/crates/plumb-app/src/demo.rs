//! The demo fleet as a program of its own beside this one.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    app::App,
    error::{AppError, Code},
    views::shell::ShellView,
};

/// Starting twelve nodes takes a second; keys are made at the first start only.
const START_MAX: Duration = Duration::from_secs(30);

/// The line `plumb demo --json` prints once its fleet is up.
#[derive(Debug, Deserialize)]
struct Started {
    fleet_file: String,
}

/// The `plumb` program beside this one, where there is one.
pub(crate) fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let name = if cfg!(windows) { "plumb.exe" } else { "plumb" };
    Some(own.parent()?.join(name)).filter(|path| path.is_file())
}

impl App {
    /// Starts the demo fleet as a child process, which ends with this one, and opens it.
    pub async fn start_demo(&self) -> Result<ShellView, AppError> {
        self.only_live()?;
        let failed = |message: String| {
            AppError::new(
                Code::Other,
                message,
                "start `plumb demo` in a terminal and add the fleet file it names",
            )
        };
        let mut running = self.0.demo.lock().await;
        let program = program()
            .ok_or_else(|| failed("the program plumb is not beside this one".to_owned()))?;
        let mut child = Command::new(program)
            .args(["demo", "--json", "--state-dir"])
            .arg(self.0.options.data_dir.join("demo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("the demo did not start: {error}")))?;
        let stdout =
            child.stdout.take().ok_or_else(|| failed("the demo has no output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START_MAX, lines.next_line())
            .await
            .map_err(|_| failed(format!("the demo was not up within {} s", START_MAX.as_secs())))?
            .map_err(|error| failed(format!("the demo could not be heard: {error}")))?
            .ok_or_else(|| failed("the demo ended before it was up".to_owned()))?;
        let started: Started = serde_json::from_str(&line)
            .map_err(|error| failed(format!("the demo said something odd: {error}")))?;
        *running = Some(child);
        drop(running);
        self.add_fleet(&started.fleet_file).await
    }
}
