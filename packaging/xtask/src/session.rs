//! A desktop for programs that need one: an X server, a message bus and an unlocked keyring, all private and gone
//! afterwards.

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::cmd::Cmd;

/// Unlocks a fresh keyring and then becomes the command. The folders are the session's own: with the user's, a
/// running keyring would answer, and ask for its password in a dialog nobody sees.
const UNLOCK_THEN: &str = r#"printf test | XDG_DATA_HOME="$XDG_RUNTIME_DIR" gnome-keyring-daemon --unlock --components=secrets >/dev/null; exec "$@""#;

/// Keeps the session's folder until it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    runtime: TempDir,
}

impl Session {
    pub(crate) fn new() -> Result<Self> {
        // Only its owner may enter a temporary folder, which is what XDG_RUNTIME_DIR has to promise.
        let runtime = TempDir::with_prefix("plumbline-session-").context("a temporary folder")?;
        Ok(Self { runtime })
    }

    /// The command, made to run inside the session.
    pub(crate) fn within(&self, cmd: Cmd) -> Cmd {
        let bus = Cmd::new("dbus-run-session").args(["--", "sh", "-c", UNLOCK_THEN, "session"]);
        let screen = Cmd::new("xvfb-run")
            .args(["-a", "-s", "-screen 0 1920x1080x24 -nolisten tcp"])
            .env("XDG_RUNTIME_DIR", self.runtime.path())
            .env_remove("WAYLAND_DISPLAY");
        cmd.inside(bus.inside(screen))
    }
}
