//! Runs of runbooks that people of a roster consent to on machines of their own, and runbooks they signed.

use std::fs;

use serde_json::{Value, json};

use crate::{
    approvals::{carry, company, document, second_machine, signing, text},
    runbooks::{own, state_of, states},
    world::World,
};

const APPROVED: &str = "---\ntitle: Careful\ncomponent: It\nseverity: low\non_call_scope: Us\n\
    owners: {run: Operations, approvals: [Storage, Platform Security]}\nlast_updated: 2026-03-02\n---\n\
    # Careful\n\n```step\nid: consent\ntitle: Both groups consent\ndo: {approval: {what: the change}}\n```\n\n\
    ```step\nid: look\ntitle: Look\ndo: {attest: {what: it is changed}}\n```\n";

/// A world whose fleet a roster rules.
fn ruled() -> (World, String) {
    let world = World::demo(1);
    let fleet = company(&world);
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    (world, fleet)
}

/// R090-R092: who runs it, and two groups who approve it, each a person on a machine of their own.
#[test]
fn both_groups_consent_on_machines_of_their_own_and_nobody_else_can() {
    let (world, fleet) = ruled();
    world.file("careful.md", APPROVED);
    world.file("answers.toml", "[attest]\nlook = \"it is\"\n");
    let path = world.path().join("careful.md").display().to_string();
    let left = document(&world, &format!("runbook|run|{path}|--no-input|--person|rick"), 1);
    assert_eq!(left["waiting"][0]["groups"], json!(["Storage", "Platform Security"]));
    let id = text(&left["id"]).to_owned();
    let asked = document(&world, &format!("runbook|request|{id}|-o|request.json"), 0);
    assert_eq!((&asked["operator"], &asked["what"]), (&left["operator"], &json!("the change")));

    for name in ["mara", "piet"] {
        let other = second_machine(&world, &fleet, name);
        carry(&world, &other, "request.json");
        let words = format!("approve|--request|request.json|--key|{name}.key|-o|{name}.json");
        let unasked = signing(&other, &words, 4);
        assert!(unasked.stdout.contains("Both groups consent"), "{}", unasked.stdout);
        assert!(!other.path().join(format!("{name}.json")).exists(), "nothing is signed unasked");
        let signed = document(&other, &format!("{words}|--yes"), 0);
        assert_eq!(signed["person"], name);
        carry(&other, &world, &format!("{name}.json"));
    }
    // A name is not enough, and somebody of another group is none.
    let named = "[[approvals]]\nstep = \"consent\"\ngroup = \"Storage\"\nby = \"mara\"\n";
    world.file("named.toml", named);
    let words = format!("runbook|resume|{id}|--no-input|--answers|named.toml");
    let said = signing(&world, &words, 1);
    assert!(said.stderr.contains("whoever approves signs"), "{}", said.stderr);
    let words = "approve|--request|request.json|--key|rick.key|--yes|-o|rick.json";
    let refused = signing(&world, words, 2);
    assert!(refused.stderr.contains("whoever runs it does not approve it"), "{}", refused.stderr);

    // One of two leaves it open; the other, later, ends it.
    let resume = format!("runbook|resume|{id}|--no-input|--answers|answers.toml");
    let one = document(&world, &format!("{resume}|--approval|mara.json"), 1);
    assert_eq!(one["waiting"][0]["groups"], json!(["Platform Security"]));
    let both = document(&world, &format!("{resume}|--approval|mara.json|--approval|piet.json"), 0);
    assert_eq!(both["state"], "succeeded", "{:?}", states(&both));
    assert_eq!(state_of(&both, "consent"), "succeeded");
    let journal = world.path().join("journal.jsonl");
    world.check(&format!("journal export {id} -o {}", journal.display()), 0);
    let told = fs::read_to_string(&journal).expect("the journal");
    assert_eq!(told.matches("payloadType").count(), 2, "both signatures stand in it");

    // What was signed for one run says nothing about the next, and a path that is mistyped starts none.
    let start = format!("runbook|run|{path}|--no-input|--person|rick");
    let said = signing(&world, &format!("{start}|--approval|mara.json|--json"), 1);
    let next: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(next["waiting"][0]["groups"], json!(["Storage", "Platform Security"]));
    assert!(said.stderr.contains("not used: the approval in mara.json"), "{}", said.stderr);
    let runs = || document(&world, "runbook|list|--runs", 0)["runs"].as_array().map(Vec::len);
    let before = runs();
    signing(&world, &format!("{start}|--approval|mara.json|--approval|no-such.json"), 2);
    assert_eq!(runs(), before);
}

#[test]
fn the_mailbox_of_the_hub_carries_the_request_and_the_answers() {
    let (world, _) = ruled();
    let words = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];
    let (_, token) = crate::hub::token(&world, "admin");
    let hub = crate::serving::Served::start(&world, &words, "hub-started");
    let file = world.fleet_file();
    let whole = fs::read_to_string(&file).expect("the fleet file");
    let section = format!(
        "{whole}\n[hub]\nurl = \"{}\"\ncredential = {{ command = [\"cat\", \"{token}\"] }}\n",
        hub.url()
    );
    fs::write(&file, section).expect("writable");
    world.file("careful.md", APPROVED);
    world.file("answers.toml", "[attest]\nlook = \"it is\"\n");
    let path = world.path().join("careful.md").display().to_string();
    let left = document(&world, &format!("runbook|run|{path}|--no-input|--person|rick"), 1);
    let id = text(&left["id"]).to_owned();
    let asked = document(&world, &format!("runbook|request|{id}|-o|request.json"), 0);
    fs::remove_file(world.path().join("request.json")).expect("it was written");

    let plan = text(&asked["plan"]);
    for name in ["mara", "piet"] {
        let words = format!("approve|--from-hub|{plan}|--key|{name}.key|--yes");
        let signed = document(&world, &words, 0);
        assert_eq!((&signed["person"], &signed["run"]), (&json!(name), &json!(id)));
    }
    let resume = format!("runbook|resume|{id}|--no-input|--answers|answers.toml");
    let both = document(&world, &resume, 0);
    assert_eq!(both["state"], "succeeded", "{:?}", states(&both));
    let other = "0".repeat(64);
    let none = signing(&world, &format!("approve|--from-hub|{other}|--key|mara.key|--yes"), 2);
    assert!(none.stderr.contains("holds no request"), "{}", none.stderr);
    hub.stop();
}

#[test]
fn a_runbook_that_somebody_of_the_roster_signed_runs_without_its_phrase() {
    let (world, _) = ruled();
    let step = "```step\nid: a\ntitle: A\ndo: {command: {argv: [/bin/echo, hello], reads_only: true}}\n```\n";
    world.file("own.md", &own(step));
    let path = world.path().join("own.md").display().to_string();
    let words = format!("runbook|run|{path}|--no-input");
    signing(&world, &words, 4);
    let signed = document(&world, &format!("runbook|sign|{path}|--key|piet.key"), 0);
    assert!(text(&signed["signature"]).ends_with("own.md.sig.json"));
    let view = document(&world, &words, 0);
    assert_eq!(view["trusted"], "signed by piet");
    // One byte more, and it is another runbook.
    let whole = fs::read_to_string(world.path().join("own.md")).expect("the runbook");
    fs::write(world.path().join("own.md"), format!("{whole}\n")).expect("writable");
    signing(&world, &words, 4);
    fs::write(world.path().join("own.md"), &whole).expect("writable");
    document(&world, &words, 0);
    // A key that the roster does not name vouches for nothing.
    signing(&world, "key|new|eve|--file|eve.key", 0);
    signing(&world, &format!("runbook|sign|{path}|--key|eve.key"), 0);
    signing(&world, &words, 4);
    // What cannot be read is signed by nobody.
    let odd: Value = document(&world, "runbook|check|own.md", 0);
    assert_eq!(odd["problems"], json!({}));
    world.file("odd.md", "---\ntitle: Odd\n---\n");
    let odd = world.path().join("odd.md").display().to_string();
    signing(&world, &format!("runbook|sign|{odd}|--key|piet.key"), 2);
}
