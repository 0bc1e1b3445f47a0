//! The systemd unit: it is locked down, and systemd says so itself.

use std::{collections::BTreeMap, fs};

use observability_tests::programs::{packaging, program, succeeds, text};
use tempfile::TempDir;

/// Tenths of systemd's figure between 0 (sealed) and 10 (open); 12 is what a network service that
/// keeps a state folder comes to.
const EXPOSURE_MAX: &str = "15";

fn unit() -> String {
    text(&packaging().join("agent/plumb-agent.service"))
}

/// Settings of `[Service]`; one that stands twice keeps every value.
fn settings() -> BTreeMap<String, Vec<String>> {
    let unit = unit();
    let (_, service) = unit.split_once("[Service]").expect("a service");
    let (service, _) = service.split_once("[Install]").expect("an installation");
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in service.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        settings.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    settings
}

#[test]
fn it_is_locked_down_whoever_reads_it() {
    let settings = settings();
    for (name, value) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictNamespaces", "yes"),
        ("SystemCallArchitectures", "native"),
        ("StateDirectory", "plumb-agent"),
        ("StateDirectoryMode", "0700"),
        ("Restart", "on-failure"),
    ] {
        assert_eq!(settings.get(name).map(Vec::as_slice), Some(&[value.to_owned()][..]), "{name}");
    }
    let calls = &settings["SystemCallFilter"];
    assert_eq!(calls, &["@system-service seccomp", "~@privileged @resources"]);
}

/// The folders of the unit are those of the environment file.
#[test]
fn unit_and_environment_file_name_the_same_places() {
    let environment = text(&packaging().join("agent/plumb-agent.env"));
    let value = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let state = format!("/var/lib/{}", settings()["StateDirectory"][0]);
    assert_eq!(value("PLUMB_AGENT_STATE_DIR"), state);
    let (credential, _) = settings()["LoadCredential"][0]
        .split_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a name and a file");
    let handed = format!("/run/credentials/plumb-agent.service/{credential}");
    assert_eq!(value("PLUMB_AGENT_TOKEN_FILE"), handed);
    let stated = &settings()["EnvironmentFile"][0];
    assert!(environment.contains(&format!("Copy to {stated}.")));
}

#[test]
fn systemd_accepts_it_and_finds_little_exposed() {
    let Some(mut verify) = program("systemd-analyze") else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("plumb-agent.service");
    // The program need not be installed on the machine that checks the unit.
    let unit = unit().replace("ExecStart=/usr/bin/plumb", "ExecStart=/bin/true");
    fs::write(&path, unit).expect("writable");
    let said = succeeds(verify.args(["verify", "--man=no"]).arg(&path));
    assert!(!said.contains("plumb-agent.service:"), "systemd ignores something: {said}");
    let mut security = program("systemd-analyze").expect("was there a moment ago");
    security.args(["security", "--offline=true", "--no-pager"]);
    security.arg(format!("--threshold={EXPOSURE_MAX}")).arg(&path);
    succeeds(&mut security);
}
