//! Generated files are what their source generates today.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use cargo_metadata::Message;
use tidy_tests::{files, none, root, shown, text};

#[test]
fn bindings_are_fresh() {
    let fresh = tempfile::tempdir().expect("a temporary folder");
    let export = Command::new(view_tests())
        .arg("export_bindings")
        .env("TS_RS_EXPORT_DIR", fresh.path())
        .env("TS_RS_LARGE_INT", "number")
        .output()
        .expect("the tests of plumb-app start");
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stdout));
    let (generated, committed) = (files(fresh.path(), &[".ts"]), root().join("ui/src/lib/api"));
    assert!(!generated.is_empty(), "plumb-app exports its views");
    let mut stale = Vec::new();
    for path in generated {
        let of_page = committed.join(path.strip_prefix(fresh.path()).expect("found below it"));
        if !of_page.exists() || text(&of_page) != text(&path) {
            stale.push(shown(&of_page));
        }
    }
    none("stale, run `cargo xtask bindings`", &stale);
}

/// The program with the unit tests of plumb-app, built as part of the whole workspace: `-p plumb-app` would resolve
/// features anew, and rebuild for minutes what the test command has just built.
fn view_tests() -> String {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--workspace", "--lib", "--no-run", "--message-format=json"]);
    cargo.current_dir(root()).stderr(Stdio::null());
    // What the runner adds for us, build scripts elsewhere listen to.
    for (name, _) in env::vars_os() {
        let shown = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "NEXTEST", "__NEXTEST"];
        if ours.iter().any(|start| shown.starts_with(start)) || shown == "LD_LIBRARY_PATH" {
            cargo.env_remove(name);
        }
    }
    let built = cargo.output().expect("cargo starts");
    assert!(built.status.success(), "the workspace builds: cargo test --workspace --lib --no-run");
    let messages = Message::parse_stream(built.stdout.as_slice()).map_while(Result::ok);
    let programs = messages.filter_map(|message| match message {
        Message::CompilerArtifact(artifact) if artifact.target.name == "plumb_app" => {
            artifact.executable
        }
        _ => None,
    });
    programs.last().expect("plumb-app has unit tests").into_string()
}

/// The crates that own a schema compare it with their types; here is only seen that none went missing.
#[test]
fn schemas_are_there() {
    let folder = root().join("assets/schemas");
    let schemas = files(&folder, &[".json"]);
    let mut offences = Vec::new();
    for path in &schemas {
        let document: Result<serde_json::Value, _> = serde_json::from_str(&text(path));
        if !document.is_ok_and(|document| document.get("$schema").is_some()) {
            offences.push(format!("{} is no JSON schema", shown(path)));
        }
    }
    for subject in ["fleet", "agent"] {
        let named =
            |path: &Path| path.file_name().is_some_and(|n| n.to_string_lossy().contains(subject));
        if !schemas.iter().any(|path| named(path)) {
            offences.push(format!("no schema of the {subject} in assets/schemas"));
        }
    }
    none("JSON schemas", &offences);
}
