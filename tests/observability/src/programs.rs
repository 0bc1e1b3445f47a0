//! Programs of others that read our files, and what is said where they are missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The folder `packaging` of the tree.
pub fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A YAML document as JSON; duplicate keys and anchors without an end are errors.
#[track_caller]
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A call of a program, or nothing where it is not installed. Then it is said loudly; `cargo xtask
/// setup` installs it and `cargo xtask test` lists what was not checked.
pub fn program(name: &str) -> Option<Command> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).any(|folder| folder.join(name).is_file());
    if !found {
        eprintln!("!!!! NOT CHECKED: {name} is not on PATH; install it with `cargo xtask setup`");
        return None;
    }
    Some(Command::new(name))
}

/// Runs to the end; gives back whether it succeeded, and everything it said.
pub fn outcome(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let said = [stdout, stderr].concat();
    (status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
pub fn succeeds(command: &mut Command) -> String {
    let (succeeded, said) = outcome(command);
    assert!(succeeded, "{command:?}\n{said}");
    said
}
