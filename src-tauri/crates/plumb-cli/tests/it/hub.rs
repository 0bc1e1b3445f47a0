//! A hub as its administrator starts it: first tokens, the scripts of the field with `curl`, and what is there after a
//! kill.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::{Value, json};

use crate::{
    serving::{Served, try_ask},
    world::World,
};

const SERVE: [&str; 6] = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];

fn start(world: &World) -> Served {
    Served::start(world, &SERVE, "hub-started")
}

/// A token made in the data folder, and the file it stands in.
pub(crate) fn token(world: &World, role: &str) -> (String, String) {
    let made = world.check(&format!("hub token create --data hub --role {role} --expires 1d"), 0);
    assert!(made.stderr.contains("it is shown this once"), "{}", made.stderr);
    let token = made.stdout.trim().to_owned();
    (token.clone(), world.file(&format!("{role}.token"), &token))
}

/// Runs a script of `tests/scenarios/input/hub`.
fn script(name: &str, hub: &str, token: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/scenarios/input/hub")
        .join(name);
    let ran = Command::new("sh").arg(path).env("HUB", hub).env("TOKEN", token).output();
    let ran = ran.expect("sh starts");
    let (said, errors) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name}: {said}\n{errors}");
    said.into_owned()
}

#[test]
fn the_persistence_check_of_the_field_passes_word_for_word() {
    let world = World::empty();
    let (admin, _) = token(&world, "admin");
    let hub = start(&world);
    let taken: Value =
        serde_json::from_str(&script("1-ingest.sh", hub.url(), &admin)).expect("JSON");
    assert_eq!(taken["accepted"], true, "{taken}");
    hub.stop();
    let hub = start(&world);
    let listed: Value =
        serde_json::from_str(&script("2-still-there.sh", hub.url(), &admin)).expect("JSON");
    assert_eq!(listed["alerts"][0]["alert_ref"], taken["alert_ref"], "{listed}");
    hub.stop();
}

#[test]
fn the_operational_scenarios_of_the_field_work_word_for_word() {
    let world = World::empty();
    let (oncall, _) = token(&world, "admin");
    let hub = start(&world);
    let said = script("3-operations.sh", hub.url(), &oncall);
    let expected = [
        "storm: deduped true, occurrences 2",
        "view recent alerts",
        "\"count\":1",
        "\"count\":1",
        "claim alerts for processing",
        "\"claimed\":1",
        "mark alert as failed",
        "\"status\":\"failed\"",
        "alert to incident",
        "\"severity\":\"P1\"",
        "operational dashboard",
        "\"failed\":1",
        "false positive",
        "\"status\":\"acked\"",
        "\"state\":\"closed\"",
        "monitor health check",
        "\"count\":1",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    hub.stop();
}

#[test]
fn alerts_and_incidents_are_worked_on_from_the_command_line() {
    let world = World::empty();
    // Without an administrator a hub does not start.
    token(&world, "admin");
    let (_, file) = token(&world, "agent_oncall");
    let (_, viewer) = token(&world, "viewer");
    let hub = start(&world);
    let at = |file: &str| format!("--hub {} --hub-token-file {file}", hub.url());
    let mine = at(&file);
    let taken = world.check(
        &format!("alerts ingest --service gateway --kind slow --title p95 --severity P0 {mine}"),
        0,
    );
    let alert = taken.stdout.split(':').next().expect("a reference").to_owned();
    assert!(alert.starts_with("alrt_"), "{}", taken.stdout);
    let denied = world.check(&format!("alerts claim --owner v {}", at(&viewer)), 2);
    assert!(denied.stderr.contains("tools.alerts.claim denied: role viewer"), "{}", denied.stderr);
    let led = "\"Claiming is denied\" in: plumb help troubleshooting";
    assert!(denied.stderr.contains(led), "{}", denied.stderr);
    let claimed =
        world.check(&format!("alerts claim --owner me --limit 5 --lock-ttl 10m {mine}"), 0);
    assert!(claimed.stdout.contains(&alert) && claimed.stderr.contains("1 claimed"), "{claimed:?}");
    world.check(&format!("alerts fail {alert} --error timeout --retry-after 5m {mine}"), 0);
    let listed = world.check(&format!("alerts list --status new,failed --last 4h {mine}"), 0);
    assert!(listed.stdout.contains("failed"), "{}", listed.stdout);
    let opened = world.check(&format!("alerts to-incident {alert} --severity-cap P1 {mine}"), 0);
    let incident = opened.stdout.split(':').next().expect("a reference").to_owned();
    assert!(opened.stdout.contains("opened, severity P1"), "{}", opened.stdout);
    world.check(&format!("incidents note {incident} --text restarted {mine}"), 0);
    let draft = world.check(&format!("incidents draft {incident} {mine}"), 0);
    assert!(
        draft.stdout.contains("restarted") && draft.stdout.starts_with("# inc"),
        "{}",
        draft.stdout
    );
    world.check(&format!("incidents close {incident} --resolution config {mine}"), 0);
    world.check(&format!("alerts ack {alert} --note done {mine}"), 0);
    let board = world.check(&format!("alerts dashboard {mine}"), 0);
    assert!(board.stdout.contains("alerts: sqlite, durable"), "{}", board.stdout);
    world.check(&format!("alerts show alrt_none {mine}"), 2);
    hub.stop();
    let gone =
        world.check(&format!("alerts list --hub http://127.0.0.1:1 --hub-token-file {file}"), 3);
    assert!(gone.stderr.contains("no answer from the hub"), "{}", gone.stderr);
}

#[test]
fn a_pack_is_published_and_distributed_from_the_command_line() {
    let world = World::empty();
    let (admin, file) = token(&world, "admin");
    let hub = start(&world);
    let at = format!("--hub {} --hub-token-file {file}", hub.url());
    fs::create_dir_all(world.path().join("source/opa")).expect("a folder");
    world.file("source/opa/a.rego", "package a\nimport rego.v1\ndefault allow := true\n");
    world.check("policy packs build source --id p --version 1.0.0 --out p.tar", 0);
    world.check(&format!("hub packs publish p.tar --id p --version 1.0.0 {at}"), 0);
    let again = world.check(&format!("hub packs list {at}"), 0);
    assert!(again.stdout.contains("1.0.0"), "{}", again.stdout);
    let told =
        world.check(&format!("policy bundle distribute --fleet prod --pack p --all-nodes {at}"), 0);
    assert!(told.stdout.contains("p 1.0.0 is offered to every node of prod"), "{}", told.stdout);
    let shown = world.check(&format!("hub desired history --fleet prod {at}"), 0);
    assert!(shown.stdout.contains("the whole fleet"), "{}", shown.stdout);
    world.check(&format!("policy bundle storage-status {at}"), 0);
    let none = world.check(&format!("policy deployments list --status failed --last 24h {at}"), 0);
    assert_eq!(none.stdout.lines().count(), 1, "{}", none.stdout);
    let address = hub.url().trim_start_matches("http://");
    for (id, status) in [("run-1", "started"), ("run-1", "failed"), ("run-2", "started")] {
        let report = json!({ "id": id, "fleet": "prod", "status": status }).to_string();
        let path = "/v1/hub/deployments";
        let (status, told) =
            try_ask(address, "POST", path, Some(&admin), &report).expect("an answer");
        assert_eq!(status, 204, "{told}");
    }
    let failed =
        world.check(&format!("policy deployments list --status failed --last 24h {at}"), 0);
    assert!(
        failed.stdout.contains("run-1") && !failed.stdout.contains("run-2"),
        "{}",
        failed.stdout
    );
    world.check(&format!("hub audit {at}"), 0);
    hub.stop();
}

#[test]
fn tables_are_made_twice_and_what_retention_removes_is_told_first() {
    let world = World::empty();
    let migrated = world.document("hub migrate --data hub", 0, "hub-migration");
    assert!(migrated["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    let again = world.document("hub migrate --data hub --dry-run", 0, "hub-migration");
    assert!(again["steps"].as_array().expect("steps").iter().all(|step| step["pending"] == false));
    let told = world.document("hub retention --data hub --logs 30d", 0, "hub-retention");
    assert_eq!((told["applied"].as_bool(), told["acked_alerts"].as_u64()), (Some(false), Some(0)));
    assert_eq!(told["logs_kept"], json!({ "seconds": 30 * 86_400, "by": "argument" }));
    assert_eq!(told["alerts_kept"], json!({ "seconds": 30 * 86_400, "by": "proposal" }));
    world.file("hub/retention_policy.yml", "acked_days: 90\nlog_days: 400\n");
    let ruled = world.check("hub retention --data hub", 0);
    assert!(
        ruled
            .stdout
            .contains("acknowledged alerts are kept for 90 d, as retention_policy.yml says")
            && ruled.stdout.contains("logs are kept for 400 d, as retention_policy.yml says"),
        "{ruled:?}"
    );
    world.file("hub/retention_policy.yml", "automatic: true\n");
    let refused = world.check("hub retention --data hub", 2);
    assert!(refused.stderr.contains("retention_policy.yml cannot be used"), "{refused:?}");
    world.file("hub/retention_policy.yml", "");
    world.check("hub migrate --dsn mysql://x", 2);
    // Nobody could use it.
    let refused = world.check("hub serve --listen 127.0.0.1:0 --data hub", 2);
    assert!(refused.stderr.contains("plumb hub token create"), "{}", refused.stderr);
}

#[test]
fn everything_acknowledged_is_there_after_a_kill() {
    let world = World::empty();
    let (admin, _) = token(&world, "admin");
    let hub = start(&world);
    let address = hub.url().trim_start_matches("http://").to_owned();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (address, admin) = (address.clone(), admin.clone());
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let body = json!({ "service": "test", "kind": "test", "title": "kill",
                        "fingerprint": format!("{writer}-{n}") });
                    let answer =
                        try_ask(&address, "POST", "/v1/alerts", Some(&admin), &body.to_string());
                    match answer {
                        Ok((200, taken)) => acknowledged
                            .push(taken["alert_ref"].as_str().expect("a reference").to_owned()),
                        // It is dead.
                        _ => return acknowledged,
                    }
                }
                acknowledged
            })
        })
        .collect();
    // Killed once some are acknowledged, whatever else is under way then.
    while count(&address, &admin) < 40 {
        thread::yield_now();
    }
    hub.kill();
    let acknowledged: BTreeSet<String> =
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
    assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
    let hub = start(&world);
    let address = hub.url().trim_start_matches("http://").to_owned();
    let (_, listed) =
        try_ask(&address, "GET", "/v1/alerts?limit=1000", Some(&admin), "").expect("an answer");
    let kept: BTreeSet<String> = listed["alerts"]
        .as_array()
        .expect("alerts")
        .iter()
        .map(|alert| alert["alert_ref"].as_str().expect("a reference").to_owned())
        .collect();
    assert!(listed["count"].as_u64().is_some_and(|count| count < 1_000), "all of them are listed");
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    hub.stop();
    assert!(Path::new(&world.path().join("hub/alerts.sqlite")).exists());
}

fn count(address: &str, token: &str) -> u64 {
    let answer = try_ask(address, "GET", "/v1/alerts/dashboard", Some(token), "");
    answer.ok().and_then(|(_, board)| board["counts"]["new"].as_u64()).unwrap_or_default()
}

/// A program of PyPI, or nothing, said loudly. `cargo xtask setup` installs it.
pub(crate) fn from_pypi(name: &str, program: &str, named_by: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&folders).map(|folder| folder.join(program));
    let named = env::var_os(named_by).map(PathBuf::from);
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let ours = tree.join("target/tools").join(name).join("bin").join(program);
    let found = named.into_iter().chain(on_path).chain([ours]).find(|program| program.is_file());
    if found.is_none() {
        eprintln!("!!!! NOT CHECKED: {name} is not there; install it with `cargo xtask setup`");
    }
    found
}

#[test]
fn schemathesis_finds_no_error_of_the_server() {
    let Some(program) = from_pypi("schemathesis", "schemathesis", "PLUMB_SCHEMATHESIS") else {
        return;
    };
    let world = World::empty();
    let (admin, _) = token(&world, "admin");
    let hub = start(&world);
    let ran = Command::new(program)
        .args(["run", &format!("{}/v1/openapi.json", hub.url())])
        .args(["--header", &format!("Authorization: Bearer {admin}")])
        // What else it can find fault with, such as fields that nobody asked for, is a matter of taste.
        .args(["--checks", "not_a_server_error", "--phases", "fuzzing", "--workers", "4"])
        .args(["--max-examples", "3", "--seed", "20260303", "--request-timeout", "60"])
        .args(["--suppress-health-check", "all", "--no-color", "--generation-database", "none"])
        .current_dir(world.path())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    // It went on answering all the time, and says so now.
    let address = hub.url().trim_start_matches("http://");
    let (status, _) = try_ask(address, "GET", "/healthz", None, "").expect("an answer");
    assert_eq!(status, 200);
    hub.stop();
}
