//! The hub of the demo: one team on loopback, with a token for each kind of caller.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use plumb_hub::{RoleMatrix, TeamHub, TeamOptions, admin, serve_team, wire::NewIdentity};

/// Who calls a hub; each gets a token.
const ROLES: [&str; 4] = ["admin", "agent_oncall", "agent_monitor", "agent_node"];
/// Longer than any demo.
const EXPIRES_AFTER_S: u64 = 30 * 86_400;

/// A hub that answers, and where the tokens stand.
#[derive(Debug)]
pub struct DemoHub {
    hub: TeamHub,
    folder: PathBuf,
}

impl DemoHub {
    pub(crate) async fn start(state: &Path) -> Result<Self> {
        let folder = state.join("hub");
        fs::create_dir_all(&folder).context("the hub's folder cannot be made")?;
        let now = Timestamp::now();
        for role in ROLES {
            let wanted = NewIdentity {
                name: format!("{role} of the demo"),
                role: role.to_owned(),
                expires_after_s: EXPIRES_AFTER_S,
                certificate: None,
                node: None,
            };
            let roles = RoleMatrix::default();
            let made = admin::create_identity(&folder, &roles, &wanted, "demo", now).await;
            let made = made.context("a token of the hub")?;
            let token = made.token.context("a new identity comes with its token")?;
            write_secret(&folder.join(format!("{role}.token")), &token)
                .context("a token of the hub")?;
        }
        let hub = serve_team(TeamOptions::new(&folder)).await.context("the hub")?;
        Ok(Self { hub, folder })
    }

    pub fn url(&self) -> String {
        self.hub.url()
    }

    /// File with the token of somebody who may work on alerts and incidents.
    pub fn oncall_token(&self) -> PathBuf {
        self.folder.join("agent_oncall.token")
    }

    /// File with the token of a monitor, which may tell alerts.
    pub fn monitor_token(&self) -> PathBuf {
        self.folder.join("agent_monitor.token")
    }

    pub(crate) async fn shutdown(self) {
        self.hub.shutdown().await;
    }
}

/// Writes what only its owner may read.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
