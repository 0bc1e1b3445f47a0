//! A freeze that nobody lifts: found by the doctor, told as an alert, lifted by hand with a reason.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    runbooks::{BACKFILL, backfill_words, backfill_world, edges, has_written, run, running},
    world::World,
};

const CHECK: &str = "doctor --check check.policy.freeze-left-behind";

/// What the check says, and its evidence.
fn doctor(world: &World, exit: i32) -> (String, String) {
    let view = world.document(CHECK, exit, "doctor");
    let check = &view["checks"][0];
    let evidence = check["evidence"].as_array().expect("evidence");
    let lines: Vec<&str> = evidence.iter().filter_map(|line| line["detail"].as_str()).collect();
    (check["result"].as_str().expect("a result").to_owned(), lines.join("\n"))
}

/// The newest alert about it in the inbox of this console.
fn alert(world: &World) -> Option<Value> {
    let said = Command::new("sqlite3")
        .arg(world.path().join("data/record.sqlite"))
        .arg(
            "SELECT json_object('message', message, 'resolved_at', resolved_at) FROM alerts \
             WHERE kind = 'FreezeLeftBehind' ORDER BY created_at DESC LIMIT 1",
        )
        .output()
        .expect("sqlite3 is there");
    serde_json::from_slice(&said.stdout).ok()
}

#[test]
fn a_freeze_of_a_run_that_was_given_up_is_found_told_and_lifted_by_hand() {
    let (world, folder) = backfill_world("1");
    let root = world.path().join("artifacts");
    // Nobody says how the publisher was silenced, so the run waits, frozen.
    let answers = BACKFILL.replace("stop_outbox = \"stopped\"", "");
    let view = run(&world, &backfill_words(&folder, &root), &answers, 1);
    let id = view["id"].as_str().expect("an id").to_owned();
    // It waits within its lease, for somebody who is expected: that is no finding.
    assert_eq!(doctor(&world, 0).0, "passed");
    let early = world.check(&format!("runbook unfreeze {id} --reason INC-1"), 2).stderr;
    assert!(early.contains("nobody left its freeze behind"), "{early}");
    let aborted =
        world.document(&format!("runbook resume {id} --no-input --abort"), 1, "runbook-run");
    assert_eq!(aborted["state"], "aborted");
    assert!(aborted["frozen_until_ms"].is_i64(), "an abort changes nothing, and lifts nothing");
    let (result, evidence) = doctor(&world, 1);
    assert_eq!(result, "failed");
    assert!(evidence.contains("supersedes backfill") && evidence.contains(&id), "{evidence}");
    assert!(evidence.contains("its run ended at"), "{evidence}");
    let told = alert(&world).expect("the look of the doctor told the inbox");
    assert!(told["message"].as_str().expect("text").contains(&format!("unfreeze {id}")), "{told}");
    world.check("policy sync --force --all-nodes --yes --reason INC-1", 1);

    // A reason and the phrase, or nothing.
    let lift = format!("runbook unfreeze {id}");
    world.check(&lift, 2);
    let refused = world.check(&format!("{lift} --reason the-guild-is-done"), 4).stderr;
    assert!(refused.contains("\"unfreeze demo\""), "{refused}");
    let mut command = world.command();
    command.args(lift.split(' ')).args(["--reason", "the guild is done", "--json"]);
    command.args(["--confirm", "unfreeze demo"]);
    let said = world.check_command(&mut command, &lift, 0);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(view["frozen_until_ms"], Value::Null);
    let step = view["steps"].as_array().expect("steps").iter().find(|step| step["id"] == "freeze");
    let detail = step.expect("the step")["detail"].as_str().expect("text").to_owned();
    assert!(detail.starts_with("lifted by avery@") && detail.ends_with(": the guild is done"));

    // It stands in the journal of the run, which is whole, and what it kept back goes on.
    let verdict = world.check(&format!("journal verify {id}"), 0).stdout;
    assert!(verdict.contains("complete"), "{verdict}");
    let journal = world.path().join("journal.jsonl");
    world.check(&format!("journal export {id} -o {}", journal.display()), 0);
    assert!(fs::read_to_string(&journal).expect("the journal").contains("the guild is done"));
    world.check(&format!("journal verify {}", journal.display()), 0);
    assert_eq!(doctor(&world, 0).0, "passed");
    assert_ne!(alert(&world).expect("it stays in the list")["resolved_at"], Value::Null);
    world.check("policy sync --force --all-nodes --yes --reason INC-1", 0);
    world.check(&format!("{lift} --reason again --confirm x"), 2);
}

#[test]
fn a_freeze_of_a_killed_program_is_found_at_once_and_not_lifted_over_one_that_lives() {
    let (world, folder) = backfill_world("1");
    fs::write(folder.join("slow"), "").expect("writable");
    let answers = world.file("answers.toml", BACKFILL);
    let words = backfill_words(&folder, &world.path().join("artifacts"));
    let mut program = running(&world, &words);
    has_written(&folder);
    assert_eq!(doctor(&world, 0).0, "passed", "somebody carries it out");
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    let refused = world.check(&format!("runbook unfreeze {id} --reason INC-1"), 5).stderr;
    assert!(refused.contains("is carried out now"), "{refused}");
    program.kill().expect("it is there");
    program.wait().expect("it ends");
    fs::remove_file(folder.join("slow")).expect("it is there");
    let (result, evidence) = doctor(&world, 1);
    assert_eq!(result, "failed");
    assert!(evidence.contains("was killed"), "{evidence}");
    // Whoever goes on with the run lifts it on the way.
    let view = world.document(
        &format!("runbook resume {id} --answers {answers} --no-input"),
        1,
        "runbook-run",
    );
    assert_eq!(view["state"], "rolled_back");
    assert_eq!(doctor(&world, 0).0, "passed");
}

/// Lifts the freeze of a run by hand, as the phrase asks for.
fn lifted(world: &World, id: &str) -> Value {
    let mut command = world.command();
    command.args(["runbook", "unfreeze", id, "--reason", "the guild is done", "--json"]);
    command.args(["--confirm", "unfreeze demo"]);
    let said = world.check_command(&mut command, "unfreeze", 0);
    serde_json::from_str(&said.stdout).expect("a document")
}

fn detail_of(view: &Value, id: &str) -> String {
    let step = view["steps"].as_array().expect("steps").iter().find(|step| step["id"] == id);
    step.expect("the step")["detail"].as_str().expect("text").to_owned()
}

/// A run that waits at a step because its answer is missing, and whose program was killed there.
fn killed_waiting(world: &World, folder: &std::path::Path, missing: &str) -> String {
    let root = world.path().join("artifacts");
    let answers: String = BACKFILL
        .lines()
        .filter(|line| !line.starts_with(&format!("{missing} ")))
        .flat_map(|line| [line, "\n"])
        .collect();
    let view = run(world, &backfill_words(folder, &root), &answers, 1);
    let id = view["id"].as_str().expect("an id").to_owned();
    fs::write(world.path().join(format!("data/runs/{id}.lock")), "").expect("writable");
    id
}

#[test]
fn a_run_whose_freeze_was_lifted_by_hand_changes_nothing_more() {
    let (world, folder) = backfill_world("1");
    let id = killed_waiting(&world, &folder, "stop_outbox");
    assert_eq!(lifted(&world, &id)["frozen_until_ms"], Value::Null);
    let answers = world.file("answers.toml", BACKFILL);
    let resume = format!("runbook resume {id} --answers {answers} --no-input");
    let view = world.document(&resume, 1, "runbook-run");
    assert_eq!(view["state"], "halted");
    let refused = detail_of(&view, "backfill");
    assert!(refused.contains("was lifted by hand"), "{refused}");
    assert_eq!(edges(&folder), "0", "nothing was written unfrozen");
}

#[test]
fn a_freeze_that_the_journal_does_not_tell_of_is_lifted_with_its_reason_and_not_taken_again() {
    let (world, folder) = backfill_world("1");
    let id = killed_waiting(&world, &folder, "announce");
    // Its program was killed between the freeze and the word of it.
    let taken = Command::new("sqlite3")
        .arg(world.path().join("data/record.sqlite"))
        .arg(
            "INSERT INTO freeze (run_id, step, fleet, reason, since_ms, until_ms) \
             SELECT id, 'freeze', fleet, 'supersedes backfill', 0, 32503680000000 FROM run",
        )
        .status()
        .expect("sqlite3 is there");
    assert!(taken.success());
    let detail = detail_of(&lifted(&world, &id), "freeze");
    assert!(detail.ends_with(": the guild is done"), "{detail}");
    let journal = world.path().join("journal.jsonl");
    world.check(&format!("journal export {id} -o {}", journal.display()), 0);
    assert!(fs::read_to_string(&journal).expect("the journal").contains("the guild is done"));

    let answers = world.file("answers.toml", BACKFILL);
    let resume = format!("runbook resume {id} --answers {answers} --no-input");
    let view = world.document(&resume, 1, "runbook-run");
    assert_eq!(view["state"], "halted");
    let refused = detail_of(&view, "freeze");
    assert!(refused.contains("was lifted by hand"), "{refused}");
    assert!(!folder.join("advisories.sqlite").exists(), "nothing was even counted");
}

/// A freeze that cannot be read is told as that, and hides nothing else of what a sweep shows.
#[test]
fn a_freeze_that_cannot_be_read_hides_no_other_alert_and_no_other_check() {
    let world = World::demo(5);
    let sqlite = |words: &str| {
        let said = Command::new("sqlite3")
            .arg(world.path().join("data/record.sqlite"))
            .arg(words)
            .output()
            .expect("sqlite3 is there");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    sqlite("INSERT INTO freeze VALUES (x'00', 'freeze', 'demo', 'torn', 1, 2, NULL, NULL)");
    let view = world.document("doctor", 1, "doctor");
    let checks = view["checks"].as_array().expect("checks");
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).expect("the check");
    let freezes = of("check.policy.freeze-left-behind");
    assert_eq!(freezes["result"], "not_known");
    let summary = freezes["summary"].as_str().expect("text");
    assert!(summary.contains("could not be looked for"), "{summary}");
    assert_eq!(of("check.policy.version-consistency")["result"], "failed");
    let told = sqlite("SELECT DISTINCT kind FROM alerts ORDER BY kind");
    assert!(told.contains("PolicyVersionMismatch") && told.contains("SilentDrift"), "{told}");
    assert!(!told.contains("FreezeLeftBehind"), "{told}");
}
