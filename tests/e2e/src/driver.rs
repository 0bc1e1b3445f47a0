//! One `WebKitWebDriver` on a free port.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::ClientBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::program::Group;

/// How long the driver and the window may take to come up on a busy machine.
const START_MAX: Duration = Duration::from_mins(1);

/// A driver that ends, with its window, when dropped.
#[derive(Debug)]
pub struct Driver {
    process: Group,
    url: String,
}

impl Driver {
    /// Starts the driver; the window it opens later gets these environment variables.
    pub async fn start(environment: &[(&str, String)]) -> Result<Self> {
        // Asked of the system and given back at once: the driver takes no port of its own choice.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("WebKitWebDriver");
        command
            .arg(format!("--port={port}"))
            .arg("--host=127.0.0.1")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Group::spawn(&mut command).context("is webkit2gtk-driver installed?")?;
        let driver = Self { process, url: format!("http://127.0.0.1:{port}") };
        driver.wait(port).await?;
        Ok(driver)
    }

    /// Ends every process of this driver that runs a program, at once and without a word to it.
    pub fn kill(&mut self, binary: &Path) -> Result<()> {
        let group = self.process.child().id();
        let mut killed = 0;
        for process in std::fs::read_dir("/proc")? {
            let path = process?.path();
            // A process may end while it is looked at.
            let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
            // The name in brackets may hold anything; what follows does not.
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
            let of_group = fields.clone().nth(2).is_some_and(|one| one == group.to_string());
            let runs = std::fs::read_link(path.join("exe")).is_ok_and(|exe| exe == binary);
            if of_group
                && runs
                && let Some(id) = path.file_name()
            {
                killed += u32::from(Command::new("kill").arg("-KILL").arg(id).status()?.success());
            }
        }
        ensure!(killed > 0, "no process of the driver runs {}", binary.display());
        Ok(())
    }

    async fn wait(&self, port: u16) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the driver does not listen")
    }

    /// Opens a window of a program.
    pub async fn open(&self, binary: &str, arguments: &[String]) -> Result<fantoccini::Client> {
        let options = json!({ "binary": binary, "args": arguments });
        let Value::Object(capabilities) = json!({ "webkitgtk:browserOptions": options }) else {
            unreachable!("an object was written")
        };
        let opening = async {
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&self.url)
                .await
        };
        tokio::time::timeout(START_MAX, opening)
            .await
            .context("the window did not open in time")?
            .context("opening the window")
    }
}
