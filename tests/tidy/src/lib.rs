//! What the tidy tests share: the workspace as cargo sees it, its files, and Rust source reduced to code.

pub mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Crates that do no I/O; each carries the `clippy.toml` that keeps it so.
pub const PURE: [&str; 10] = [
    "plumb-fleet",
    "plumb-alert",
    "plumb-bundle",
    "plumb-trust",
    "plumb-decide",
    "plumb-runbook",
    "plumb-journal",
    "plumb-redact",
    "plumb-charts",
    "plumb-wire",
];

/// The top of the workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("tidy lies two folders below the root").to_owned()
}

/// The workspace's own crates; their dependencies by name, unresolved.
pub fn workspace() -> Metadata {
    let mut command = MetadataCommand::new();
    command.current_dir(root()).no_deps();
    command.exec().expect("cargo reads its own workspace")
}

/// The folder of a crate.
pub fn folder(package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_std_path();
    manifest.parent().expect("a manifest lies in a folder").to_owned()
}

/// Whether a crate only exists to test others, and so may use whatever it likes.
pub fn is_test_crate(package: &Package) -> bool {
    folder(package).starts_with(root().join("tests"))
}

/// Every file below a folder with one of the endings, in order, without what tools put there.
pub fn files(below: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.expect("a folder of ours can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !["target", "node_modules", "dist", ".git"].contains(&name) {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A path as people write it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Fails with every offence at once, so that one run is enough.
#[track_caller]
pub fn none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}\n  {}", offences.join("\n  "));
}
