//! Running other programs: from the workspace root, with a clean environment, named in every error.

use std::{
    env,
    ffi::OsStr,
    fmt, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::LazyLock,
};

use anyhow::{Context, Result, bail};

/// The top of the workspace. Read when running, so that no machine's path ends up in the binary.
pub(crate) static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("started as `cargo xtask`");
    let root = Path::new(&manifest).ancestors().nth(2);
    root.expect("xtask lies two folders below the root").to_owned()
});

/// Where cargo puts what it builds: this very program lies in `<target>/debug/`, whatever sets the folder.
pub(crate) static TARGET: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = env::current_exe().expect("the system knows what it started");
    own.ancestors().nth(2).expect("xtask lies in <target>/debug").to_owned()
});

/// One call of a program.
pub(crate) struct Cmd {
    shown: Vec<String>,
    inner: Command,
}

/// A call of the cargo that started us.
pub(crate) fn cargo() -> Cmd {
    let mut cmd = Cmd::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    "cargo".clone_into(&mut cmd.shown[0]);
    cmd
}

/// A call of npm in `ui`. Chromium comes from the system, so no package may fetch a browser of its own.
pub(crate) fn npm() -> Cmd {
    Cmd::new("npm").dir(&ROOT.join("ui")).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut inner = Command::new(program);
        inner.current_dir(&*ROOT);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(set_by_cargo_run) {
                inner.env_remove(name);
            }
        }
        Self { shown: vec![program.to_string_lossy().into_owned()], inner }
    }

    pub(crate) fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        for arg in args {
            self.shown.push(arg.as_ref().to_string_lossy().into_owned());
            self.inner.arg(arg);
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.inner.current_dir(dir);
        self
    }

    /// Standard output goes where standard error goes, for calls whose output is not the product's.
    pub(crate) fn stdout_to_stderr(mut self) -> Self {
        self.inner.stdout(Stdio::from(io::stderr()));
        self
    }

    /// This call made inside another one: `wrapper... program args...`.
    pub(crate) fn inside(self, wrapper: Self) -> Self {
        let mut outer = wrapper.args([self.inner.get_program()]).args(self.inner.get_args());
        if let Some(dir) = self.inner.get_current_dir() {
            outer.inner.current_dir(dir);
        }
        for (name, value) in self.inner.get_envs() {
            match value {
                Some(value) => outer.inner.env(name, value),
                None => outer.inner.env_remove(name),
            };
        }
        outer
    }

    /// Runs to the end and hands back how it ended; an error only when it could not be started.
    pub(crate) fn status(mut self) -> Result<ExitStatus> {
        self.inner.status().with_context(|| format!("`{self}` does not start"))
    }

    /// Runs to the end and expects success.
    pub(crate) fn run(self) -> Result<()> {
        let shown = self.to_string();
        let status = self.status()?;
        if !status.success() {
            bail!("`{shown}` ended with {status}");
        }
        Ok(())
    }

    /// Whether the call can be made and succeeds; nothing of it is shown.
    pub(crate) fn succeeds(mut self) -> bool {
        let quiet = self.inner.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    /// What the call wrote, both streams, and whether it succeeded.
    pub(crate) fn captured(mut self) -> Result<(bool, String)> {
        let output = self.inner.output().with_context(|| format!("`{self}` does not start"))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), text))
    }

    /// What the call wrote to standard output; what it says on standard error is shown.
    pub(crate) fn output(mut self) -> Result<Vec<u8>> {
        let ended = self.inner.stderr(Stdio::inherit()).output();
        let ended = ended.with_context(|| format!("`{self}` does not start"))?;
        if !ended.status.success() {
            bail!("`{self}` ended with {}", ended.status);
        }
        Ok(ended.stdout)
    }

    pub(crate) fn spawn(mut self) -> Result<Child> {
        self.inner.spawn().with_context(|| format!("`{self}` does not start"))
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(" "))
    }
}

/// What `cargo run` adds for us and build scripts listen to: passed on, it would rebuild half the tree at each change
/// between `cargo` and `cargo xtask`.
fn set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "LD_LIBRARY_PATH"].contains(&name)
}

/// Whether a program of that name is on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
