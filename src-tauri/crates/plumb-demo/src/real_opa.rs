//! A real Open Policy Agent, where the program is on `PATH`: it follows a signed bundle file.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use plumb_bundle::formats::{archive::Members, opa_archive};
use plumb_trust::{JwtAlgorithm, sign_opa_files};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    bundles::Files,
    keys::{fill, key},
};

/// Loading the program from a cold disk takes a second or two.
const READY_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The same revision as the captured one, so that both are one group.
const REVISION: &str = "rev-1";
const REGO: &str = "package authz\n\nimport rego.v1\n\ndefault allow := false\n\nallow if input.user == \"alice\"\n";

/// The program and where it answers; killed when dropped.
#[derive(Debug)]
pub(crate) struct RealOpa {
    pub(crate) url: String,
    process: Child,
}

/// The program, if there is one.
pub(crate) fn program() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join("opa")).find(|path| path.is_file())
}

/// Signs a bundle, writes a configuration and starts the program.
pub(crate) async fn start(program: &Path, files: &Files) -> Result<RealOpa> {
    let folder = files.folder.join("nodes/opa");
    fs::create_dir_all(&folder)?;
    let config = configure(files, &folder)?;
    let address = free_address().await?;
    let process = Command::new(program)
        .args(["run", "--server", "--log-level", "error", "--addr"])
        .arg(address.to_string())
        .arg("--config-file")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("opa cannot be started")?;
    let mut opa = RealOpa { url: format!("http://{address}"), process };
    opa.wait(address).await?;
    Ok(opa)
}

impl RealOpa {
    async fn wait(&mut self, address: SocketAddr) -> Result<()> {
        let latest = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("opa ended at once: {status}");
            }
            if Instant::now() > latest {
                bail!("opa does not listen after {READY_WITHIN:?}");
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

fn configure(files: &Files, folder: &Path) -> Result<PathBuf> {
    let signer = key(&files.folder.join("keys"), "opa")?;
    let manifest = json!({ "revision": REVISION, "roots": ["authz"] });
    let members = Members::from([
        (".manifest".to_owned(), manifest.to_string().into_bytes()),
        ("authz/authz.rego".to_owned(), REGO.as_bytes().to_vec()),
    ]);
    let members = sign_opa_files(&members, &signer, JwtAlgorithm::Rs256, "demo", None, &mut fill)?;
    let bundle = folder.join("authz.tar.gz");
    fs::write(&bundle, opa_archive::write(&members)?)?;
    let config = json!({
        "labels": { "app": "payments", "environment": "demo" },
        "keys": { "demo": { "algorithm": "RS256", "key": signer.public_pem()? } },
        "bundles": { "authz": {
            "resource": format!("file://{}", bundle.display()),
            "signing": { "keyid": "demo" },
            "polling": { "min_delay_seconds": 1, "max_delay_seconds": 2 },
        }},
        "status": { "console": true },
    });
    let path = folder.join("opa.json");
    fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
    Ok(path)
}

/// A port nobody listens on now; the program takes no listener from us.
async fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?)
}
