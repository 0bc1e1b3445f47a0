//! Consent on a terminal: keys, a roster, a request, answers from another machine, and the run.

use std::fs;

use plumb_testkit::peer::verify_dsse;
use serde_json::{Value, json};

use crate::world::{Said, World};

const PASSPHRASE: &str = "a passphrase of tests";
const NAMES: [&str; 4] = ["vault", "rick", "mara", "piet"];

/// Runs a command with the passphrase of every key file; words are separated by `|`, so that one may
/// hold spaces.
#[track_caller]
pub(crate) fn signing(world: &World, words: &str, exit: i32) -> Said {
    let mut command = world.command();
    command.env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    world.check_command(command.args(words.split('|')), words, exit)
}

#[track_caller]
pub(crate) fn document(world: &World, words: &str, exit: i32) -> Value {
    let said = signing(world, &format!("{words}|--json"), exit);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// Where a plan is made and started, with keys of everybody, and the name of its fleet.
pub(crate) fn company(world: &World) -> String {
    for name in NAMES {
        let kind = if name == "piet" { "|--p256" } else { "" };
        signing(world, &format!("key|new|{name}|--file|{name}.key{kind}"), 0);
        let keys = document(world, &format!("key|show|{name}"), 0);
        fs::write(world.path().join(format!("{name}.pub")), text(&keys["keys"][0]["pem"]))
            .expect("writable");
    }
    let fleet = "demo".to_owned();
    signing(world, "roster|new|--root|vault=vault.pub|-o|draft.json", 0);
    let draft = fs::read(world.path().join("draft.json")).expect("a draft");
    let mut draft: Value = serde_json::from_slice(&draft).expect("JSON");
    for (name, groups) in [
        ("rick", &["operations", "on-call"][..]),
        ("mara", &["storage", "on-call"]),
        ("piet", &["platform-security"]),
    ] {
        let keys = document(world, &format!("key|show|{name}"), 0);
        draft["people"][name] = json!({
            "name": name.to_uppercase(),
            "groups": groups,
            "keys": [{"key": keys["keys"][0]["public_key"]}],
        });
    }
    let rule = json!({
        "quorums": [{"count": 1, "of": ["storage"]}, {"count": 1, "of": ["platform-security"]}],
        "valid_h_max": 8,
        "dry_run": false,
        // All day long, so that the test may run at any hour.
        "night_rollback": {"from_utc": "00:00:00", "until_utc": "23:59:59.999999999"},
    });
    draft["environments"]["careful"] = json!({ "rule": rule });
    draft["fleets"][&fleet] = json!("careful");
    fs::write(world.path().join("draft.json"), draft.to_string()).expect("writable");
    signing(world, "roster|sign|draft.json|--key|vault.key|-o|roster.json", 0);
    fleet
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A second machine of somebody who approves: nothing but the roster, and a key.
pub(crate) fn second_machine(world: &World, fleet: &str, name: &str) -> World {
    let other = World::empty();
    for file in ["roster.json", "vault.pub", &format!("{name}.key")] {
        fs::copy(world.path().join(file), other.path().join(file)).expect("copies");
    }
    let enrol = format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}");
    signing(&other, &enrol, 0);
    other
}

pub(crate) fn carry(from: &World, to: &World, file: &str) {
    fs::copy(from.path().join(file), to.path().join(file)).expect("copies");
}

/// What would be lost with a key is known before it is retired, while mara has consented and piet not.
#[track_caller]
fn simulated_retirement(world: &World, plan: &Value) {
    // The request of rick stays.
    let key = text(&document(world, "key|show|mara", 0)["keys"][0]["fingerprint"]).to_owned();
    let without = document(world, &format!("trust|simulate|--retire|{key}"), 1);
    let broken = without["broken"].as_array().expect("a list");
    assert_eq!(broken.len(), 1, "{without:#}");
    assert_eq!(
        (&broken[0]["kind"], &broken[0]["node"], &broken[0]["role"], &broken[0]["version"]),
        (&json!("approval"), &json!("mara"), &json!("approve"), plan)
    );
    let root = text(&document(world, "key|show|vault", 0)["keys"][0]["fingerprint"]).to_owned();
    let without = document(world, &format!("trust|simulate|--retire|{root}"), 1);
    let acts: Vec<&str> = without["broken"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| text(&one["role"]))
        .collect();
    assert_eq!(acts.len(), 2, "{without:#}");
    let said = signing(world, &format!("trust|simulate|--retire|{root}"), 1).stdout;
    assert!(said.contains("0 of the 1 root keys it needs"), "{said}");
}

/// R091, R092: two groups on machines of their own, and whoever asks is neither.
#[test]
fn a_plan_starts_when_both_groups_consented_on_machines_of_their_own() {
    let world = World::demo(5);
    let fleet = company(&world);
    let verified = document(&world, "roster|verify|roster.json|--root|vault.pub", 0);
    assert_eq!((&verified["version"], &verified["threshold"]), (&json!(1), &json!(1)));
    let refused = signing(&world, &format!("roster|enrol|roster.json|--fleet|{fleet}"), 2);
    assert!(refused.stderr.contains("--root FILE"), "{}", refused.stderr);
    let foreign = "roster|verify|roster.json|--root|mara.pub";
    assert!(signing(&world, foreign, 2).stderr.contains("none of the trusted keys"));
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);

    // From here on no plan starts without consent, and it must be known who asks.
    let sync = "policy|sync|--node|us-gw-001";
    let unknown = signing(&world, &format!("{sync}|--yes"), 2);
    assert!(unknown.stderr.contains("--person ID"), "{}", unknown.stderr);
    let early = signing(&world, &format!("{sync}|--yes|--person|rick"), 2);
    assert!(early.stderr.contains("has not signed the request"), "{}", early.stderr);

    let asked = format!("{sync}|--person|rick|--key|rick.key|--request|change.json");
    let said = signing(&world, &asked, 0).stdout;
    assert!(said.contains("rick asks for approval of plan "), "{said}");
    assert!(said.contains("1 of storage, and 1 of platform-security"), "{said}");
    let list = document(&world, "approvals|list", 1);
    assert_eq!(list["plans"][0]["may_approve"], json!(["mara", "piet"]));

    for name in ["mara", "piet"] {
        let other = second_machine(&world, &fleet, name);
        carry(&world, &other, "change.json");
        let words = format!("approve|--request|change.json|--key|{name}.key|-o|{name}.json");
        let unasked = signing(&other, &words, 4);
        assert!(unasked.stdout.contains("1 node from"), "{}", unasked.stdout);
        assert!(!other.path().join(format!("{name}.json")).exists(), "nothing is signed unasked");
        let signed = document(&other, &format!("{words}|--yes"), 0);
        assert_eq!((&signed["person"], &signed["act"]), (&json!(name), &json!("approve")));
        assert_eq!(signed["request"]["targets"], 1);
        carry(&other, &world, &format!("{name}.json"));
    }
    // A verifier that is not ours reads what `plumb approve` wrote, of both kinds of key.
    for name in ["mara", "piet"] {
        let read = |file: String| fs::read(world.path().join(file)).expect("readable");
        let key = String::from_utf8(read(format!("{name}.pub"))).expect("PEM");
        let statement = verify_dsse(&read(format!("{name}.json")), &key).expect("Python accepts");
        let statement: Value = serde_json::from_str(&statement).expect("JSON");
        assert_eq!(statement["predicate"]["person"], name);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], list["plans"][0]["plan"]);
        verify_dsse(&read("change.json".to_owned()), &key).expect_err("no envelope");
    }

    let one = document(&world, "approvals|add|mara.json", 1);
    assert_eq!(one["plans"][0]["missing"], json!(["1 of platform-security"]));
    simulated_retirement(&world, &list["plans"][0]["plan"]);
    let still = signing(&world, &format!("{sync}|--yes|--person|rick"), 2);
    assert!(still.stderr.contains("missing 1 of platform-security"), "{}", still.stderr);
    let both = world.document("approvals add piet.json", 0, "approvals");
    assert_eq!(both["plans"][0]["consented"], true);

    let done = signing(&world, &format!("{sync}|--yes|--person|rick"), 0);
    assert!(done.stdout.contains("us-gw-001"), "{}", done.stdout);
    // The run used them up.
    let spent = document(&world, "approvals|list", 1);
    let codes: Vec<&str> = spent["plans"][0]["void"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|void| text(&void["code"]))
        .collect();
    assert_eq!(codes, ["replayed", "replayed"]);
}

#[test]
fn a_refusal_stops_it_and_a_changed_request_is_not_answered() {
    let world = World::demo(5);
    let fleet = company(&world);
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let asked = "policy|sync|--node|us-gw-001|--person|rick|--key|rick.key|--request|change.json";
    signing(&world, asked, 0);
    let other = second_machine(&world, &fleet, "mara");
    carry(&world, &other, "change.json");
    let no = "approve|--request|change.json|--refuse|--reason|not on a Friday|--key|mara.key|--yes|-o|no.json";
    signing(&other, no, 0);
    carry(&other, &world, "no.json");
    let added = signing(&world, "approvals|add|no.json", 1);
    assert!(added.stdout.contains("mara refused: not on a Friday"), "{}", added.stdout);
    let stopped = signing(&world, "policy|sync|--node|us-gw-001|--yes|--person|rick", 2);
    assert!(stopped.stderr.contains("mara refused: not on a Friday"), "{}", stopped.stderr);

    // Somebody changes the request on its way.
    let request = fs::read_to_string(other.path().join("change.json")).expect("a request");
    let changed = request.replace("\"deadline_s\": 30", "\"deadline_s\": 31");
    assert_ne!(changed, request);
    fs::write(other.path().join("change.json"), changed).expect("writable");
    let yes = "approve|--request|change.json|--key|mara.key|--yes|-o|yes.json";
    let refused = signing(&other, yes, 2);
    assert!(refused.stderr.contains("its requester signed something else"), "{}", refused.stderr);
    assert!(!other.path().join("yes.json").exists());
    // Whoever asks does not answer.
    carry(&world, &other, "change.json");
    carry(&world, &other, "rick.key");
    let own = "approve|--request|change.json|--key|rick.key|--yes|-o|own.json";
    let refused = signing(&other, own, 2);
    assert!(refused.stderr.contains("no group of rick has a say"), "{}", refused.stderr);
}

#[test]
fn a_roster_does_not_go_back() {
    let world = World::demo(5);
    let fleet = company(&world);
    let enrol = |file: &str, exit: i32| {
        let words = format!("roster|enrol|{file}|--fleet|{fleet}");
        signing(&world, &words, exit).stderr
    };
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let draft = fs::read_to_string(world.path().join("draft.json")).expect("a draft");
    let newer = draft.replace("\"version\":1", "\"version\":2");
    assert_ne!(newer, draft);
    fs::write(world.path().join("newer.json"), newer).expect("writable");
    signing(&world, "roster|sign|newer.json|--key|vault.key|-o|second.json", 0);
    enrol("second.json", 0);
    let older = enrol("roster.json", 2);
    assert!(older.contains("older than version 2"), "{older}");
    let stranger = signing(&world, "roster|sign|newer.json|--key|mara.key|-o|x.json", 2);
    assert!(stranger.stderr.contains("is no root key of this roster"), "{}", stranger.stderr);
    let shown = world.document("roster show", 0, "roster");
    assert_eq!(shown["version"], 2);
    let keys = world.document("key list", 0, "keys");
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_rollback_at_night_is_listed_until_somebody_else_looked_at_it() {
    let world = World::demo(5);
    let fleet = company(&world);
    // There must be something to go back to.
    world.check("policy sync --node us-gw-001", 0);
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let back = "policy|rollback|--node|us-gw-001|--person|rick|--yes";
    let refused = signing(&world, back, 2);
    assert!(refused.stderr.contains("has not signed the request"), "{}", refused.stderr);
    // Another action does not start so.
    let sync =
        "policy|sync|--node|eu-gw-002|--person|rick|--yes|--key|rick.key|--at-night|it denies";
    assert!(signing(&world, sync, 2).stderr.contains("only a rollback to last-known-good may"));
    // Nor does anybody start one in the name of rick.
    let other = signing(&world, &format!("{back}|--key|mara.key|--at-night|it denies"), 2);
    assert!(other.stderr.contains("mara"), "{}", other.stderr);
    signing(&world, &format!("{back}|--key|rick.key|--at-night|it denies everything"), 0);
    let due = document(&world, "approvals|list", 1);
    let run = text(&due["reviews"][0]["run"]).to_owned();
    assert_eq!(due["reviews"][0]["reason"], "it denies everything");
    assert_eq!(due["reviews"][0]["overdue"], false);
    // It is told wherever the run is, and in its journal.
    let shown = signing(&world, &format!("runs|show|{run}"), 0).stdout;
    let loud = |text: &str| {
        text.lines().any(|line| {
            line.contains("it began without approvals by ")
                && line.contains(": it denies everything")
        })
    };
    assert!(loud(&shown), "{shown}");
    let listed = signing(&world, "runs|list", 0).stdout;
    assert!(loud(&listed) && listed.contains("BYPASSED"), "{listed}");
    signing(&world, &format!("journal|export|{run}|-o|night.jsonl"), 0);
    let journal = fs::read_to_string(world.path().join("night.jsonl")).expect("a journal");
    assert_eq!(journal.matches("\"approvals\"").count(), 1, "{journal}");
    let own = format!("approvals|review|{run}|--note|fine|--key|rick.key");
    assert!(signing(&world, &own, 2).stderr.contains("no group of rick has a say"));
    let review = format!("approvals|review|{run}|--note|it was right to|--key|mara.key");
    signing(&world, &review, 0);
    assert!(signing(&world, &review, 2).stderr.contains("no review of run"));
    let none = document(&world, "approvals|list", 1);
    assert_eq!(none["reviews"], json!([]));
}

#[test]
fn a_rollout_in_waves_is_asked_for_dry_run_and_started_by_its_hash() {
    let world = World::demo(7);
    let fleet = company(&world);
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let waves =
        "plan|sync|--node|us-gw-001|--node|us-gw-002|--canary|us-gw-001|--gate-convergence|100";
    let plan = document(&world, &format!("{waves}|--person|rick"), 0);
    let hash = text(&plan["hash"]).to_owned();
    let report = world.document(&format!("plan dry-run {hash}"), 0, "dry-run");
    assert_eq!((&report["plan"], &report["hindered"]), (&plan["hash"], &json!(0)), "{report:#}");
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(2));
    let said = world.check(&format!("run {hash} --dry-run --person rick"), 0).stdout;
    assert!(said.contains("every node was asked, nothing was changed"), "{said}");
    assert!(said.contains(text(&report["digest"])), "the same is found again: {said}");

    let asked =
        signing(&world, &format!("{waves}|--person|rick|--key|rick.key|--request|change.json"), 0);
    assert!(asked.stdout.contains("rick asks for approval of plan "), "{}", asked.stdout);
    for name in ["mara", "piet"] {
        let other = second_machine(&world, &fleet, name);
        carry(&world, &other, "change.json");
        let words = format!("approve|--request|change.json|--key|{name}.key|--yes|-o|{name}.json");
        let said = signing(&other, &words, 0).stdout;
        assert!(said.contains("2 nodes: "), "what the dry run found is shown: {said}");
        assert!(said.contains(text(&report["digest"])), "{said}");
        carry(&other, &world, &format!("{name}.json"));
    }
    signing(&world, "approvals|add|mara.json|piet.json", 0);
    let run = document(&world, &format!("run|{hash}|--yes|--person|rick"), 0);
    assert_eq!((&run["phase"], &run["arrived"]), (&json!("succeeded"), &json!(2)), "{run:#}");
}

/// A rollout that both groups consented to, left open at the gate of its canary.
fn consented_and_left_open(world: &World, fleet: &str) -> String {
    signing(world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let plan = "plan|sync|--node|us-gw-001|--node|us-gw-002|--canary|us-gw-001|--gate-attest|it answers|\
                --person|rick";
    let plan = text(&document(world, plan, 0)["hash"]).to_owned();
    let start = format!("run|{plan}|--person|rick");
    signing(world, &format!("{start}|--key|rick.key|--request|change.json"), 0);
    for name in ["mara", "piet"] {
        let answer = format!("approve|--request|change.json|--key|{name}.key|--yes|-o|{name}.json");
        signing(world, &answer, 0);
    }
    signing(world, "approvals|add|mara.json|piet.json", 0);
    let run = document(world, &format!("{start}|--yes"), 1);
    assert_eq!((&run["phase"], &run["arrived"]), (&json!("paused"), &json!(1)));
    text(&run["id"]).to_owned()
}

/// Enrols the next version of the roster with a change of what it says.
fn next_roster(world: &World, fleet: &str, change: impl FnOnce(&mut Value)) {
    let draft = fs::read(world.path().join("draft.json")).expect("a draft");
    let mut draft: Value = serde_json::from_slice(&draft).expect("JSON");
    draft["version"] = json!(2);
    change(&mut draft);
    fs::write(world.path().join("newer.json"), draft.to_string()).expect("writable");
    signing(world, "roster|sign|newer.json|--key|vault.key|-o|second.json", 0);
    signing(world, &format!("roster|enrol|second.json|--fleet|{fleet}"), 0);
}

#[test]
fn a_run_goes_on_by_the_roster_that_it_was_approved_by() {
    let world = World::demo(7);
    let fleet = company(&world);
    let run = consented_and_left_open(&world, &fleet);
    // Another rule, and a key that is retired in time, are for plans to come.
    next_roster(&world, &fleet, |roster| {
        roster["environments"]["careful"]["rule"]["quorums"][0]["count"] = json!(1);
        roster["environments"]["careful"]["rule"]["valid_h_max"] = json!(4);
        roster["people"]["piet"]["keys"][0]["until"] = json!("2026-01-01T00:00:00Z");
    });
    let done = document(&world, &format!("run|resume|{run}|--attest|1|--note|it answers"), 0);
    assert_eq!((&done["phase"], &done["arrived"]), (&json!("succeeded"), &json!(2)));
}

#[test]
fn a_run_whose_approver_was_revoked_is_brought_back_or_aborted_and_nothing_else() {
    for end in ["abort", "roll back"] {
        let world = World::demo(7);
        let fleet = company(&world);
        let run = consented_and_left_open(&world, &fleet);
        next_roster(&world, &fleet, |roster| {
            roster["people"]["mara"]["keys"][0]["revoked_at"] = json!("2026-01-01T00:00:00Z");
        });
        for forward in ["", "|--attest|1|--note|it answers", "|--skip-gate|1|--reason|night"] {
            let refused = signing(&world, &format!("run|resume|{run}{forward}"), 2).stderr;
            let why =
                "it was started with the word of mara, which version 2 of the roster takes away";
            assert!(refused.contains(why), "{refused}");
            assert!(refused.contains(&format!("plumb run abort {run}")), "{refused}");
        }
        let left = document(&world, &format!("runs|show|{run}"), 1);
        assert_eq!((&left["phase"], &left["arrived"]), (&json!("paused"), &json!(1)), "{left:#}");
        let (words, phase) = match end {
            "abort" => (format!("run|abort|{run}"), "aborted"),
            _ => (format!("run|resume|{run}|--roll-back|mara left"), "rolled_back"),
        };
        let ended = document(&world, &words, 1);
        assert_eq!(ended["phase"], phase, "{ended:#}");
    }
}
