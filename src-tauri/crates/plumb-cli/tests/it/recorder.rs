//! The recorder: what was done in a terminal, copied as a step and recorded as a runbook that runs.

use serde_json::Value;

use crate::{
    runbooks::{desired_content, own},
    world::World,
};

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

/// Every action of this program, as a command line, as curl where a node is asked over HTTP, and as a step that
/// is sound.
#[test]
fn every_action_of_the_program_copies_in_all_three_forms() {
    let world = World::demo(7);
    let content = desired_content(&world);
    for (words, verbs) in [
        (format!("policy sync --node {NODE}"), &["sync"][..]),
        (format!("policy sync --force --node {NODE}"), &["sync"]),
        (format!("policy pin --version 2.0.0 --content {content} --node {NODE}"), &["pin"]),
        (
            format!("policy pin --version 2.0.0 --content {content} --sync --node {NODE}"),
            &["pin", "sync"],
        ),
        (format!("policy rollback --node {NODE}"), &["rollback"]),
        (format!("service restart policy-engine --node {NODE}"), &["restart"]),
        (
            format!("policy resolve-conflict --to-version 2.0.0 --content {content}"),
            &["pin", "sync"],
        ),
        (format!("policy config set deployment.locking true --node {NODE}"), &["set_config"]),
    ] {
        let step = world.check(&format!("{words} --as-step"), 0).stdout;
        for verb in verbs {
            assert!(step.contains(&format!("verb: {verb}")), "{words}: {step}");
        }
        let file = world.file("copied.md", &own(&step));
        let sound = world.document(&format!("runbook check {file}"), 0, "runbook-check");
        assert_eq!(sound["problems"], serde_json::json!({}), "{words}: {step}");
        let mut command = world.command();
        command.args(words.split(' ')).args(["--dry-run", "--json"]);
        let said = command.output().expect("it starts");
        let document: Value = serde_json::from_slice(&said.stdout).expect("a document");
        let plan = &document["plan"];
        assert_eq!(plan["steps"], step.as_str(), "{words}");
        let cli = plan["cli"].as_str().expect("a command line");
        assert!(cli.starts_with("plumb --fleet demo "), "{words}: {cli}");
        let curl = plan["curl"].as_array().expect("requests");
        let asks = !plan["empty"].as_bool().expect("known");
        assert!(!asks || !curl.is_empty(), "{words}: {plan:#}");
        for request in curl {
            assert!(request.as_str().expect("text").starts_with("curl "), "{words}: {request}");
        }
    }
    assert_eq!(world.document("runs list", 0, "runs")["runs"], serde_json::json!([]));
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
