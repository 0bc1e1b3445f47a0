//! What a run takes back: what may have changed something, and nothing else.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    runbooks::{conflict, own, run, state_of, states},
    world::World,
};

/// What nobody confirmed never happened, and is not taken back: pins that others made would be lifted.
#[test]
fn what_was_not_confirmed_is_not_taken_back() {
    let world = World::demo(5);
    let view = run(&world, "policy-version-conflicts", &conflict(&world, "polling", ""), 1);
    assert_eq!(view["waiting"][0]["step"], "pin");
    let id = view["id"].as_str().expect("an id").to_owned();
    let said = world.check(&format!("runbook resume {id} --roll-back mistaken --no-input"), 2);
    assert!(said.stderr.contains("there is nothing to take back"), "{}", said.stderr);
    let view = world.document(&format!("runbook resume {id} --abort --no-input"), 1, "runbook-run");
    assert_eq!(view["state"], "aborted", "{:?}", states(&view));
    assert_eq!(state_of(&view, "unpin"), "waiting", "there was nothing to lift");
}

/// A command that could not be started changed nothing: its way back would take back what others did. It is done once
/// more when it is there.
#[test]
fn a_command_that_never_began_is_not_taken_back_and_may_be_done_once_more() {
    let world = World::demo(1);
    let job = world.path().join("job");
    let steps = format!(
        "```step\nid: change\ntitle: Change\ndo: {{command: {{argv: ['{job}', do]}}}}\nrollback: undo\n```\n\
         ```step\nid: undo\ntitle: Undo\ndo: {{command: {{argv: ['{job}', undo]}}}}\n```\n",
        job = job.display()
    );
    let file = world.file("own.md", &own(&steps));
    let refused = world.check(&format!("runbook run {file} --no-input"), 4).stderr;
    let phrase = refused.split('"').nth(1).expect("the phrase").to_owned();
    let mut command = world.command();
    command.args(["runbook", "run", &file, "--no-input", "--json", "--accept", &phrase]);
    let said = world.check_command(&mut command, "runbook run own.md", 1);
    let view: serde_json::Value = serde_json::from_str(&said.stdout).expect("a document");
    let waiting = &view["waiting"][0];
    let reason = waiting["text"].as_str().expect("a reason");
    assert!(reason.contains("did not start"), "{reason}");
    assert_eq!(waiting["choices"], serde_json::json!(["again", "abort"]));
    let id = view["id"].as_str().expect("an id");
    let back = format!("runbook resume {id} --no-input --roll-back to-be-sure");
    let said = world.check(&back, 2);
    assert!(said.stderr.contains("there is nothing to take back"), "{}", said.stderr);
    fs::write(&job, format!("#!/bin/sh\necho $1 >> '{}.log'\n", job.display())).expect("writable");
    fs::set_permissions(&job, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let again = format!("runbook resume {id} --no-input --again");
    let view = world.document(&again, 0, "runbook-run");
    assert_eq!(view["state"], "succeeded", "{:?}", states(&view));
    assert_eq!(state_of(&view, "undo"), "waiting");
    let log = fs::read_to_string(job.with_extension("log")).expect("it was run");
    assert_eq!(log, "do\n");
}
