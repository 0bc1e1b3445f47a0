//! Runbooks in real processes: from a symptom to a verified end, and from every place where one was left.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{evidence::signing, world::World};

/// What its answers are and what it printed, for a run that is expected to end so.
#[track_caller]
pub(crate) fn run(world: &World, words: &str, answers: &str, exit: i32) -> Value {
    let file = world.file("answers.toml", answers);
    world.document(&format!("runbook run {words} --answers {file} --no-input"), exit, "runbook-run")
}

pub(crate) fn states(view: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = view["steps"].as_array().expect("steps");
    steps.iter().map(|step| format!("{} {}", word(&step["id"]), word(&step["state"]))).collect()
}

pub(crate) fn state_of(view: &Value, id: &str) -> String {
    let steps = view["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["id"] == id).expect("the step");
    step["state"].as_str().expect("a state").to_owned()
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder of evidence")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_library_is_listed_shown_and_sound() {
    let world = World::empty();
    let listed = world.document("runbook list", 0, "runbooks");
    let titles: Vec<&str> = (listed["runbooks"].as_array().expect("runbooks").iter())
        .map(|runbook| runbook["title"].as_str().expect("a title"))
        .collect();
    assert!(titles.contains(&"Policy Engine - Policy Version Conflicts"), "{titles:?}");
    let view = world.document("runbook show policy-version-conflicts", 0, "runbook");
    // R001-R006, R012-R014, R045-R047
    assert_eq!(view["runbook"]["component"], "Policy Engine");
    assert_eq!(view["runbook"]["severity"], "medium");
    assert_eq!(view["runbook"]["on_call_scope"], "Platform team");
    assert_eq!(view["runbook"]["last_updated"], "2026-01-17");
    assert_eq!(view["runbook"]["doctor_check"], "check.policy.version-consistency");
    assert_eq!(view["related"][0], "policy-opa-crash.md");
    assert_eq!(view["references"][1], "docs/operations/policy-deployment.md");
    assert!(world.check("runbook show supersedes-backfill", 0).stdout.contains("! backfill"));
    // R046: every link of the library resolves.
    let sound = world.document("runbook check", 0, "runbook-check");
    assert_eq!(sound["problems"], serde_json::json!({}));
    world.check("runbook show nothing", 2);
    world.check("runbook run nothing", 2);
}

#[test]
fn errors_of_a_document_have_a_line_and_a_column() {
    let world = World::empty();
    let file = world.file("odd.md", "---\ntitle: Odd\ncolour: red\n---\n# Odd\n");
    let found = world.document(&format!("runbook check {file}"), 2, "runbook-check");
    let line = found["problems"]["odd.md"][0].as_str().expect("a line").to_owned();
    assert!(line.starts_with("odd.md:3:1: "), "{line}");
}

/// What nothing answers to is told before anything runs, and what was meant.
#[test]
fn an_unknown_check_or_figure_is_told_with_the_nearest_one() {
    let world = World::empty();
    let step =
        |id: &str, what: &str| format!("```step\nid: {id}\ntitle: Ask\ndo: {{{what}}}\n```\n\n");
    let steps = [
        step("check", "doctor: {check: check.policy.version-consistancy}"),
        step("nodes", "query: {source: nodes, query: slient, max: 0}"),
        step("hub", "query: {source: hub, query: fialed, max: 0}"),
        step("fine", "query: {source: nodes, query: in_sync, min: 1}"),
        step("free", "query: {source: prometheus, query: up, min: 1}"),
    ];
    let file = world.file("own.md", &own(&steps.concat()));
    let found = world.document(&format!("runbook check {file}"), 2, "runbook-check");
    let told = found["problems"]["own.md"].as_array().expect("problems").clone();
    let ends = [
        "there is no check check.policy.version-consistancy; the nearest is check.policy.version-consistency",
        "there is no figure of nodes slient; the nearest is silent",
        "there is no figure of a hub fialed; the nearest is failed",
    ];
    assert_eq!(told.len(), ends.len(), "{told:?}");
    let text = fs::read_to_string(&file).expect("the file");
    for ((line, end), id) in told.iter().zip(ends).zip(["check", "nodes", "hub"]) {
        let at = text.lines().position(|line| line == format!("id: {id}")).expect("the step") + 1;
        assert_eq!(*line, format!("own.md:{at}:5: {end}"));
    }
}

const NODE: &str = "eu-gw-002";

/// The content that the demo desires: two bundles share its version.
pub(crate) fn desired_content(world: &World) -> String {
    let active = world.document("policy active", 0, "active");
    let content = active["desired"]["content"].as_str();
    content.unwrap_or_else(|| panic!("no content in {active}")).to_owned()
}

pub(crate) fn conflict(world: &World, cause: &str, rest: &str) -> String {
    let content = desired_content(world);
    format!(
        "[parameters]\nversion = \"2.0.0\"\ncontent = \"{content}\"\nnode = \"{NODE}\"\n\
         [answers]\nbring = \"pin the version\"\ncause = \"{cause}\"\n{rest}"
    )
}

#[test]
fn a_version_conflict_is_led_to_its_verified_end() {
    // R015-R024, R028-R030, R037-R040
    let world = World::demo(5);
    // Services of the demo decide some requests their own way, whatever they run.
    let confirm = "[confirm]\npin = \"yes\"\nsync = \"demo 3\"\nresync = \"yes\"\n\
                   [skip]\nsame_answers = \"the reload services know no safety context\"\n";
    let answers = conflict(&world, "node out of sync", confirm);
    let view = run(&world, "policy-version-conflicts", &answers, 0);
    assert_eq!(view["state"], "succeeded", "{:?}", states(&view));
    assert_eq!(state_of(&view, "same_version"), "succeeded");
    assert_eq!(state_of(&view, "distribute"), "waiting", "another arm");
    let artifacts = PathBuf::from(view["artifacts"].as_str().expect("a folder"));
    assert_eq!(files(&artifacts), ["SHA256SUMS", "answers-after.json", "versions-before.json"]);
    world.check("policy version --all-nodes", 0);
    // The journal is one like any other, and the runs of its actions stand beside it.
    let id = view["id"].as_str().expect("an id").to_owned();
    assert!(world.check(&format!("journal verify {id}"), 0).stdout.contains("complete"));
    world.document(&format!("runbook show {id}"), 0, "runbook-run");
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    assert_eq!(runs["runs"][0]["id"], view["id"]);
    assert!(runs["runs"].as_array().expect("runs").len() == 1);
    let of_plans = world.document("runs list", 0, "runs");
    assert!(of_plans["runs"].as_array().expect("runs").iter().all(|run| run["id"] != view["id"]));
}

/// What the console sees of a conflict.
#[derive(Debug, PartialEq, Eq)]
struct Symptoms {
    /// What the doctor says, and what it found.
    doctor: (String, Vec<String>),
    /// Alerts of versions that are not resolved.
    alerts: usize,
    /// Requests that the node and an agent in sync decide differently.
    decided_apart: usize,
    versions: usize,
}

fn symptoms(world: &World) -> Symptoms {
    let said = |words: &str| -> Value {
        let mut command = world.command();
        let said = command.args(words.split(' ')).arg("--json").output().expect("it starts");
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{words}: {error}"))
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let doctor = said("doctor --check check.policy.version-consistency")["checks"][0].clone();
    let told = list(&doctor["evidence"]).iter().map(|line| word(&line["detail"])).collect();
    let open = Command::new("sqlite3")
        .arg(world.path().join("data/record.sqlite"))
        .arg(
            "SELECT count(*) FROM alerts WHERE kind = 'PolicyVersionMismatch' AND resolved_at IS NULL",
        )
        .output()
        .expect("sqlite3 is there");
    let asked = said("policy evaluate --test --all-nodes");
    let apart = |request: &&Value| {
        let group = |node: &str| {
            list(&request["answers"])
                .iter()
                .position(|group| list(&group["nodes"]).contains(&node.into()))
        };
        let (ours, others) = (group(NODE), group("eu-gw-001"));
        assert!(ours.is_some() && others.is_some(), "both are asked: {request}");
        ours != others
    };
    let of_nodes = said("policy version --all-nodes");
    let mut versions: Vec<String> =
        list(&of_nodes["nodes"]).iter().map(|node| node["version"].to_string()).collect();
    versions.sort();
    versions.dedup();
    Symptoms {
        doctor: (word(&doctor["result"]), told),
        alerts: String::from_utf8_lossy(&open.stdout).trim().parse().expect("a count"),
        decided_apart: list(&asked["requests"]).iter().filter(apart).count(),
        versions: versions.len(),
    }
}

/// R007-R011: each symptom of a conflict is seen as long as there is one, and gone after its runbook.
#[test]
fn every_symptom_of_a_conflict_is_recognised_and_gone_after_its_runbook() {
    let world = World::demo(5);
    let view = world.document("runbook show policy-version-conflicts", 0, "runbook");
    assert_eq!(
        view["symptoms"],
        serde_json::json!([
            "Policy evaluation returns unexpected results",
            "Alert PolicyVersionMismatch is firing",
            "The error \"policy version conflict\" or \"bundle version mismatch\"",
            "Different nodes evaluate with different policy versions",
            "Gate decisions for the same artifact are inconsistent",
        ])
    );
    let alerts = ["PolicyVersionMismatch", "SilentDrift", "DecisionsDisagree"];
    assert_eq!(view["runbook"]["alerts"], serde_json::json!(alerts));
    assert_eq!(view["runbook"]["doctor_check"], "check.policy.version-consistency");

    let ill = symptoms(&world);
    assert_eq!(ill.doctor.0, "failed", "{ill:?}");
    // Each version with its nodes.
    assert!(ill.doctor.1.len() > 1, "{ill:?}");
    assert!(ill.doctor.1.iter().any(|line| line.contains(NODE)), "{ill:?}");
    assert!(ill.alerts > 0 && ill.decided_apart > 0 && ill.versions > 1, "{ill:?}");

    let confirm = "[confirm]\npin = \"yes\"\nsync = \"demo 3\"\nresync = \"yes\"\n\
                   [skip]\nsame_answers = \"the reload services know no safety context\"\n";
    let answers = conflict(&world, "node out of sync", confirm);
    run(&world, "policy-version-conflicts", &answers, 0);
    let well = symptoms(&world);
    let (doctor, alerts) = (("passed".to_owned(), Vec::new()), 0);
    assert_eq!(well, Symptoms { doctor, alerts, decided_apart: 0, versions: 1 });
}

/// The error of a conflict is found by its text in what nodes log, and what does not say it is not shown.
#[test]
fn what_nodes_log_is_found_by_its_text() {
    let world = World::demo(5);
    let lines = |words: &str| -> Vec<String> {
        let mut command = world.command();
        let words = format!("policy logs --last 30m --json {words}");
        let said = command.args(words.split_whitespace()).output().expect("it starts");
        let logs: Value = serde_json::from_slice(&said.stdout).expect("a document");
        let nodes = logs["nodes"].as_array().expect("nodes").iter();
        let lines = nodes.flat_map(|node| node["lines"].as_array().cloned().unwrap_or_default());
        lines.map(|line| line.to_string().to_lowercase()).collect()
    };
    let (all, reloads) = (lines(""), lines("--filter reload"));
    assert!(
        !reloads.is_empty() && reloads.iter().all(|line| line.contains("reload")),
        "{reloads:?}"
    );
    assert!(all.iter().any(|line| !line.contains("reload")), "{all:?}");
    let of_reloads = all.iter().filter(|line| line.contains("reload")).count();
    assert!(reloads.len() >= of_reloads, "none of them is missing");
    assert_eq!(lines("--filter bundle-version-mismatch"), Vec::<String>::new());
}

#[test]
fn a_run_that_waits_is_left_open_and_resumed_with_what_was_missing() {
    let world = World::demo(5);
    let answers = conflict(&world, "something else", "");
    let view = run(&world, "policy-version-conflicts", &answers, 1);
    assert_eq!(
        (&view["state"], &view["waiting"][0]["what"]),
        (&"waiting".into(), &"confirmation".into())
    );
    assert_eq!(state_of(&view, "versions"), "succeeded");
    let id = view["id"].as_str().expect("an id").to_owned();
    let file = world.file(
        "more.toml",
        "[answers]\nbring = \"pin the version\"\ncause = \"something else\"\n[confirm]\npin = \"yes\"\nsync = \"demo 3\"\n\
         [attest]\nescalate = \"Platform took over at 03:10\"\n\
         [skip]\nsame_answers = \"the reload services know no safety context\"\n",
    );
    let resumed = format!("runbook resume {id} --answers {file} --no-input");
    let view = world.document(&resumed, 0, "runbook-run");
    assert_eq!(state_of(&view, "escalate"), "succeeded", "{:?}", states(&view));
    world.check(&resumed, 2);
}

/// From an alert, a finding of the doctor or a node that drifted to a runbook whose parameters are filled in.
#[test]
fn a_runbook_is_started_from_what_was_seen_with_its_parameters_filled_in() {
    let world = World::demo(5);
    let content = desired_content(&world);
    world.check("policy status", 1);
    let told = Command::new("sqlite3")
        .arg(world.path().join("data/record.sqlite"))
        .arg("SELECT alert_ref FROM alerts WHERE kind = 'PolicyVersionMismatch'")
        .output()
        .expect("sqlite3 is there");
    let alert = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    let check = "check.policy.version-consistency";
    for (occasion, why, names_a_node) in [
        (format!("--alert {alert}"), "it answers PolicyVersionMismatch".to_owned(), true),
        // What it finds is about versions, and no node of them is named alone.
        (format!("--check {check}"), format!("it makes {check} pass"), false),
        (format!("--drift {NODE}"), format!("it makes {check} pass"), true),
    ] {
        let listed = world.document(&format!("runbook list {occasion}"), 0, "runbook-offers");
        let best = &listed["offers"][0];
        assert_eq!(
            (&best["file"], &best["why"]),
            (&"policy-version-conflicts.md".into(), &why.into())
        );
        let known = &best["parameters"];
        assert_eq!(
            (&known["version"], &known["content"]),
            (&"2.0.0".into(), &content.clone().into())
        );
        assert_eq!(known["node"].is_string(), names_a_node, "{known}");
        assert!(!occasion.contains("--drift") || known["node"] == NODE, "{known}");
        // What is told to be typed is what starts it, and nothing is missing then.
        let command = best["command"].as_str().expect("a command");
        assert!(command.contains(&format!("--set content={content}")), "{command}");
        let words = command.strip_prefix("plumb ").expect("this program");
        let node = if names_a_node { String::new() } else { format!(" --set node={NODE}") };
        let view = world.document(&format!("{words}{node} --no-input"), 1, "runbook-run");
        assert_eq!(view["waiting"][0]["step"], "bring", "{:?}", states(&view));
    }
    let run = "runbook run policy-version-conflicts --no-input";
    let view = world.document(&format!("{run} --drift {NODE}"), 1, "runbook-run");
    assert_eq!(view["waiting"][0]["step"], "bring", "{:?}", states(&view));
    // Without it somebody is asked, and another runbook is none for that.
    assert!(world.check(run, 2).stderr.contains("needs a value for"));
    let refused = world.check(&format!("runbook run supersedes-backfill --drift {NODE}"), 2).stderr;
    assert!(refused.contains("supersedes-backfill.md is no runbook for that"), "{refused}");
    assert!(refused.contains("policy-version-conflicts.md"), "{refused}");
    world.check(&format!("runbook list --check {check} --drift {NODE}"), 2);
    world.check("runbook list --runs --drift x", 2);
    assert_eq!(
        world.document("runbook list --check check.policy.clock-skew", 0, "runbook-offers"),
        serde_json::json!({ "offers": [] })
    );
}

#[test]
fn every_shipped_runbook_rehearses_green_with_a_fault_at_every_step() {
    let world = World::demo(7);
    let content = desired_content(&world);
    let digest = "0".repeat(64);
    let mut rehearsed = Vec::new();
    for (runbook, set) in [
        (
            "policy-version-conflicts",
            format!(
                "--set version=2.0.0 --set content={content} --set node={NODE} \
                 --set hub=https://hub.example"
            ),
        ),
        (
            "policy-gradual-reload",
            format!(
                "--set version=2.0.0 --set content={content} --set canary={NODE} \
                 --set label=region --set first=eu"
            ),
        ),
        ("policy-manual-rollback", String::new()),
        ("policy-stale-bundle", format!("--set node={NODE}")),
        ("policy-opa-crash", "--set node=eu-gw-001".to_owned()),
        ("policy-storage-unavailable", String::new()),
        ("alert-triage", "--set hub=https://hub.example --set owner=avery".to_owned()),
        ("supersedes-backfill", format!("--set expected=1200 --set index_log={digest}")),
    ] {
        let words = format!("runbook rehearse {runbook} {set}");
        let view = world.document(&words, 0, "rehearsal");
        assert_eq!(view["green"], true);
        let runs = view["runs"].as_array().expect("runs").iter();
        let faults = runs.flat_map(|run| run["faults"].as_array().expect("faults"));
        let faults: Vec<&str> = faults.filter_map(Value::as_str).collect();
        // What leads to others does nothing that could go wrong.
        let shown = world.document(&format!("runbook show {runbook}"), 0, "runbook");
        for step in shown["steps"].as_array().expect("steps") {
            let leads = matches!(step["kind"].as_str(), Some("branch" | "parallel" | "runbook"));
            let wrong = format!("{}: ", step["id"].as_str().expect("an id"));
            let is_tried = faults.iter().any(|fault| fault.starts_with(&wrong));
            assert!(leads || is_tried, "{runbook}: nothing goes wrong at {step}");
        }
        rehearsed.push(format!("{runbook}.md"));
    }
    let listed = world.document("runbook list", 0, "runbooks");
    let mut shipped: Vec<&str> = (listed["runbooks"].as_array().expect("runbooks").iter())
        .map(|runbook| runbook["file"].as_str().expect("a file"))
        .collect();
    rehearsed.sort();
    shipped.sort_unstable();
    assert_eq!(rehearsed, shipped);
    // Nothing was sent: every node is as it was.
    assert!(world.check("policy version --all-nodes", 1).stdout.contains("diverged"));
}

#[test]
fn a_runbook_that_cannot_reach_its_end_does_not_rehearse_green() {
    let world = World::demo(1);
    for (steps, problem) in [
        (
            "```step\nid: a\ntitle: A\ndo: {command: {argv: [job], reads_only: true}}\nsuccess: result.rows == 5\n```\n",
            "a: ",
        ),
        (
            "```step\nid: a\ntitle: A\ndo: {attest: {what: it is so}}\n```\n\
             ```step\nid: b\ntitle: B\ndo: {attest: {what: it is so}}\nwhen: steps.a.state == 'never'\n```\n",
            "",
        ),
    ] {
        let file = world.file("own.md", &own(steps));
        let view = world.document(&format!("runbook rehearse {file}"), 1, "rehearsal");
        assert_eq!(view["green"], false);
        let found = view["runs"][0]["problem"].as_str().unwrap_or_default().to_owned();
        assert!(found.starts_with(problem), "{found}");
        assert_eq!(view["never_reached"] == serde_json::json!(["b"]), problem.is_empty());
    }
    // What the parameters alone leave out is told, and no fault of the document.
    let steps = "```step\nid: a\ntitle: A\ndo: {attest: {what: it is so}}\n```\n\
        ```step\nid: b\ntitle: B\ndo: {attest: {what: it is so}}\nwhen: params.word == 'never'\n```\n";
    let file = world.file("own.md", &own(steps));
    let view = world.document(&format!("runbook rehearse {file}"), 0, "rehearsal");
    assert_eq!(
        (&view["left_out"], &view["never_reached"]),
        (&serde_json::json!(["b"]), &serde_json::json!([]))
    );
}

/// R270: while the canary is watched the others keep what they run, and a canary that is not well goes back alone.
#[test]
fn a_canary_changes_nothing_but_itself_and_goes_back_alone() {
    let world = World::demo(7);
    let runs = || -> BTreeMap<String, Value> {
        let mut command = world.command();
        let said = command.args(["policy", "version", "--all-nodes", "--json"]).output();
        let told: Value = serde_json::from_slice(&said.expect("it starts").stdout).expect("JSON");
        let nodes = told["nodes"].as_array().expect("nodes").iter();
        nodes.map(|node| (node["id"].to_string(), node["content"].clone())).collect()
    };
    let before = runs();
    let answers = format!(
        "[parameters]\nversion = \"2.0.0\"\ncontent = \"{}\"\ncanary = \"{NODE}\"\n\
         [answers]\nway = \"canary\"\n[attest]\nstaging = \"since yesterday\"\n\
         [confirm]\ncanary = \"yes\"\n",
        desired_content(&world)
    );
    let view = run(&world, "policy-gradual-reload", &answers, 1);
    assert_eq!(view["waiting"][0]["step"], "watched", "{:?}", states(&view));
    let watched = runs();
    let moved: Vec<&String> = watched
        .iter()
        .filter(|(node, content)| before[*node] != **content)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(moved, [&format!("\"{NODE}\"")]);
    let id = view["id"].as_str().expect("an id").to_owned();
    let way_back = world.file("back.toml", "[confirm]\ncanary_back = \"yes\"\n");
    let back = world.document(
        &format!("runbook resume {id} --roll-back latency --answers {way_back} --no-input"),
        1,
        "runbook-run",
    );
    assert_eq!(back["state"], "rolled_back", "{:?}", states(&back));
    assert_eq!(runs(), before);
}

/// A fleet may ask for a rehearsal of everything that changes it, whatever a document asks for itself.
#[test]
fn a_fleet_may_demand_a_green_rehearsal_of_what_changes_it() {
    let world = World::demo(5);
    let file = world.fleet_file();
    let text = fs::read_to_string(&file).expect("the fleet file");
    fs::write(&file, format!("{text}\n[runbooks]\nrehearsed_within_h = 24\n")).expect("writable");
    let words = "runbook run policy-opa-crash --set node=eu-gw-001 --no-input";
    let refused = world.check(words, 2).stderr;
    assert!(
        refused.contains("was never rehearsed here, and the fleet file asks for that")
            && refused.contains("plumb runbook rehearse policy-opa-crash"),
        "{refused}"
    );
    let reads = own("```step\nid: a\ntitle: A\ndo: {attest: {what: it is so}}\n```\n");
    let reads = world.file("own.md", &reads);
    let view = world.document(&format!("runbook run {reads} --no-input"), 1, "runbook-run");
    assert_eq!(view["waiting"][0]["step"], "a", "what changes nothing runs: {view}");
    world.check("runbook rehearse policy-opa-crash --set node=eu-gw-001", 0);
    let view = world.document(words, 1, "runbook-run");
    assert_eq!(state_of(&view, "logs"), "succeeded");
}

/// A Prometheus as far as runbooks ask it: one series for every query, and a lag that can be set.
pub(crate) fn prometheus(lag: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = vec![0; 8_192];
            let count = stream.read(&mut asked).unwrap_or_default();
            let lags = String::from_utf8_lossy(&asked[..count]).contains("oplog");
            let value = if lags { lag } else { "0" };
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{value}"]}}]}}}}"#
            );
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

/// A fleet with a Prometheus, and the folder of the job.
pub(crate) fn backfill_world(lag: &'static str) -> (World, PathBuf) {
    let world = World::demo(1);
    let folder = world.path().join("work");
    job_in(&folder);
    asks_prometheus(&world, &prometheus(lag));
    (world, folder)
}

/// Names a Prometheus in the fleet file.
pub(crate) fn asks_prometheus(world: &World, url: &str) {
    let file = world.fleet_file();
    let text = fs::read_to_string(&file).expect("the fleet file");
    let text = format!("{text}\n[prometheus]\nurl = \"{url}\"\n");
    fs::write(&file, text).expect("writable");
}

/// A run of a backfill whose program is left to itself.
pub(crate) fn running(world: &World, words: &str) -> Child {
    let answers = world.file("answers.toml", BACKFILL);
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(format!("runbook run {words} --answers {answers} --no-input").split(' '))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("USER", "avery")
        .env("PLUMBLINE_DATA_DIR", world.path().join("data"))
        .env("PLUMB_TOKEN", crate::world::CANARY)
        .current_dir(world.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Waits until the job wrote its first batch.
pub(crate) fn has_written(folder: &Path) {
    let began = Instant::now();
    while !folder.join("advisories.sqlite").exists() || edges(folder) != "500" {
        assert!(began.elapsed() < Duration::from_mins(1), "the first batch is never written");
        thread::yield_now();
    }
}

/// Puts the job, its script and its bundle into a folder; its database is made by its first call.
pub(crate) fn job_in(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/backfill");
    let scripts = "ops/devops/scripts";
    fs::create_dir_all(folder.join(scripts)).expect("a folder");
    fs::copy(from.join("backfill-job"), folder.join("backfill-job")).expect("the job is there");
    for script in ["rollback-lnm-backfill.js", "snapshot-lnm-backfill.js"] {
        let name = format!("{scripts}/{script}");
        fs::copy(from.join(&name), folder.join(&name)).expect("the script is there");
    }
    fs::write(folder.join("backfill-bundle.tgz"), "the bundle").expect("writable");
}

pub(crate) const BACKFILL: &str = "
[parameters]
expected = \"1200\"
index_log = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"
[answers]
stop_outbox = \"stopped\"
[attest]
index = \"the log has that hash\"
migrations = \"21-101 and 21-102 are there\"
transport = \"disabled\"
mirror = \"hashes compared\"
announce = \"posted in the channel of the guild\"
pause_ingest = \"CONCELIER_INGEST_ENABLED=false on all workers\"
summary = \"looked at three advisories\"
resume = \"both are enabled\"
replay = \"one event arrived\"
[[approvals]]
step = \"consent\"
group = \"Concelier Storage Guild\"
by = \"sam\"
[[approvals]]
step = \"consent\"
group = \"Platform Security\"
by = \"kim\"
";

pub(crate) fn backfill_words(folder: &Path, artifacts: &Path) -> String {
    format!(
        "supersedes-backfill --folder {} --artifacts {} --pass-freeze rehearsed",
        folder.display(),
        artifacts.display()
    )
}

pub(crate) fn edges(folder: &Path) -> String {
    count(folder, "supersedes")
}

fn count(folder: &Path, table: &str) -> String {
    let said = Command::new("sqlite3")
        .arg(folder.join("advisories.sqlite"))
        .arg(format!("SELECT count(*) FROM {table}"))
        .output()
        .expect("sqlite3 is there");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

#[test]
fn a_backfill_runs_to_its_end_and_leaves_exactly_its_evidence() {
    // R048-R076, R081-R085
    let (world, folder) = backfill_world("1");
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    assert_eq!(view["state"], "succeeded", "{:?}", states(&view));
    assert_eq!(edges(&folder), "1200");
    assert!(view["bypassed"][0].as_str().expect("loud").contains("the freeze was passed over"));
    let stamped: Vec<String> = files(&root.join("aoc-supersedes"));
    let artifacts = PathBuf::from(view["artifacts"].as_str().expect("a folder"));
    assert_eq!(stamped, [artifacts.file_name().expect("a name").to_string_lossy()]);
    assert_eq!(
        files(&artifacts),
        [
            "SHA256SUMS",
            "command.json",
            "consistency.json",
            "dry-run.json",
            "report.json",
            "violations.json"
        ]
    );
    let read = |name: &str| fs::read_to_string(artifacts.join(name)).expect("it was kept");
    let command: Value = serde_json::from_str(&read("command.json")).expect("JSON");
    assert_eq!(command["argv"][1], "--batch-size=500");
    let violations: Value = serde_json::from_str(&read("violations.json")).expect("JSON");
    assert_eq!(violations["violations"], 0);
    assert!(read("SHA256SUMS").contains("  backfill-bundle.tgz"));
    let sums = read("SHA256SUMS");
    let report = sums.lines().find(|line| line.ends_with("  report.json")).expect("its digest");
    let said =
        Command::new("sha256sum").arg(artifacts.join("report.json")).output().expect("it runs");
    assert!(
        String::from_utf8_lossy(&said.stdout).starts_with(report.split(' ').next().expect("hex"))
    );
    let id = view["id"].as_str().expect("an id");
    assert!(world.check(&format!("journal verify {id}"), 0).stdout.contains("complete"));
}

#[test]
fn a_backfill_that_errs_is_taken_back_and_unfrozen() {
    // R077-R080
    for (fault, second_level) in [("fault-error", false), ("fault-violation", true)] {
        let (world, folder) = backfill_world("1");
        fs::write(folder.join(fault), "").expect("writable");
        if second_level {
            fs::write(folder.join("fault-rollback"), "").expect("writable");
        }
        let root = world.path().join("artifacts");
        let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 1);
        assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
        let restored = if second_level { "succeeded" } else { "waiting" };
        assert_eq!(state_of(&view, "restore"), restored);
        assert_eq!(state_of(&view, "consistency"), "waiting");
        assert_eq!(view["frozen_until_ms"], Value::Null);
        // By the script or by the snapshot: what the window wrote is gone, and what was before it is there.
        assert_eq!(edges(&folder), "0", "{fault}");
        assert_eq!(count(&folder, "advisory_raw"), "1200", "{fault}");
        let calls = fs::read_to_string(folder.join("calls.log")).expect("calls");
        assert_eq!(calls.contains("snapshot restore"), second_level, "{calls}");
    }
}

/// R080: a snapshot that is not what was taken is no way back: the fleet stays frozen until somebody did it by
/// hand.
#[test]
fn a_restored_snapshot_that_is_another_one_waits_for_somebody() {
    let (world, folder) = backfill_world("1");
    for fault in ["fault-violation", "fault-rollback", "fault-restore"] {
        fs::write(folder.join(fault), "").expect("writable");
    }
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 1);
    assert_eq!(view["waiting"][0]["step"], "by_hand", "{:?}", states(&view));
    assert_eq!(state_of(&view, "restore"), "failed");
    let steps = view["steps"].as_array().expect("steps");
    let restore = steps.iter().find(|step| step["id"] == "restore").expect("the step");
    let detail = restore["detail"].as_str().expect("text");
    assert!(detail.contains("steps.snapshot.result.sha256 does not hold"), "{detail}");
    assert!(view["frozen_until_ms"].is_i64(), "nothing is lifted");
    let id = view["id"].as_str().expect("an id");
    let answers = BACKFILL.replace("[attest]\n", "[attest]\nby_hand = \"restored and compared\"\n");
    let file = world.file("more.toml", &answers);
    let resumed = format!("runbook resume {id} --answers {file} --no-input");
    let view = world.document(&resumed, 1, "runbook-run");
    assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
    assert_eq!(view["frozen_until_ms"], Value::Null);
}

#[test]
fn a_frozen_fleet_is_changed_by_nobody_else() {
    let (world, folder) = backfill_world("1");
    let root = world.path().join("artifacts");
    // Nobody says how the publisher was silenced, so the run stays open, frozen.
    let answers = BACKFILL.replace("stop_outbox = \"stopped\"", "");
    let view = run(&world, &backfill_words(&folder, &root), &answers, 1);
    assert_eq!(view["waiting"][0]["step"], "stop_outbox");
    assert!(view["frozen_until_ms"].is_i64());
    let refused = world.check("policy sync --force --all-nodes --yes --reason INC-1", 1).stdout;
    assert!(refused.contains("supersedes backfill"), "{refused}");
    let id = view["id"].as_str().expect("an id").to_owned();
    let back = format!("runbook resume {id} --no-input --roll-back changed-our-minds");
    let file = world.file("back.toml", BACKFILL);
    let view = world.document(&format!("{back} --answers {file}"), 1, "runbook-run");
    assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
    world.check("policy sync --force --all-nodes --yes --reason INC-1", 0);
}

#[test]
fn a_program_killed_in_the_middle_of_the_job_sends_it_never_again() {
    let (world, folder) = backfill_world("1");
    fs::write(folder.join("slow"), "").expect("writable");
    let root = world.path().join("artifacts");
    let answers = world.file("answers.toml", BACKFILL);
    let words = backfill_words(&folder, &root);
    let mut program = running(&world, &words);
    has_written(&folder);
    program.kill().expect("it is there");
    program.wait().expect("it ends");
    fs::remove_file(folder.join("slow")).expect("it is there");
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    let resumed = format!("runbook resume {id} --answers {answers} --no-input");
    let view = world.document(&resumed, 1, "runbook-run");
    assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
    assert_eq!(state_of(&view, "backfill"), "in_doubt");
    assert_eq!(edges(&folder), "0", "its window is taken back, and the job was ended first");
    assert!(world.check(&format!("journal verify {id}"), 0).stdout.contains("complete"));
}

/// A guide of one's own with these steps.
pub(crate) fn own(steps: &str) -> String {
    format!(
        "---\ntitle: Own\ncomponent: It\nseverity: low\non_call_scope: Us\nowners: {{run: Us}}\n\
         last_updated: 2026-03-02\nparameters:\n  - {{name: word, type: text, ask: Which?, default: x}}\n\
         ---\n# Own\n\n{steps}"
    )
}

#[test]
fn a_document_that_nobody_vouches_for_runs_only_by_its_phrase() {
    let world = World::demo(1);
    let text = own(
        "```step\nid: a\ntitle: A\ndo: {command: {argv: [/bin/echo, '${word}'], reads_only: true}}\n```\n",
    );
    let file = world.file("own.md", &text);
    let path = format!("{}/{}", world.path().display(), "own.md");
    assert_eq!(file, path);
    let refused = world.check(&format!("runbook run {file} --no-input"), 4).stderr;
    let phrase = refused.split('"').nth(1).expect("the phrase").to_owned();
    assert!(phrase.starts_with("run "), "{refused}");
    let mut command = world.command();
    // Words that a shell would read stay words.
    let word = "word=$(touch /tmp/never); `id` | cat";
    command.args([
        "runbook",
        "run",
        &file,
        "--no-input",
        "--json",
        "--accept",
        &phrase,
        "--set",
        word,
    ]);
    let said = world.check_command(&mut command, "runbook run own.md", 0);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(view["trusted"].as_str().map(|said| said.starts_with("accepted by ")), Some(true));
    let asks = view["steps"][0]["asks"].as_str().expect("what it ran");
    assert!(asks.contains("'$(touch /tmp/never); `id` | cat'"), "{asks}");
    // Another byte, another phrase.
    fs::write(&file, format!("{text}\nMore prose.\n")).expect("writable");
    let mut command = world.command();
    command.args(["runbook", "run", &file, "--no-input", "--accept", &phrase]);
    world.check_command(&mut command, "runbook run own.md", 4);
}

/// A person at a terminal is asked for what a file would tell otherwise, and chooses by number or by word.
#[test]
fn a_person_at_a_terminal_is_asked_the_same_questions() {
    let world = World::demo(1);
    let steps = "```step\nid: seen\ntitle: Seen\ndo: {question: {ask: How many?, choices: [odd, even]}}\n```\n\
                 ```step\nid: told\ntitle: Told\ndo: {attest: {what: '${word} was told'}}\n```\n";
    let file = world.file("own.md", &own(steps));
    let program = env!("CARGO_BIN_EXE_plumb");
    let mut terminal = Command::new("script")
        .args(["-qefc", &format!("{program} runbook run {file}"), "/dev/null"])
        .env("PLUMBLINE_DATA_DIR", world.path().join("data"))
        .env("TERM", "dumb")
        .current_dir(world.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there");
    let mut typed = terminal.stdin.take().expect("it is piped");
    typed.write_all(b"mara\n2\nby phone\n").expect("it listens");
    let said = terminal.wait_with_output().expect("it ends");
    drop(typed);
    let said_text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{said_text}");
    for asked in ["Which? [x]", "How many?", "2  even", "Attest: mara was told. What did you see?"]
    {
        assert!(said_text.contains(asked), "{asked}: {said_text}");
    }
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    let steps = &runs["runs"][0]["steps"];
    assert_eq!((&steps[0]["detail"], &steps[1]["detail"]), (&"even".into(), &"by phone".into()));
}

#[test]
fn requests_go_to_listed_hosts_only_and_secrets_stay_out_of_everything() {
    let world = World::demo(1);
    let url = prometheus("0");
    let host = url.trim_start_matches("http://").to_owned();
    let steps = format!(
        "```step\nid: ask\ntitle: Ask\ndo: {{http: {{method: GET, url: '{url}/x', headers: {{authorization: 'secret:env:PLUMB_TOKEN'}}}}}}\n```\n\
         ```step\nid: show\ntitle: Show\ndo: {{command: {{argv: [/usr/bin/printenv], environment: {{GIVEN: 'secret:env:PLUMB_TOKEN'}}, reads_only: true}}}}\n```\n\
         ```step\nid: keep\ntitle: Keep\ndo: {{capture: {{from: {{output: show}}, into: env.txt}}}}\n```\n"
    );
    let file = world.file("own.md", &own(&steps));
    let refused = world.check(&format!("runbook run {file} --no-input"), 2).stderr;
    assert!(refused.contains(&format!("{host} is not a listed host")), "{refused}");
    let listed = format!("runbook run {file} --no-input --allow-host {host}");
    let refused = world.check(&listed, 4).stderr;
    let phrase = refused.split('"').nth(1).expect("the phrase").to_owned();
    let mut command = world.command();
    command.args(listed.split(' ')).args(["--json", "--accept", &phrase]);
    let said = world.check_command(&mut command, &listed, 0);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    let artifacts = PathBuf::from(view["artifacts"].as_str().expect("a folder"));
    let kept = fs::read_to_string(artifacts.join("env.txt")).expect("it was kept");
    assert!(kept.contains("GIVEN=[secret env:PLUMB_TOKEN]"), "{kept}");
    assert!(!kept.contains("HOME="), "a clean environment: {kept}");
    let id = view["id"].as_str().expect("an id");
    let exported = world.path().join("journal.jsonl");
    world.check(&format!("journal export {id} -o {}", exported.display()), 0);
    let journal = fs::read_to_string(exported).expect("the journal");
    assert!(!journal.contains(crate::world::CANARY), "no secret in the journal");

    // The name of a secret is none: what is bound by a hash is in the evidence, not left out.
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let said =
        signing(&world, &format!("evidence capture --run {id} --no-ask --output run.zip"), 0);
    assert!(!said.stdout.contains(".jsonl"), "{}", said.stdout);
    let inside = world.document("evidence inspect run.zip", 0, "evidence-contents").to_string();
    for name in ["journal.jsonl", "runbook.json"] {
        assert!(inside.contains(&format!("runs/{id}/{name}")), "{name}: {inside}");
    }
}
