//! Files stay small enough to be read in one sitting.

use std::path::{Path, PathBuf};

use tidy_tests::{files, none, root, shown, source, text};

const RUST_LINES_MAX: usize = 600;
const COMPONENT_LINES_MAX: usize = 300;

#[test]
fn rust_files_have_at_most_600_lines_without_their_tests() {
    let mut too_long = Vec::new();
    for path in rust_sources().filter(|path| !is_test(path)) {
        let lines = source::without_tests(&source::code(&text(&path))).lines().count();
        if lines > RUST_LINES_MAX {
            too_long.push(format!("{}: {lines}", shown(&path)));
        }
    }
    none("split by subject, not by size", &too_long);
}

#[test]
fn components_have_at_most_300_lines() {
    let mut too_long = Vec::new();
    for path in files(&root().join("ui/src"), &[".svelte"]) {
        let lines = text(&path).lines().count();
        if lines > COMPONENT_LINES_MAX {
            too_long.push(format!("{}: {lines}", shown(&path)));
        }
    }
    none("split by what is optional, not by size", &too_long);
}

fn rust_sources() -> impl Iterator<Item = PathBuf> {
    let folders = ["src-tauri", "packaging", "tests"].map(|folder| root().join(folder));
    folders.into_iter().flat_map(|folder| files(&folder, &[".rs"]))
}

/// `foo/tests.rs`, and everything in a crate's `tests/` and `benches/`.
fn is_test(path: &Path) -> bool {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    // The first part of `tests/bench/src/lib.rs` is the folder of test crates, not a folder of tests.
    let mut folders = inside.iter().skip(1);
    inside.ends_with("tests.rs") || folders.any(|folder| folder == "tests" || folder == "benches")
}
