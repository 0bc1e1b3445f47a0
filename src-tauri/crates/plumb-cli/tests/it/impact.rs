//! `policy impact`: what another version answers differently, offline.

use plumb_bundle::formats::opa_archive::write;
use serde_json::Value;

use crate::world::World;

const DENY_FIRST: &str = r#"[
    {"id": "records", "effect": "deny", "description": "restricted data stays here",
     "conditions": {"data_classification": ["restricted"]}},
    {"id": "records.export", "effect": "allow"}
]"#;
/// The same rules, sorted: nothing was changed, only moved.
const ALLOW_FIRST: &str = r#"[
    {"id": "records.export", "effect": "allow"},
    {"id": "records", "effect": "deny", "description": "restricted data stays here",
     "conditions": {"data_classification": ["restricted"]}}
]"#;

fn archive(world: &World, name: &str, rego: &str) {
    let files = [
        (".manifest", r#"{"revision": "r1"}"#),
        ("data.json", r#"{"admins": ["mara"]}"#),
        ("app/policy.rego", rego),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let bytes = write(&files.into_iter().collect()).expect("small files");
    std::fs::write(world.path().join(name), bytes).expect("writable");
}

fn rules(world: &World, name: &str, policies: &str) {
    world.file(&format!("{name}.policies.json"), policies);
    let build = format!(
        "bundle build {name}.policies.json --id records --version {name} --out {name}.json"
    );
    world.check(&build, 0);
}

#[test]
fn rules_that_only_moved_let_more_through() {
    let world = World::empty();
    rules(&world, "1.0.0", DENY_FIRST);
    rules(&world, "1.0.1", ALLOW_FIRST);
    let document = world.document("policy impact --from 1.0.0.json --to 1.0.1.json", 1, "impact");
    let flips = document["flips"].as_array().unwrap();
    assert_eq!(flips.len(), 1, "{document:#}");
    assert_eq!(flips[0]["change"], "wider");
    assert_eq!(flips[0]["before"]["rule"], "records");
    assert_eq!(flips[0]["after"]["rule"], "records.export");
    let example: Value = serde_json::from_str(flips[0]["example"].as_str().unwrap()).unwrap();
    assert_eq!(example["capability_id"], "records.export");
    assert_eq!(example["context"]["safety_context"]["data_classification"], "restricted");
    for side in ["from", "to"] {
        let coverage = &document[side]["coverage"];
        assert_eq!(coverage["reached"], coverage["rules"], "{document:#}");
    }
    let again = world.document("policy impact --from 1.0.0.json --to 1.0.1.json", 1, "impact");
    assert_eq!(document["digest"], again["digest"], "the same comparison is the same report");
    let text = world.check("policy impact --from 1.0.0.json --to 1.0.1.json", 1).stdout;
    assert!(text.contains("lets more through"), "{text}");
    world.check("policy impact --from 1.0.0.json --to 1.0.0.json", 0);
}

#[test]
fn what_was_asked_often_is_told_with_its_count() {
    let world = World::empty();
    rules(&world, "1.0.0", DENY_FIRST);
    rules(&world, "1.0.1", ALLOW_FIRST);
    let context = r#"{"safety_context": {"data_classification": "restricted"}, "who": "ada"}"#;
    let entry = |at: u8| {
        format!(
            r#"{{"decision_id": "{at}", "timestamp": "2026-11-01T08:00:{at:02}Z",
             "input": {{"capability_id": "records.export", "context": {context}}}}}"#
        )
        .replace('\n', " ")
    };
    world.file("log.jsonl", &(0..20).map(|at| entry(at) + "\n").collect::<String>());
    let words = "policy impact --from 1.0.0.json --to 1.0.1.json --requests log.jsonl";
    let document = world.document(words, 1, "impact");
    assert_eq!(document["requests"]["recorded"], 1, "one request, however often it was asked");
    let weight = document["flips"][0]["weight"].as_u64().unwrap();
    let requests = document["flips"][0]["requests"].as_u64().unwrap();
    assert_eq!(weight, requests + 19);
    let text = world.check(words, 1).stdout;
    assert!(text.contains(&format!("asked {weight} times")), "{text}");
}

#[test]
fn rego_is_compared_in_a_process_of_its_own() {
    let world = World::empty();
    let head = "package app\n\ndefault allow := false\n\n";
    let before = "allow if {\n  input.user in data.admins\n  input.action == \"delete\"\n}\n";
    let after = "allow if input.user in data.admins\n";
    archive(&world, "a.tar.gz", &format!("{head}{before}"));
    archive(&world, "b.tar.gz", &format!("{head}{after}"));
    let document = world.document("policy impact --from a.tar.gz --to b.tar.gz", 1, "impact");
    assert_eq!(document["entrypoint"], "data.app.allow");
    let flips = document["flips"].as_array().unwrap();
    assert_eq!(flips.len(), 1, "{document:#}");
    assert_eq!(flips[0]["example"], r#"{"user":"mara"}"#);
    assert_eq!(flips[0]["after"]["rule"], "app.allow (app/policy.rego:5)");
    let coverage = &document["from"]["coverage"];
    assert_eq!((&coverage["rules"], &coverage["reached"]), (&1.into(), &1.into()));
    assert_eq!((&coverage["conditions"], &coverage["both_ways"]), (&2.into(), &2.into()));
}

#[test]
fn the_tests_that_a_bundle_carries_are_asked_and_are_no_rules() {
    let world = World::empty();
    let policy = |limit: u32| {
        format!(
            "package app\n\ndefault allow := false\n\nallow if sum(input.parts) < {limit}\n\n\
             test_small if allow with input as {{\"parts\": [20, 30]}}\n"
        )
    };
    archive(&world, "a.tar.gz", &policy(40));
    archive(&world, "b.tar.gz", &policy(60));
    let document = world.document("policy impact --from a.tar.gz --to b.tar.gz", 1, "impact");
    assert_eq!(document["requests"]["given"], 1, "{document:#}");
    // No condition of the rule could be read, so nothing else finds it.
    let flips = document["flips"].as_array().unwrap();
    assert_eq!(flips.len(), 1, "{document:#}");
    let example: Value = serde_json::from_str(flips[0]["example"].as_str().unwrap()).unwrap();
    let sum: i64 = example["parts"].as_array().unwrap().iter().filter_map(Value::as_i64).sum();
    assert!((40..60).contains(&sum), "{document:#}");
    assert_eq!(document["from"]["coverage"]["rules"], 1, "{document:#}");
}

#[test]
fn what_cannot_be_evaluated_here_is_neither_allow_nor_deny() {
    let world = World::empty();
    let head = "package app\n\ndefault allow := false\n\n";
    archive(&world, "a.tar.gz", &format!("{head}allow if input.user == \"mara\"\n"));
    let asks =
        "allow if http.send({\"method\": \"get\", \"url\": input.user}).status_code == 200\n";
    archive(&world, "b.tar.gz", &format!("{head}{asks}"));
    let document = world.document("policy impact --from a.tar.gz --to b.tar.gz", 1, "impact");
    assert_eq!(document["flips"], Value::Array(Vec::new()), "{document:#}");
    let reason = document["not_evaluated"][0]["after"].as_str().unwrap();
    assert!(reason.contains("http.send"), "{reason}");
    let text = world.check("policy impact --from a.tar.gz --to b.tar.gz", 1).stdout;
    assert!(text.contains("not evaluated here"), "{text}");
}

#[test]
fn bad_input_says_what_to_do() {
    let world = World::empty();
    rules(&world, "1.0.0", DENY_FIRST);
    archive(&world, "a.tar.gz", "package app\n\nallow := true\n");
    archive(&world, "b.tar.gz", "package app\n\nview := true\n");
    let two = "package app\n\nallow if input.a\n\nsub.allow if input.b\n";
    archive(&world, "c.tar.gz", two);
    let refused = |words: &str, why: &str| {
        let said = world.check(words, 2).stderr;
        assert!(said.contains(why), "{words}\n{said}");
    };
    refused("policy impact --from 1.0.0.json --to a.tar.gz", "nobody asks alike");
    refused("policy impact --from b.tar.gz --to b.tar.gz", "no rule allow");
    refused("policy impact --from c.tar.gz --to c.tar.gz", "data.app.allow, data.app.sub.allow");
    refused("policy impact --from a.tar.gz --to a.tar.gz --entrypoint data.", "no entry point");
    world.file("requests.json", "[{\"input\": 1}, {}]");
    let words = "policy impact --from 1.0.0.json --to 1.0.0.json --requests requests.json";
    refused(words, "requests.json, entry 2: it has neither input nor capability_id");
}

#[test]
fn versions_of_the_fleet_are_compared_by_name() {
    let world = World::demo(3);
    world.check("drift", 1);
    let document = world.document("policy impact --from 1.4.0 --to 9.9.9", 2, "error");
    let error = &document["error"];
    assert!(
        error["message"].as_str().unwrap().contains("no signed bundle of version"),
        "{error:#}"
    );
    let hint = error["hint"].as_str().unwrap();
    let versions: Vec<&str> =
        hint.trim_start_matches("name a file, or one of: ").split(", ").collect();
    let words = format!("policy impact --from {} --to {}", versions[0], versions[0]);
    let document = world.document(&words, 0, "impact");
    assert_eq!(document["from"]["label"], versions[0]);
}

#[test]
fn the_harm_in_the_harmless_release_of_the_demo_is_told() {
    let world = World::demo(1);
    let document = world.document("policy impact --from 2.0.0 --to 2.0.1", 1, "impact");
    let flips = document["flips"].as_array().unwrap();
    let wider: Vec<(&str, &str)> = flips
        .iter()
        .map(|flip| {
            assert_eq!(flip["change"], "wider", "{document:#}");
            let rule = |side: &str| flip[side]["rule"].as_str().unwrap_or_default();
            (rule("before"), rule("after"))
        })
        .collect();
    assert!(wider.contains(&("cards.pan.read", "cards")), "{wider:?}");
    let international = ("payments.transfer.international", "payments.transfer");
    assert!(wider.contains(&international), "{wider:?}");
    assert_eq!(wider.len(), 2, "{document:#}");
    // Recorded requests weigh as often as they were asked.
    let weights: Vec<u64> = flips.iter().map(|flip| flip["weight"].as_u64().unwrap()).collect();
    assert!(weights.iter().all(|weight| *weight > 200), "{weights:?}");
    assert_eq!(document["requests"]["recorded"], 0);
    assert_eq!(document["requests"]["given"], 8, "those beside the fleet file");
    // To a reader of text nothing happened: the same rules in another order.
    let [before, after] = ["2.0.0", "2.0.1"].map(|version| {
        let file = world.path().join(format!("demo/bundles/payments-{version}.signed.json"));
        let bundle: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let rules = bundle["policies"].as_array().unwrap().iter().map(Value::to_string);
        let mut rules: Vec<String> = rules.collect();
        rules.sort();
        rules
    });
    assert_eq!(before, after);
}

/// What a real OPA pushes after three answers: its labels, what it was asked, and what it masked.
const PUSHED: &str = r#"[
    {"labels": {"fleet": "demo", "node": "opa-1"}, "decision_id": "1", "timestamp": "2026-11-01T08:00:00Z",
     "input": {"capability_id": "cards.pan.read", "context": {"user_id": "ada"}}},
    {"labels": {"fleet": "demo", "node": "opa-2"}, "decision_id": "2", "timestamp": "2026-11-01T08:00:00Z",
     "input": {"capability_id": "cards.pan.read", "context": {"user_id": "ada"}}},
    {"labels": {"fleet": "demo", "node": "opa-2"}, "decision_id": "3", "timestamp": "2026-11-01T08:00:02Z",
     "input": {"capability_id": "payments.read", "context": {"user_id": "ada"}}, "erased": ["/input/context/user_id"]},
    {"labels": {"fleet": "another", "node": "opa-9"}, "decision_id": "4", "timestamp": "2026-11-01T08:00:03Z",
     "input": {"capability_id": "payments.transfer.international", "context": {}}}
]"#;

#[test]
fn what_nodes_pushed_to_the_hub_of_the_fleet_is_asked_again() {
    let world = World::demo(1);
    let words = "policy impact --from 2.0.0 --to 2.0.1 --requests-from hub";
    let said = world.check(words, 2).stderr;
    assert!(said.contains("names no hub"), "{said}");
    let (_, reader) = crate::hub::token(&world, "admin");
    let (pusher, _) = crate::hub::token(&world, "agent_node");
    let serve = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];
    let hub = crate::serving::Served::start(&world, &serve, "hub-started");
    let file = world.fleet_file();
    let whole = std::fs::read_to_string(&file).unwrap();
    let section = format!(
        "{whole}\n[hub]\nurl = \"{}\"\ncredential = {{ command = [\"cat\", \"{reader}\"] }}\n",
        hub.url()
    );
    std::fs::write(&file, section).unwrap();
    let said = world.check(words, 2).stderr;
    assert!(said.contains("0 of 0 decisions that it keeps are of this fleet"), "{said}");

    let address = hub.url().trim_start_matches("http://").trim_end_matches('/');
    let (status, taken) = crate::serving::ask(address, "POST", "/logs", Some(&pusher), PUSHED);
    assert_eq!((status, &taken["taken"]), (200, &4.into()), "{taken}");
    let document = world.document(words, 1, "impact");
    // Of this fleet alone, and each once however often it was asked at that moment.
    assert_eq!(document["requests"]["recorded"], 2, "{document:#}");
    assert_eq!(document["requests"]["masked"], 1, "{document:#}");
    let flips = document["flips"].as_array().unwrap();
    let cards = flips.iter().find(|flip| flip["after"]["rule"] == "cards").unwrap();
    let figure = |name: &str| cards[name].as_u64().unwrap();
    assert_eq!(figure("weight"), figure("requests") + 1, "one was asked twice: {document:#}");
    hub.stop();
}
