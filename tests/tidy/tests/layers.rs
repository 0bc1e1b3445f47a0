//! Which crate may depend on which: section 3 of ARCHITECTURE.md as a table. A new edge is discussed first.

use cargo_metadata::{Dependency, DependencyKind, Package};
use tidy_tests::{PURE, is_test_crate, none, workspace};

/// Normal and build dependencies on crates of ours.
const MAY_USE: &[(&str, &[&str])] = &[
    ("plumb-fleet", &[]),
    // It reads sweeps: what they show raises alerts.
    ("plumb-alert", &["plumb-fleet"]),
    ("plumb-inbox", &["plumb-alert"]),
    ("plumb-bundle", &["plumb-fleet"]),
    // A signature over a bundle is checked against the bundle's own bytes and manifest.
    ("plumb-trust", &["plumb-fleet", "plumb-bundle"]),
    ("plumb-decide", &["plumb-fleet", "plumb-bundle"]),
    ("plumb-worker", &["plumb-fleet", "plumb-decide"]),
    ("plumb-runbook", &["plumb-fleet", "plumb-bundle", "plumb-trust"]),
    // Heads and certificates are statements as the trust crate signs and reads them.
    ("plumb-journal", &["plumb-fleet", "plumb-runbook", "plumb-trust"]),
    ("plumb-redact", &[]),
    (
        "plumb-evidence",
        &["plumb-fleet", "plumb-runbook", "plumb-journal", "plumb-trust", "plumb-redact"],
    ),
    ("plumb-charts", &["plumb-fleet"]),
    ("plumb-wire", &[]),
    ("plumb-clients", &["plumb-fleet", "plumb-bundle", "plumb-wire"]),
    // The console keeps its own alerts in its record.
    ("plumb-store", &["plumb-inbox", "plumb-fleet", "plumb-runbook", "plumb-journal"]),
    ("plumb-exec", &["plumb-fleet", "plumb-runbook", "plumb-journal"]),
    (
        "plumb-app",
        &[
            "plumb-fleet",
            "plumb-bundle",
            "plumb-trust",
            "plumb-decide",
            "plumb-runbook",
            "plumb-journal",
            "plumb-redact",
            "plumb-evidence",
            "plumb-charts",
            "plumb-wire",
            "plumb-clients",
            "plumb-alert",
            "plumb-inbox",
            "plumb-store",
            "plumb-exec",
            "plumb-worker",
        ],
    ),
    ("plumb-desktop", &["plumb-app"]),
    // Bundles are built, signed and verified offline, with no console behind them.
    (
        "plumb-cli",
        &["plumb-app", "plumb-agent", "plumb-demo", "plumb-hub", "plumb-bundle", "plumb-trust"],
    ),
    // Digests and versions are fleet's types everywhere.
    (
        "plumb-agent",
        &[
            "plumb-wire",
            "plumb-serve",
            "plumb-fleet",
            "plumb-bundle",
            "plumb-trust",
            "plumb-decide",
            "plumb-runbook",
            "plumb-worker",
        ],
    ),
    ("plumb-serve", &["plumb-fleet"]),
    (
        "plumb-hub",
        &[
            "plumb-wire",
            "plumb-serve",
            "plumb-fleet",
            "plumb-bundle",
            "plumb-trust",
            "plumb-alert",
            "plumb-inbox",
        ],
    ),
    (
        "plumb-demo",
        &[
            "plumb-agent",
            "plumb-hub",
            "plumb-pki",
            "plumb-fleet",
            "plumb-bundle",
            "plumb-trust",
            "plumb-wire",
        ],
    ),
    // It shares nothing with the verifier that its bundles are judged by.
    ("plumb-pki", &[]),
    (
        "plumb-testkit",
        &[
            "plumb-fleet",
            "plumb-bundle",
            "plumb-trust",
            "plumb-runbook",
            "plumb-journal",
            "plumb-exec",
        ],
    ),
    ("xtask", &[]),
];

/// What tests may use beyond that and `plumb-testkit`: a real peer on loopback, or what starts one.
const TESTS_MAY_USE: &[(&str, &[&str])] = &[
    ("plumb-trust", &["plumb-pki"]),
    // The console's own alerts are held to what the other stores are held to.
    ("plumb-inbox", &["plumb-store"]),
    ("plumb-evidence", &["plumb-pki"]),
    ("plumb-cli", &["plumb-pki", "observability-tests"]),
    ("plumb-agent", &["plumb-hub", "plumb-pki"]),
    ("plumb-clients", &["plumb-agent", "plumb-demo"]),
    ("plumb-app", &["plumb-agent", "plumb-demo", "plumb-hub"]),
];

/// One crate per outside world.
const WORLDS: &[(&str, &[&str])] = &[
    // The agent asks its pack source and tells its alert receiver; nodes are asked by plumb-clients only.
    ("reqwest", &["plumb-clients", "plumb-agent"]),
    // The state of a hub is its own; the console has nothing in it.
    ("sqlx", &["plumb-store", "plumb-inbox", "plumb-hub"]),
    ("object_store", &["plumb-hub"]),
    ("tauri", &["plumb-desktop"]),
    ("tauri-build", &["plumb-desktop"]),
    ("tauri-plugin-dialog", &["plumb-desktop"]),
    ("axum", &["plumb-agent", "plumb-demo", "plumb-hub", "plumb-serve"]),
    ("regorus", &["plumb-decide"]),
    // The app ends what a command of a runbook started, as a group.
    ("nix", &["plumb-worker", "plumb-app"]),
    ("seccompiler", &["plumb-worker"]),
];

/// What a crate without I/O has no use for.
const NOT_PURE: [&str; 12] = [
    "tokio",
    "tokio-util",
    "futures",
    "hyper",
    "reqwest",
    "axum",
    "sqlx",
    "tauri",
    "notify",
    "tempfile",
    "tracing",
    "clap",
];

#[test]
fn crates_depend_downwards_only() {
    let workspace = workspace();
    let mut offences = Vec::new();
    for package in workspace.packages.iter().filter(|package| !is_test_crate(package)) {
        let Some(allowed) = row(MAY_USE, &package.name) else {
            offences.push(format!("{} has no row in this table", package.name));
            continue;
        };
        for dependency in ours(package).filter(|d| d.kind != DependencyKind::Development) {
            if !allowed.contains(&dependency.name.as_str()) {
                offences.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    none("edges that ARCHITECTURE.md does not allow", &offences);
}

#[test]
fn tests_depend_on_the_testkit_and_named_peers_only() {
    let mut offences = Vec::new();
    for package in workspace().packages.iter().filter(|package| !is_test_crate(package)) {
        let normal = row(MAY_USE, &package.name).unwrap_or_default();
        let peers = row(TESTS_MAY_USE, &package.name).unwrap_or_default();
        for dependency in ours(package).filter(|d| d.kind == DependencyKind::Development) {
            let name = dependency.name.as_str();
            if name != "plumb-testkit" && !normal.contains(&name) && !peers.contains(&name) {
                offences.push(format!("{} -> {name} in its tests", package.name));
            }
        }
    }
    none("dev-dependencies that are neither plumb-testkit nor a named peer", &offences);
}

#[test]
fn the_testkit_is_never_shipped() {
    let mut offences = Vec::new();
    for package in workspace().packages.iter().filter(|package| !is_test_crate(package)) {
        let shipped = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        if shipped.map(|d| d.name.as_str()).any(|name| name == "plumb-testkit") {
            offences.push(package.name.to_string());
        }
    }
    none("plumb-testkit outside dev-dependencies", &offences);
}

#[test]
fn each_outside_world_has_one_crate() {
    let mut offences = Vec::new();
    for package in workspace().packages.iter().filter(|package| !is_test_crate(package)) {
        for dependency in
            package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development)
        {
            let owners = row(WORLDS, &dependency.name);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                offences.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    none("a library that belongs to another crate", &offences);
}

#[test]
fn pure_crates_have_no_library_for_io() {
    let mut offences = Vec::new();
    for package in workspace().packages.iter().filter(|p| PURE.contains(&p.name.as_str())) {
        for dependency in
            package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development)
        {
            if NOT_PURE.contains(&dependency.name.as_str()) {
                offences.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    none("a library for I/O in a pure crate", &offences);
}

fn row<'a>(table: &'a [(&str, &[&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed)
}

fn ours(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.path.is_some())
}
