//! Release gates from the command line: by policy files and by a hub, with figures of a Prometheus.

use serde_json::Value;

use crate::{runbooks::prometheus, serving::Served, world::World};

/// The stand-in answers 0.42 to whatever asks for an oplog, and 0 to everything else.
const LAG: &str = "0.42";

/// Policies in a folder, which a hub can read as well.
fn policies(world: &World) -> String {
    let folder = world.path().join("policies");
    std::fs::create_dir_all(&folder).expect("a folder");
    world.file(
        "policies/slo_policy.yml",
        "services:\n  gateway:\n    lag_s: 0.3\n    errors: 0.01\n",
    );
    world.file(
        "policies/release_gate_policy.yml",
        "prod:\n  gates:\n    slo_watch:\n      mode: strict\n",
    );
    folder.display().to_string()
}

#[test]
fn a_release_is_judged_by_what_a_prometheus_answers() {
    let world = World::empty();
    let (folder, url) = (policies(&world), prometheus(LAG));
    let check = "release check --service gateway --env";
    let by = format!("--policies {folder} --prometheus {url}");
    let blocked =
        world.check(&format!("{check} prod {by} --query lag_s=oplog_lag --query errors=errors"), 1);
    assert!(blocked.stdout.starts_with("blocked\n"), "{blocked:?}");
    assert!(blocked.stdout.contains("lag_s is 0.42, at most 0.3 is allowed"), "{blocked:?}");
    assert!(!blocked.stdout.contains("errors is"), "{blocked:?}");
    assert!(blocked.stderr.contains("\"A release gate blocks\" in"), "{blocked:?}");
    let unmeasured = world.check(&format!("{check} prod {by} --query lag_s=idle"), 1);
    assert!(unmeasured.stdout.contains("errors was not measured"), "{unmeasured:?}");
    // An environment without a gate of its own warns.
    let warned = world.check(&format!("{check} stage {by} --query lag_s=oplog_lag"), 0);
    assert!(warned.stdout.starts_with("warned\n"), "{warned:?}");
    let passed = world.check(
        &format!("{check} prod --policies {folder} --measured lag_s=0.1 --measured errors=0"),
        0,
    );
    assert_eq!(passed.stdout, "passed\n");
    let dead = format!("--policies {folder} --prometheus http://127.0.0.1:1");
    let dead = world.check(&format!("{check} prod {dead} --query lag_s=x --measured errors=0"), 1);
    assert!(dead.stderr.contains("not measured: lag_s: Prometheus did not answer"), "{dead:?}");
    let unnamed = world.check(&format!("{check} prod --measured lag_s=1"), 2);
    assert!(unnamed.stderr.contains("--policies DIR"), "{unnamed:?}");
    let missing = world.check(&format!("{check} prod --policies {folder}/x --measured a=1"), 2);
    assert!(missing.stderr.contains("slo_policy.yml cannot be used"), "{missing:?}");
}

#[test]
fn a_bypass_stands_in_the_incident_with_its_reason() {
    let world = World::empty();
    let folder = policies(&world);
    let opened = world.check("alerts ingest --service gateway --kind slow --title p95", 0);
    let alert = opened.stdout.split(':').next().expect("a reference").to_owned();
    let incident = world.check(&format!("alerts to-incident {alert}"), 0);
    let incident = incident.stdout.split(':').next().expect("a reference").to_owned();
    let check = format!("release check --service gateway --env prod --policies {folder}");
    let short = format!("{check} --bypass emergency_deploy --reason now --incident {incident}");
    let refused = world.check(&short, 2);
    assert!(refused.stderr.contains("reason"), "{refused:?}");
    let words = format!("{check} --bypass emergency_deploy --incident {incident} --reason");
    let mut command = world.command();
    command.args(words.split_whitespace()).arg("payments are down without it");
    let bypassed = world.check_command(&mut command, &words, 0);
    assert!(bypassed.stdout.contains(&format!("the reason stands in {incident}")), "{bypassed:?}");
    let shown = world.check(&format!("incidents show {incident} --json"), 0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("a document");
    let last = shown["timeline"].as_array().and_then(|all| all.last()).expect("an entry");
    assert_eq!(last["event"]["event"], "gate_bypassed", "{last}");
    assert_eq!(last["event"]["reason"]["text"], "payments are down without it", "{last}");
    world.check(&format!("{check} --bypass emergency_deploy"), 2);
}

#[test]
fn a_hub_judges_by_its_own_policies() {
    let world = World::empty();
    let folder = policies(&world);
    let (_, token) = crate::hub::token(&world, "admin");
    let serve = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub", "--config", &folder];
    let hub = Served::start(&world, &serve, "hub-started");
    let at = format!("--hub {} --hub-token-file {token}", hub.url());
    let check = format!("release check --service gateway --env prod {at}");
    let blocked = world.check(&format!("{check} --measured lag_s=7 --measured errors=0"), 1);
    assert!(blocked.stdout.contains("lag_s is 7, at most 0.3 is allowed"), "{blocked:?}");
    world.check(&format!("{check} --measured lag_s=0 --measured errors=0"), 0);
    hub.stop();
}
