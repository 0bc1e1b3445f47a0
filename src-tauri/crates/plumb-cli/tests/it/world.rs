//! A demo fleet in this process, a data folder, and the built program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;
use plumb_demo::{DemoFleet, DemoOptions, RunningDemo};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::schema::{unnamed, violation};

/// What tests look for where no token may stand.
pub(crate) const CANARY: &str = "canary-token-7b1e55";

/// The built program with an environment of its own.
pub(crate) fn plumb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("USER", "avery").env("PLUMB_TOKEN", CANARY);
    command
}

/// A data folder, with a demo fleet or without one.
pub(crate) struct World {
    folder: TempDir,
    demo: Option<(RunningDemo, Runtime)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), demo: None }
    }

    /// The first so many nodes of the demo fleet, already on the list.
    pub(crate) fn demo(nodes: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let state = folder.path().join("demo");
        share_keys(&state);
        let runtime = Runtime::new().expect("a runtime");
        let mut options = DemoOptions::new(&state);
        options.nodes = nodes;
        let demo = runtime.block_on(DemoFleet::start(options)).expect("the demo starts");
        keep_keys(&state);
        let world = Self { folder, demo: Some((demo, runtime)) };
        let file = world.fleet_file().display().to_string();
        world.check(&format!("fleet add {file}"), 0);
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    }

    pub(crate) fn fleet_file(&self) -> PathBuf {
        self.demo.as_ref().expect("a demo runs").0.fleet_file.clone()
    }

    /// Stops every node; the fleet stays on the list.
    pub(crate) fn stop(&mut self) {
        if let Some((demo, runtime)) = self.demo.take() {
            runtime.block_on(demo.shutdown());
        }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = plumb();
        command.env("PLUMBLINE_DATA_DIR", self.path().join("data")).current_dir(self.path());
        command
    }

    /// Runs a command, expects its exit code, and that no token stands in what it says.
    #[track_caller]
    pub(crate) fn check(&self, words: &str, exit: i32) -> Said {
        self.check_command(self.command().args(words.split_whitespace()), words, exit)
    }

    #[track_caller]
    pub(crate) fn check_command(&self, command: &mut Command, words: &str, exit: i32) -> Said {
        let Output { status, stdout, stderr } = command.output().expect("the program starts");
        let said = Said {
            stdout: String::from_utf8(stdout).expect("UTF-8"),
            stderr: String::from_utf8(stderr).expect("UTF-8"),
        };
        assert_eq!(status.code(), Some(exit), "{words}\n{}\n{}", said.stdout, said.stderr);
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains(CANARY), "{words} prints a token:\n{text}");
            if let Some(token) = self.token() {
                assert!(!text.contains(&token), "{words} prints a token:\n{text}");
            }
        }
        said
    }

    /// Runs a command with `--json` and checks its one document against a published schema.
    #[track_caller]
    pub(crate) fn document(&self, words: &str, exit: i32, schema: &str) -> Value {
        let said = self.check(&format!("{words} --json"), exit);
        let document: Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{words}: {error}:\n{}\n{}", said.stdout, said.stderr));
        let (_, known) = plumb_cli::schemas()
            .into_iter()
            .find(|(name, _)| *name == schema)
            .unwrap_or_else(|| panic!("there is no schema {schema}"));
        let known = serde_json::to_value(known).expect("a schema serialises");
        assert_eq!(violation(&known, &document), None, "{words}");
        assert_eq!(unnamed(&known, &document), None, "{words}");
        document
    }

    fn token(&self) -> Option<String> {
        let fleet = fs::read_to_string(self.path().join("demo/fleet.toml")).ok()?;
        let path = fleet.split("[\"cat\", \"").nth(1)?.split('"').next()?;
        Some(fs::read_to_string(path).ok()?.trim().to_owned())
    }
}

/// Keys take seconds to make without optimisation, so tests of one machine share them.
fn shared() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo-keys")
}

fn share_keys(state: &Path) {
    copy(&shared(), &state.join("keys"));
}

fn keep_keys(state: &Path) {
    if !shared().exists() {
        let fresh = shared().with_extension(std::process::id().to_string());
        copy(&state.join("keys"), &fresh);
        // Another test may have been faster; its keys are as good.
        let _ = fs::rename(&fresh, shared());
    }
}

fn copy(from: &Path, to: &Path) {
    let Ok(files) = fs::read_dir(from) else { return };
    fs::create_dir_all(to).expect("writable");
    for file in files.flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("writable");
    }
}
