//! A real Open Policy Agent, the peer of decisions and of new packs, where the program is on `PATH`.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

/// Loading the program from a cold disk takes a second or two.
const READY_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The program, or nothing; then it is said which figures are missing.
pub(crate) fn program(missing: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join("opa"));
    let program = found.into_iter().find(|file| file.is_file());
    if program.is_none() {
        eprintln!("OPA IS NOT ON PATH: {missing}");
    }
    program
}

/// A server that answers, and ends when it is dropped.
#[derive(Debug)]
pub(super) struct Opa {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Opa {
    /// One that decides by the files of a folder.
    pub(super) fn over(program: &Path, folder: &Path) -> Result<Self> {
        let address = free_address()?;
        Self::start(Command::new(program).args(server(address)).arg(folder), address)
    }

    /// One at this address that downloads a pack from the agent beside it.
    pub(super) fn beside(
        program: &Path,
        folder: &Path,
        address: SocketAddr,
        from: SocketAddr,
        pack: &str,
    ) -> Result<Self> {
        let polling = json!({
            "min_delay_seconds": 1, "max_delay_seconds": 2, "long_polling_timeout_seconds": 30,
        });
        let bundle = json!({
            "service": "plumb", "resource": format!("bundles/{pack}"), "polling": polling,
        });
        let config = json!({
            "services": { "plumb": { "url": format!("http://{from}") } },
            "bundles": { pack: bundle },
            "status": { "prometheus": true },
        });
        let file = folder.join("opa.json");
        fs::write(&file, config.to_string()).context("OPA's configuration")?;
        let mut command = Command::new(program);
        Self::start(command.args(server(address)).arg("--config-file").arg(file), address)
    }

    fn start(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = quiet.spawn().context("opa cannot be started")?;
        let mut opa = Self { process, address };
        let latest = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = opa.process.try_wait()? {
                bail!("opa ended at once: {status}");
            }
            if Instant::now() > latest {
                bail!("opa does not listen after {READY_WITHIN:?}");
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(opa)
    }
}

impl Drop for Opa {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server(address: SocketAddr) -> [String; 6] {
    let addr = address.to_string();
    ["run", "--server", "--log-level", "error", "--addr", &addr].map(str::to_owned)
}

/// A port nobody listens on now; the program takes no listener from us.
pub(super) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    listener.local_addr().context("a free port")
}
