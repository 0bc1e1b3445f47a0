//! The scripts of `packaging/agent/examples` against a real agent (R287-R291).

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    serving::{Served, signed},
    world::{CANARY, World},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging/agent/examples")
}

/// What the scripts are run with; nothing, loudly, where one of it is missing.
fn has_programs(test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<&str> = ["bash", "curl", "jq"]
        .into_iter()
        .filter(|program| !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        .collect();
    if !missing.is_empty() {
        eprintln!("!!!! SKIPPED {test}: {} is not on PATH", missing.join(", "));
    }
    missing.is_empty()
}

struct Agent {
    world: World,
    served: Served,
}

impl Agent {
    fn start() -> Self {
        let world = World::empty();
        signed(&world);
        world.file("token", CANARY);
        let words = [
            "agent",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--bundle",
            "production-v1.signed.json",
            "--trust",
            "s=signer.pub.pem",
            "--no-watch",
        ];
        let served = Served::start(&world, &words, "agent-started");
        Self { world, served }
    }

    fn bundle(&self, name: &str) -> String {
        self.world.path().join(name).display().to_string()
    }

    fn run(&self, script: &str, words: &[&str], token: bool) -> Output {
        let mut command = Command::new(folder().join(script));
        command.args(words).current_dir(self.world.path());
        command.env("POLICY_SERVICE", self.served.url()).env_remove("POLICY_SERVICE_TOKEN_FILE");
        if token {
            command.env("POLICY_SERVICE_TOKEN_FILE", "token");
        }
        command.output().expect("the script starts")
    }

    /// Runs a script that has to end with this code; what it prints.
    #[track_caller]
    fn check(&self, script: &str, words: &[&str], code: i32) -> String {
        let said = self.run(script, words, true);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&said.stdout), text(&said.stderr));
        assert_eq!(said.status.code(), Some(code), "{script}: {stdout}{stderr}");
        assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "{script} shows the token");
        stdout + &stderr
    }

    #[track_caller]
    fn json(&self, script: &str, words: &[&str]) -> Value {
        let text = self.check(script, words, 0);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{script}: {error}: {text}"))
    }
}

#[test]
fn the_scripts_reload_and_tell_what_happened() {
    if !has_programs("the_scripts_reload_and_tell_what_happened") {
        return;
    }
    let agent = Agent::start();
    // R287: the default path.
    let reloaded = agent.json("reload.sh", &[]);
    assert_eq!((&reloaded["success"], &reloaded["version"]), (&true.into(), &"1.0.0".into()));
    // R288: a path of one's own.
    let second = agent.bundle("production-v2.signed.json");
    let reloaded = agent.json("reload.sh", &[&second]);
    assert_eq!((&reloaded["version"], &reloaded["policies_loaded"]), (&"2.0.0".into(), &1.into()));
    // R269, R289: the last three, newest first.
    agent.json("reload.sh", &[]);
    agent.json("reload.sh", &[&second]);
    let last = agent.json("last-reloads.sh", &[]);
    let versions: Vec<&str> = last
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["version"].as_str())
        .collect();
    assert_eq!(versions, ["2.0.0", "1.0.0", "2.0.0"]);
    assert_eq!(agent.json("last-reloads.sh", &["1"]).as_array().expect("a list").len(), 1);
    // R290.
    assert_eq!(agent.json("success-rate.sh", &[]).as_f64(), Some(100.0));
    // A bundle that is not there: the script says no, and so does the rate.
    let text = agent.check("reload.sh", &[&agent.bundle("none.signed.json")], 1);
    assert!(text.contains("\"success\": false"), "{text}");
    let rate = agent.json("success-rate.sh", &[]).as_f64().expect("a number");
    assert!(rate < 100.0, "{rate}");
    agent.served.stop();
}

/// R291: verify, abort, reload, abort, show.
#[test]
fn the_deployment_script_stops_at_the_first_no() {
    if !has_programs("the_deployment_script_stops_at_the_first_no") {
        return;
    }
    let agent = Agent::start();
    let good = agent.bundle("production-v2.signed.json");
    let unsigned = agent.bundle("production-v2.json");
    agent.check("deploy-policy.sh", &[], 2);
    let text = agent.check("deploy-policy.sh", &[&unsigned], 1);
    assert!(text.contains("does not verify; nothing was changed"), "{text}");
    // Without a token the reload is refused after the bundle was found good, or before.
    let refused = agent.run("deploy-policy.sh", &[&good], false);
    assert_eq!(refused.status.code(), Some(1));
    let version = agent.json("last-reloads.sh", &["1"])[0]["version"].clone();
    assert_ne!(version, "2.0.0", "nothing was changed");
    let text = agent.check("deploy-policy.sh", &[&good], 0);
    assert!(
        text.contains("Verified: ") && text.contains("In force: version 2.0.0, 1 policies"),
        "{text}"
    );
    agent.served.stop();
}
