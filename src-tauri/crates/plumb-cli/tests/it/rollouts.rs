//! Rollouts on a terminal: planned, run by their hash, left open, picked up by another program, brought back.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::world::World;

/// One node behind and one ahead, which stand on agents of the demo fleet.
const TWO: &str = "plan sync --node us-gw-001 --node us-gw-002";
const CANARY: &str = "--canary us-gw-001 --gate-convergence 100 --gate-attest answers-as-it-should";

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// Version and content a node was last seen to run.
fn runs(world: &World, node: &str) -> (String, String) {
    let words = format!("policy version --node {node}");
    let said = world.command().args(words.split(' ')).arg("--json").output().expect("starts");
    let document: Value = serde_json::from_slice(&said.stdout).expect("a document");
    let node = &document["nodes"][0];
    (text(&node["version"]), text(&node["content"]))
}

/// A rollout that was left open at the gate of its canary.
fn left_open(world: &World, nodes: &str) -> String {
    let plan = world.document(&format!("{nodes} {CANARY}"), 0, "plan");
    let run = world.document(&format!("run {} --yes", text(&plan["hash"])), 1, "run");
    assert_eq!(run["phase"], "paused");
    assert_eq!(run["rollout"]["waves"][0]["waits_for_attestation"], true);
    text(&run["id"])
}

/// R270, R283: a canary that somebody looks at, then the rest.
#[test]
fn a_rollout_is_planned_run_to_an_attestation_and_resumed_to_its_end() {
    let world = World::demo(7);
    let said = world.check(&format!("{TWO} {CANARY} -o plan.json"), 0).stdout;
    assert!(said.contains("wave 1: canary (1 node)  us-gw-001"), "{said}");
    assert!(said.contains("then somebody attests: answers-as-it-should"), "{said}");
    let next = said.lines().find_map(|line| line.strip_prefix("run it: plumb ")).expect("a hint");
    let next = next.trim_end_matches(" --yes");
    // The copied line makes the same plan, and so does the same rollout from a file.
    let plan = world.document(&format!("{TWO} {CANARY}"), 0, "plan");
    let line = text(&plan["cli"]);
    let again = world.document(line.strip_prefix("plumb ").expect("a command"), 0, "plan");
    assert_eq!(again["hash"], plan["hash"], "{line}");
    let file = world.file(
        "rollout.toml",
        "[shape]\nshape = \"shares\"\ncanary = \"us-gw-001\"\npercent = []\n\n[gate]\n\
         convergence_percent = 100\nattest = \"answers-as-it-should\"\n",
    );
    let of_file = world.document(&format!("{TWO} --rollout {file}"), 0, "plan");
    assert_eq!(of_file["hash"], plan["hash"]);
    let bytes = std::fs::read(world.path().join("plan.json")).expect("the plan is written");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let hex = digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(plan["hash"], hex.as_str());

    world.check(next, 4);
    let said = world.check(&format!("{next} --yes"), 1);
    assert!(said.stderr.contains("wave 1 of 2 (canary)"), "{}", said.stderr);
    let resume = said
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("plumb "))
        .expect("the next command");
    let (resume, _) =
        resume.split_once(" --attest 1 --note 'WHAT YOU SAW'").expect("an attestation");
    world.check(&format!("{resume} --attest 1"), 2);
    let run = world.document(&format!("{resume} --attest 1 --note looked-at-it"), 0, "run");
    assert_eq!((&run["phase"], &run["arrived"]), (&"succeeded".into(), &2.into()));
    let id = text(&run["id"]);
    let shown = world.check(&format!("runs show {id}"), 0).stdout;
    assert!(shown.contains("wave 2 of 2 (100 %)  ✓ passed"), "{shown}");
    let attested = shown.lines().find(|line| line.contains("attested by avery")).expect("a note");
    assert!(attested.ends_with(": looked-at-it"), "{shown}");
    assert!(world.check(&format!("journal verify {id}"), 0).stdout.contains("complete"));
    // It ran: the plan is of no use any more.
    let outdated = world.check(&format!("{next} --yes"), 4).stderr;
    assert!(outdated.contains("a plan runs once"), "{outdated}");
    world.check(&format!("{resume} --abort"), 2);
}

#[test]
fn a_rollout_that_halts_is_brought_back() {
    let world = World::demo(7);
    let before = runs(&world, "us-gw-001");
    // The second one loads files.
    let id = left_open(&world, "plan sync --node us-gw-001 --node us-ledger-001");
    assert_ne!(runs(&world, "us-gw-001"), before);
    // It refuses what it cannot find.
    let bundle = world.path().join("demo/bundles/payments-2.0.0.signed.json");
    let elsewhere = world.path().join("elsewhere.json");
    std::fs::rename(&bundle, &elsewhere).expect("a bundle");
    let halted = world.check(&format!("run resume {id} --attest 1 --note looked"), 1);
    assert!(halted.stdout.contains("halted"), "{}", halted.stdout);
    assert!(halted.stderr.contains("--roll-back 'WHY'"), "{}", halted.stderr);
    std::fs::rename(&elsewhere, &bundle).expect("a bundle");
    let back =
        world.document(&format!("run resume {id} --roll-back refunds-are-refused"), 1, "run");
    assert_eq!(back["phase"], "rolled_back");
    assert!(text(&back["rollout"]["rollback"]).ends_with(": refunds-are-refused"), "{back}");
    assert_eq!(runs(&world, "us-gw-001"), before);
    assert!(world.check(&format!("runs show {id}"), 1).stdout.contains("brought back: avery"));
}

#[test]
fn a_gate_is_passed_over_loudly() {
    let world = World::demo(7);
    let id = left_open(&world, TWO);
    world.check(&format!("run resume {id} --skip-gate 1"), 2);
    world.check(&format!("run resume {id} --skip-gate 0 --reason night"), 2);
    let said = world.check(&format!("run resume {id} --skip-gate 1 --reason night"), 0);
    let loud = |text: &str| {
        text.lines().any(|line| {
            line.starts_with("the gate of wave 1 was passed over by avery")
                && line.ends_with(": night")
        })
    };
    assert!(loud(&said.stdout) && loud(&said.stderr), "{said:?}");
    assert!(loud(&world.check(&format!("runs show {id}"), 0).stdout));
}

#[test]
fn a_run_that_was_left_open_is_aborted() {
    let world = World::demo(7);
    let id = left_open(&world, TWO);
    let shown = world.check(&format!("runs show {id}"), 1).stdout;
    assert!(shown.contains(&format!("  plumb run abort {id}")), "{shown}");
    let ended = world.document(&format!("run abort {id}"), 1, "run");
    assert_eq!((&ended["phase"], &ended["arrived"]), (&"aborted".into(), &1.into()));
    world.check(&format!("run abort {id}"), 2);
}

#[test]
fn a_canary_that_waits_for_a_person_is_brought_back() {
    let world = World::demo(7);
    let before = runs(&world, "us-gw-001");
    let id = left_open(&world, TWO);
    let back = world.document(&format!("run resume {id} --roll-back it-is-slow"), 1, "run");
    assert_eq!(back["phase"], "rolled_back");
    assert_eq!(back["rollout"]["waves"][0]["waits_for_attestation"], false);
    assert_eq!(runs(&world, "us-gw-001"), before);
}

#[test]
fn a_rollout_that_is_interrupted_stays_open() {
    let world = World::demo(7);
    let plan = world.document(&format!("{TWO} --canary us-gw-001 --soak 10m"), 0, "plan");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["--data-dir", "data", "run", &text(&plan["hash"]), "--yes"])
        .current_dir(world.path())
        .env("USER", "avery")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines =
        BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let at_gate = |line: &String| line.starts_with("wave 1 of 2") && line.ends_with("at its gate");
    assert!(lines.by_ref().any(|line| at_gate(&line)), "it gets to its gate");
    let interrupt = ["-INT", &child.id().to_string()].map(str::to_owned);
    assert!(std::process::Command::new("kill").args(interrupt).status().expect("kill").success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{rest:?}");
    let abort = rest.iter().find_map(|line| line.trim().strip_prefix("plumb run abort "));
    let id = abort.expect("the run is open");
    assert_eq!(world.document(&format!("runs show {id}"), 1, "run")["phase"], "paused");
    world.check(&format!("run abort {id}"), 1);
}

#[test]
fn a_rollout_that_cannot_be_is_refused() {
    let mut world = World::demo(7);
    for words in [
        "--shares 50,10",
        "--shares 10 --one-by-one",
        "--gate-attest nothing-to-gate",
        "--blue-green half",
        "--canary nobody-of-that-name",
        "--rollout nowhere.toml",
    ] {
        world.check(&format!("{TWO} {words}"), 2);
    }
    let file = world.file("wrong.toml", "[shape]\nshape = \"shares\"\npercent = []\nfast = true\n");
    let said = world.check(&format!("{TWO} --rollout {file}"), 2).stderr;
    assert!(said.contains("fast"), "{said}");
    world.check("run 0123", 2);
    world.check(&format!("run {}", "0".repeat(64)), 2);
    let plan = world.document(&format!("{TWO} --one-by-one"), 0, "plan");
    world.stop();
    world.check(&format!("{TWO} --one-by-one"), 3);
    // What is not there any more does not start.
    world.check(&format!("run {} --yes", text(&plan["hash"])), 4);
}
