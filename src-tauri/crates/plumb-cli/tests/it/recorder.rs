//! The recorder: what was done in a terminal, copied as a step and recorded as a runbook that runs.

use serde_json::Value;

use crate::world::World;

const NODE: &str = "us-gw-001";

#[test]
fn every_action_copies_as_a_step() {
    let world = World::demo(7);
    let said = world.check(&format!("policy sync --node {NODE} --as-step"), 0);
    assert_eq!(
        said.stdout,
        format!(
            "```step\nid: sync\ntitle: 'Bring the nodes to the desired version'\n\
             do: {{action: {{verb: sync, nodes: '{NODE}'}}}}\n```\n"
        )
    );
    let two = "policy rollback --node us-gw-001,us-gw-002 --as-step";
    assert!(world.check(two, 0).stdout.contains("nodes: 'us-gw-001,us-gw-002'"));
    // Nothing was done.
    assert_eq!(world.document("runs list", 0, "runs")["runs"], serde_json::json!([]));
    let document = world.document(&format!("policy sync --node {NODE} --dry-run"), 0, "action");
    assert!(document["plan"]["steps"].as_str().is_some_and(|steps| steps.contains("verb: sync")));
}

#[test]
fn what_was_done_is_recorded_checked_rehearsed_and_run_again() {
    let world = World::demo(7);
    world.check("runbook record", 2);
    world.check(&format!("policy sync --node {NODE}"), 0);
    let file = world.path().join("again.md").display().to_string();
    let record = format!("runbook record --output {file}");
    let made = world.document(&record, 0, "runbook-recorded");
    assert_eq!(made["left_out"], serde_json::json!([]));
    world.check(&record, 2);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), made["text"]);
    let sound = world.document(&format!("runbook check {file}"), 0, "runbook-check");
    assert_eq!(sound["problems"], serde_json::json!({}));
    let rehearsal = world.document(&format!("runbook rehearse {file}"), 0, "rehearsal");
    assert_eq!(rehearsal["green"], true);
    // The dry run of another node is a real one, and what is confirmed is what it told.
    let phrase = {
        let asked = world.check(&format!("runbook run {file} --no-input --set nodes=us-gw-002"), 4);
        let at = asked.stderr.find("\"run ").expect("a phrase");
        asked.stderr[at + 1..at + 17].to_owned()
    };
    let answers = world
        .file("answers.toml", "[parameters]\nnodes = \"us-gw-002\"\n[confirm]\nsync = \"yes\"\n");
    let mut command = world.command();
    command.args(["runbook", "run", &file, "--no-input", "--json", "--answers", &answers]);
    command.args(["--accept", &phrase]);
    let said = world.check_command(&mut command, "run the recorded runbook", 0);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(view["state"], "succeeded");
    let state = |id: &str| {
        let steps = view["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["id"] == id).expect("the step")["state"].clone()
    };
    assert_eq!(
        (state("dry_sync"), state("sync"), state("back_sync")),
        ("succeeded".into(), "succeeded".into(), "waiting".into())
    );
}
