//! A real Prometheus on loopback, which scrapes what it is told to.

use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Where it writes down what it was asked, if its configuration says so.
const QUERIES: &str = "queries.log";

/// One at work; it ends when dropped.
#[derive(Debug)]
pub struct Prometheus {
    program: Child,
    address: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts the program with this configuration, which it reads from the folder, and keeps its data there.
    pub fn start(program: Command, folder: &Path, config: &Value) -> io::Result<Self> {
        let address = free_address()?;
        let mut config = config.clone();
        config["global"]["query_log_file"] = QUERIES.into();
        // JSON is YAML.
        fs::write(folder.join("prometheus.yml"), config.to_string())?;
        let mut command = program;
        command
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stdout(Stdio::null());
        Ok(Self { program: command.spawn()?, address, folder: folder.to_owned() })
    }

    /// `127.0.0.1` and its port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How often it was asked this, as it wrote that down itself.
    pub fn was_asked(&self, query: &str) -> usize {
        let log = fs::read_to_string(self.folder.join(QUERIES)).unwrap_or_default();
        let is_it = |line: &&str| {
            // The last line may be half written.
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["params"]["query"] == query
        };
        log.lines().filter(is_it).count()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// An address on loopback that nobody listened at a moment ago.
pub(crate) fn free_address() -> io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
