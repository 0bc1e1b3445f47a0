//! Evidence on a terminal: captured and sealed beside a fleet, verified by somebody who has only the file.

use std::fs;

use serde_json::Value;

use crate::world::{CANARY, Said, World};

pub(crate) const PASSPHRASE: &str = "a passphrase of tests";

/// Runs a command that signs with the key file.
#[track_caller]
pub(crate) fn signing(world: &World, words: &str, exit: i32) -> Said {
    let mut command = world.command();
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    world.check_command(command.args(words.split_whitespace()), words, exit)
}

/// A fleet on which a run was carried out, with its id.
pub(crate) fn run() -> (World, String) {
    let world = World::demo(5);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    signing(&world, "policy sync --node us-gw-001", 0);
    let runs = world.document("runs list --no-sweep", 0, "runs");
    let run = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    (world, run)
}

fn checks(view: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let checks = view["checks"].as_array().expect("checks").iter();
    checks.map(|check| (word(&check["name"]), word(&check["result"]))).collect()
}

#[test]
fn a_run_is_captured_sealed_and_verified_by_somebody_who_was_not_there() {
    let (world, run) = run();
    let said = signing(&world, &format!("evidence capture --run {run} --output run.zip"), 0);
    assert!(said.stdout.contains("planted secrets was found in it"), "{}", said.stdout);
    assert!(said.stdout.contains("missing: convergence certificate"), "{}", said.stdout);
    let again = signing(&world, &format!("evidence capture --run {run} --output run.zip"), 5);
    assert!(again.stderr.contains("run.zip is there already"), "{}", again.stderr);

    let stranger = World::empty();
    for file in ["run.zip", "console.pem"] {
        fs::copy(world.path().join(file), stranger.path().join(file)).expect("copied");
    }
    let view = stranger.document("evidence verify run.zip --key console.pem", 0, "evidence");
    let results = checks(&view);
    for (name, wanted) in [
        ("signature", "passed"),
        ("signer", "passed"),
        ("hashes", "passed"),
        ("journal", "passed"),
        ("plan", "passed"),
        ("redaction", "passed"),
        ("certificate", "absent"),
        ("role", "absent"),
    ] {
        assert!(results.contains(&(name.to_owned(), wanted.to_owned())), "{results:?}");
    }
    assert_eq!(view["evidence"]["runs"][0]["run"], run);
    assert!(!stranger.path().join("data").exists(), "no store is opened for a file");
    let unknown = stranger.check("evidence verify run.zip", 1).stdout;
    assert!(unknown.contains("nobody here knows its key"), "{unknown}");
    // At home the console knows itself.
    assert!(world.check("evidence open run.zip", 0).stdout.contains("every promise holds"));
    let inside = stranger.document("evidence inspect run.zip", 0, "evidence-contents");
    let names: Vec<&str> = inside["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|e| e["name"].as_str())
        .collect();
    for name in [
        "report.html",
        "fleet/nodes.jsonl",
        "nodes/answers.jsonl",
        "doctor/doctor.json",
        "pictures/versions.svg",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let page = stranger.check("evidence report run.zip", 0).stdout;
    assert!(page.contains(&run) && !page.contains("<script"), "{page}");
}

#[test]
fn one_byte_of_an_archive_is_enough_to_fail_it() {
    let (world, run) = run();
    signing(&world, &format!("evidence capture --run {run} --no-ask --output run.zip"), 0);
    let mut bytes = fs::read(world.path().join("run.zip")).expect("readable");
    let name = b"fleet/fleet.json";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a header");
    bytes[at + name.len() + 2] ^= 1;
    fs::write(world.path().join("bad.zip"), &bytes).expect("written");
    let view = world.document("evidence verify bad.zip", 1, "evidence");
    assert_eq!(view["broken"], "fleet/fleet.json");
    fs::write(world.path().join("short.zip"), &bytes[..bytes.len() / 2]).expect("written");
    assert!(world.check("evidence verify short.zip", 1).stdout.contains("the file is cut off"));
    world.check("evidence verify nowhere.zip", 2);
    world.check("evidence inspect console.pem", 2);
}

#[test]
fn what_nodes_and_command_lines_hold_leaves_no_token_in_the_archive() {
    let (world, _) = run();
    // The fleet's own rule, and a secret on the command line.
    let folder = world.fleet_file();
    let rules = folder.parent().expect("a folder").join("redaction.toml");
    fs::write(&rules, "[[patterns]]\nname = \"node\"\npattern = \"us-gw-00[0-9]\"\n")
        .expect("written");
    let words = "evidence capture --last 2h --output state.zip --node us-gw-001";
    let mut command = world.command();
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    world.check_command(command.args(words.split_whitespace()), words, 0);
    let unpacked = world.path().join("unpacked");
    let done = std::process::Command::new("unzip")
        .args(["-q", "state.zip", "-d", "unpacked"])
        .current_dir(world.path())
        .status();
    assert!(done.expect("unzip is there").success());
    let nodes = fs::read_to_string(unpacked.join("fleet/nodes.jsonl")).expect("text");
    assert_eq!(nodes.lines().count(), 1, "{nodes}");
    assert!(!nodes.contains("us-gw-001") && nodes.contains("redacted-"), "{nodes}");
    assert!(!nodes.contains(CANARY));
    let command = fs::read_to_string(unpacked.join("console/command.json")).expect("text");
    assert!(command.contains("capture") && !command.contains("us-gw-001"), "{command}");
    fs::write(&rules, "off = [\"nothing\"]\n").expect("written");
    let refused = signing(&world, "evidence capture --last 2h --output other.zip", 2);
    assert!(refused.stderr.contains("redaction.toml"), "{}", refused.stderr);
}

#[test]
fn a_folder_is_filled_now_and_sealed_later() {
    let (world, run) = run();
    let view = world.document(
        &format!("evidence capture --run {run} --no-ask --draft folder"),
        0,
        "evidence-capture",
    );
    assert_eq!(view["runs"][0], run);
    let held = world.check("evidence verify folder", 0).stdout;
    assert!(held.contains("nothing is sealed yet"), "{held}");
    signing(&world, "evidence seal folder --output late.zip", 0);
    world.check("evidence verify late.zip", 0);
    world.check(&format!("evidence capture --run {run} --draft folder"), 2);
    fs::write(world.path().join("folder/entries/console/command.json"), "{}").expect("written");
    let broken = world.check("evidence verify folder", 1).stdout;
    assert!(broken.contains("console/command.json was altered"), "{broken}");
    let refused = signing(&world, "evidence seal folder --output bad.zip", 5);
    assert!(refused.stderr.contains("was altered or removed"), "{}", refused.stderr);
    let preview =
        world.check(&format!("evidence capture --run {run} --no-ask --preview"), 0).stdout;
    assert!(preview.contains("nothing was kept"), "{preview}");
}

#[test]
fn whoever_has_the_map_and_its_passphrase_sees_what_a_token_stands_for() {
    let (world, run) = run();
    let words = format!("evidence capture --run {run} --no-ask --map tokens.map --output run.zip");
    signing(&world, &words, 0);
    let kept = fs::read_to_string(world.path().join("tokens.map")).expect("a map");
    let page = world.check("evidence report run.zip", 0).stdout;
    let all = signing(&world, "evidence unmask tokens.map", 0).stdout;
    // The longest: a short one may well stand in a page as part of a word.
    let tokens = all.lines().filter_map(|line| line.split_once("  "));
    let (token, secret) = tokens.max_by_key(|(_, secret)| secret.len()).expect("a token");
    assert!(token.starts_with("redacted-") && !kept.contains(secret), "{all}");
    assert!(!page.contains(secret), "{secret}");
    let one = signing(&world, &format!("evidence unmask tokens.map {token}"), 0).stdout;
    assert_eq!(one, format!("{token}  {secret}\n"));
    signing(&world, "evidence unmask tokens.map redacted-0", 1);
    let mut command = world.command();
    command.env("PLUMBLINE_KEY_PASSPHRASE", "another one that is wrong");
    command.args(["evidence", "unmask", "tokens.map"]);
    world.check_command(&mut command, "evidence unmask", 2);
}

#[test]
fn two_archives_differ_by_what_they_mean() {
    let (world, run) = run();
    let capture = |to: &str, run: &str| {
        signing(&world, &format!("evidence capture --run {run} --no-ask --output {to}"), 0);
    };
    capture("one.zip", &run);
    capture("two.zip", &run);
    let same = world.document("evidence diff one.zip two.zip", 0, "evidence-diff");
    assert_eq!(same["differences"], serde_json::json!([]));
    signing(&world, "policy rollback --node us-gw-001", 0);
    let runs = world.document("runs list --no-sweep", 0, "runs");
    let back = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    capture("back.zip", &back);
    let differ = world.document("evidence diff one.zip back.zip", 1, "evidence-diff");
    let found = differ["differences"].as_array().expect("a list");
    let about = |what: &str| found.iter().any(|one| one["what"] == what);
    assert!(about("run 1: plan") && about("run 1: node us-gw-001"), "{found:?}");
}

#[test]
fn the_demo_job_ends_with_sealed_evidence() {
    let world = World::empty();
    let view = world.document("demo --headless --nodes 3 --evidence job.zip", 0, "demo-headless");
    assert!(view["evidence"]["sealed"]["planted"].as_u64().expect("a number") > 50);
    let stranger = World::empty();
    for file in ["job.zip", "job.zip.pem"] {
        fs::copy(world.path().join(file), stranger.path().join(file)).expect("copied");
    }
    let verdict = stranger.document("evidence verify job.zip --key job.zip.pem", 0, "evidence");
    assert_eq!(verdict["holds"], true);
    assert!(checks(&verdict).contains(&("journal".to_owned(), "passed".to_owned())));
    let folder = crate::evidence_live::holds_for_others(&world, "job.zip");
    let log = fs::read_to_string(folder.join("console/log.jsonl")).expect("text");
    assert!(log.contains("\"swept\""), "what the job told of itself is in it: {log}");
}

#[test]
fn a_chart_is_drawn_from_what_was_noted() {
    let (world, _) = run();
    for what in ["timeline", "raster", "reloads", "age"] {
        let svg = world.check(&format!("chart {what} --no-sweep"), 0).stdout;
        assert!(svg.starts_with("<svg") && svg.contains("<title>"), "{svg}");
    }
    world.check("chart timeline --output timeline.svg", 0);
    assert!(world.path().join("timeline.svg").exists());
    let view = world.document("chart timeline", 0, "history");
    assert!(!view["lanes"].as_array().expect("lanes").is_empty());
    let refused = world.check("chart age --last 60d", 2).stderr;
    assert!(refused.contains("30 days"), "{refused}");
}

#[test]
fn evidence_is_verified_and_told_where_there_is_no_network_at_all() {
    let (world, run) = run();
    signing(&world, &format!("evidence capture --run {run} --no-ask --output run.zip"), 0);
    for words in [
        "verify run.zip --key console.pem",
        "open run.zip --key console.pem",
        "inspect run.zip",
        "report run.zip",
        "diff run.zip run.zip",
    ] {
        let plumb = world.command();
        let mut command = std::process::Command::new("unshare");
        // A network of its own, without a route and with its loopback down.
        command.args(["--map-root-user", "--net"]).arg(plumb.get_program());
        for (name, value) in plumb.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = plumb.get_current_dir() {
            command.current_dir(folder);
        }
        command.args(plumb.get_args()).arg("evidence").args(words.split_whitespace());
        world.check_command(&mut assert_cmd::Command::from_std(command), words, 0);
    }
}
