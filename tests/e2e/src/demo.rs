//! The demo fleet as a program of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::program::{Group, program};

/// The demo's job without a window: a rollout from drift to a certificate, which ends with sealed evidence. The public key
/// of whoever sealed it is beside it.
pub fn sealed_job(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let archive = folder.join("job.zip");
    let mut command = Command::new(program("PLUMB_BIN", "plumb")?);
    command.args(["demo", "--headless", "--nodes", "3", "--evidence"]).arg(&archive);
    command.arg("--state-dir").arg(folder.join("demo")).stdout(Stdio::null());
    ensure!(command.status()?.success(), "the demo's job did not come to its end");
    let key = folder.join("job.zip.pem");
    Ok((archive, key))
}

/// A running demo fleet; ends when dropped.
#[derive(Debug)]
pub struct Demo {
    _process: Group,
    pub fleet_file: PathBuf,
    /// What the demo offers to try approvals with, as it tells it.
    approvals: Value,
    hub: Value,
    urls: Vec<String>,
}

impl Demo {
    /// Starts `plumb demo` with its state below a folder and waits until its nodes listen.
    pub fn start(state: &Path) -> Result<Self> {
        Self::begin(state, &[])
    }

    /// The same with the first so many of its nodes; five or fewer are all alive.
    pub fn start_with(state: &Path, nodes: u32) -> Result<Self> {
        Self::begin(state, &["--nodes", &nodes.to_string()])
    }

    fn begin(state: &Path, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(program("PLUMB_BIN", "plumb")?);
        command
            .args(["demo", "--json", "--state-dir"])
            .arg(state)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Group::spawn(&mut command)?;
        let stdout = process.child().stdout.take().context("the demo has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("hearing from the demo")?;
        let started: Value =
            serde_json::from_str(&line).with_context(|| format!("reading {line:?}"))?;
        let file = started["fleet_file"].as_str().context("the demo names its fleet file")?;
        let urls = started["urls"].as_array().context("the demo names its nodes")?;
        let urls = urls.iter().filter_map(|url| url.as_str().map(str::to_owned)).collect();
        let (approvals, hub) = (started["approvals"].clone(), started["hub"].clone());
        Ok(Self { _process: process, fleet_file: file.into(), approvals, hub, urls })
    }

    /// Base URLs of its nodes.
    pub fn urls(&self) -> Vec<&str> {
        self.urls.iter().map(String::as_str).collect()
    }

    /// Base URL of its hub.
    pub fn hub(&self) -> Result<&str> {
        self.hub["url"].as_str().context("the demo names its hub")
    }

    /// File with the token of a monitor.
    pub fn monitor_token(&self) -> Result<PathBuf> {
        self.token("monitor_token_file")
    }

    /// The fleet file of somebody on call, which names the hub.
    pub fn fleet_file_with_hub(&self) -> Result<PathBuf> {
        let token = self.token("oncall_token_file")?.display().to_string();
        let hub = format!(
            "\n[hub]\nurl = {:?}\ncredential = {{ command = [\"cat\", {token:?}] }}\n",
            self.hub()?
        );
        let text = fs::read_to_string(&self.fleet_file).context("reading the fleet file")?;
        let file = self.fleet_file.with_file_name("with-hub.toml");
        fs::write(&file, text + &hub).context("writing the fleet file")?;
        Ok(file)
    }

    fn token(&self, which: &str) -> Result<PathBuf> {
        Ok(self.hub[which].as_str().context("the demo names its tokens")?.into())
    }

    /// The fleet whose changes others must approve.
    pub fn approved_fleet(&self) -> Result<&str> {
        self.approvals["fleet"].as_str().context("the demo names the fleet with a roster")
    }

    /// The passphrase of every key file.
    pub fn passphrase(&self) -> Result<&str> {
        self.approvals["passphrase"].as_str().context("the demo tells the passphrase")
    }

    /// The profile and the key file of somebody who asks or approves.
    pub fn person(&self, id: &str) -> Result<(PathBuf, PathBuf)> {
        let people = self.approvals["people"].as_array().context("the demo names people")?;
        let person = people.iter().find(|one| one["id"] == id).with_context(|| id.to_owned())?;
        let path = |key: &str| person[key].as_str().map(PathBuf::from).context("a path");
        Ok((path("data_dir")?, path("key")?))
    }
}
