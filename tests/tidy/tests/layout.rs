//! The shape of the tree: what lies at the top, what each crate declares, and that the map shows every crate.

use std::fs;

use tidy_tests::{files, folder, none, root, shown, text, workspace};
use toml::{Table, Value};

const TOP: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "src-tauri",
    "ui",
    "assets",
    "tests",
    "packaging",
];

#[test]
fn the_top_level_stays_as_designed() {
    let mut strangers = Vec::new();
    for entry in fs::read_dir(root()).expect("the root can be read") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        // Settings of tools are dotfiles; cargo builds into `target` unless told otherwise.
        if !TOP.contains(&name.as_str()) && !name.starts_with('.') && name != "target" {
            strangers.push(name);
        }
    }
    let missing = TOP.iter().filter(|name| !root().join(name).exists());
    strangers.extend(missing.map(|name| format!("{name} is missing")));
    none("the top level holds what ARCHITECTURE.md section 4 lists", &strangers);
}

#[test]
fn versions_live_once_in_the_workspace() {
    let mut offences = Vec::new();
    for (name, manifest) in manifests() {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let targets = manifest.get("target").and_then(Value::as_table);
            let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
            for table in tables.chain([&manifest]).filter_map(|t| t.get(kind)?.as_table()) {
                let own = table.iter().filter(|(_, entry)| !is_inherited(entry));
                offences.extend(own.map(|(dependency, _)| format!("{name}: {dependency}")));
            }
        }
    }
    none("`x.workspace = true`, with the version in the root's Cargo.toml", &offences);
}

#[test]
fn every_crate_inherits_and_says_what_it_is() {
    let mut offences = Vec::new();
    for (name, manifest) in manifests() {
        let package = manifest.get("package").and_then(Value::as_table).expect("a package");
        if package.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            offences.push(format!("{name}: no description"));
        }
        if !manifest.get("lints").is_some_and(is_inherited) {
            offences.push(format!("{name}: no `[lints] workspace = true`"));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !package.get(key).is_some_and(is_inherited) {
                offences.push(format!("{name}: no `{key}.workspace = true`"));
            }
        }
    }
    none("what every Cargo.toml holds", &offences);
}

#[test]
fn the_map_shows_every_crate() {
    let map = root().join("src-tauri/ARCHITECTURE.md");
    assert!(map.exists(), "{} is missing", shown(&map));
    let map = text(&map);
    let unlisted: Vec<String> = workspace()
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .filter(|name| !map.contains(&format!("`{name}`")))
        .collect();
    none("crates that src-tauri/ARCHITECTURE.md does not name in backticks", &unlisted);
}

#[test]
fn every_picture_that_is_shown_is_there_and_every_one_is_shown() {
    let help = root().join("assets/help");
    let mut documents = files(&help, &[".md"]);
    documents.push(root().join("README.md"));
    let (mut missing, mut seen) = (Vec::new(), Vec::new());
    for document in documents {
        let folder = document.parent().expect("a document lies in a folder");
        for target in pictures(&text(&document)) {
            let picture = folder.join(&target);
            if picture.is_file() {
                seen.push(picture.canonicalize().expect("it is there"));
            } else {
                missing.push(format!("{} shows {target}", shown(&document)));
            }
        }
    }
    none("pictures that documents show and that are not there", &missing);
    assert!(seen.len() >= 3, "documents show pictures: {seen:?}");
    let kept = files(&help, &[".png"]).into_iter();
    let unseen: Vec<String> = kept
        .filter(|picture| !seen.contains(&picture.canonicalize().expect("it is there")))
        .map(|picture| shown(&picture))
        .collect();
    none("pictures that no document shows", &unseen);
}

/// What a Markdown document shows as `![words](target)`, of this tree.
fn pictures(document: &str) -> Vec<String> {
    let after = |piece: &str| {
        let (_, rest) = piece.split_once("](")?;
        let (target, _) = rest.split_once(')')?;
        (!target.contains("://")).then(|| target.to_owned())
    };
    document.split("![").skip(1).filter_map(after).collect()
}

fn manifests() -> Vec<(String, Table)> {
    let read = |package: &cargo_metadata::Package| {
        let manifest = text(&folder(package).join("Cargo.toml"));
        (package.name.to_string(), manifest.parse().expect("cargo has read it too"))
    };
    workspace().packages.iter().map(read).collect()
}

fn is_inherited(entry: &Value) -> bool {
    entry.get("workspace").and_then(Value::as_bool) == Some(true)
}
