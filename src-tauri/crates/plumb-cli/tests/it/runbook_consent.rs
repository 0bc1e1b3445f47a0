//! Runs of runbooks that people of a roster consent to on machines of their own, and runbooks they signed.

use std::{
    fs,
    process::{Command, Stdio},
};

use plumb_trust::dsse::{Envelope, Predicate, SigningKey, Statement, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    approvals::{carry, company, document, second_machine, signing, text},
    runbooks::{own, state_of, states},
    serving::ask,
    world::World,
};

const APPROVED: &str = "---\ntitle: Careful\ncomponent: It\nseverity: low\non_call_scope: Us\n\
    owners: {run: Operations, approvals: [Storage, Platform Security]}\nlast_updated: 2026-03-02\n---\n\
    # Careful\n\n```step\nid: consent\ntitle: Both groups consent\ndo: {approval: {what: the change}}\n```\n\n\
    ```step\nid: look\ntitle: Look\ndo: {attest: {what: it is changed}}\n```\n";

/// Consent as a program of somebody else might write it.
#[derive(Serialize, Deserialize)]
struct Consent {
    fleet: String,
    group: String,
    run: String,
    step: String,
}

impl Predicate for Consent {
    const TYPE: &'static str = "https://plumbline.invalid/runbook-consent/v1";
}

/// A world whose fleet a roster rules.
fn ruled() -> (World, String) {
    let world = World::demo(1);
    let fleet = company(&world);
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    (world, fleet)
}

/// Whoever reads the journal of a run later sees whose signatures are in it, by the roster that ruled then.
#[track_caller]
fn signatures_are_told(world: &World, id: &str) {
    let journal = world.path().join("journal.jsonl");
    let words = [
        ("the start of the run", "rick"),
        ("the consent of Storage at consent", "mara"),
        ("the consent of Platform Security at consent", "piet"),
    ];
    let file = journal.display();
    for of in
        [format!("journal|verify|{id}"), format!("journal|verify|{file}|--roster|roster.json")]
    {
        let told = signing(world, &of, 0).stdout;
        for (what, by) in words {
            assert!(told.contains(&format!("{what}: signed by {by} (")), "{of}: {told}");
        }
    }
    let unknown = signing(world, &format!("journal|verify|{file}"), 0);
    let told =
        "the start of the run: not verified: no roster that is trusted here says whose key it is";
    assert!(unknown.stdout.contains(told), "{}", unknown.stdout);
    assert!(unknown.stderr.contains("--roster FILE"), "{}", unknown.stderr);
    let shown = signing(world, &format!("runbook|show|{id}"), 0).stdout;
    assert!(shown.contains("run by rick, signed by rick ("), "{shown}");
    assert!(shown.contains("the consent of Storage at consent: signed by mara ("), "{shown}");
}

/// R090-R092: who runs it, and two groups who approve it, each a person on a machine of their own.
#[test]
fn both_groups_consent_on_machines_of_their_own_and_nobody_else_can() {
    let (world, fleet) = ruled();
    world.file("careful.md", APPROVED);
    world.file("answers.toml", "[attest]\nlook = \"it is\"\n");
    let path = world.path().join("careful.md").display().to_string();
    let left = document(&world, &format!("runbook|run|{path}|--no-input|--key|rick.key"), 1);
    assert_eq!(left["waiting"][0]["groups"], json!(["Storage", "Platform Security"]));
    assert_eq!((&left["operator"], &left["signed"]), (&json!("rick"), &json!(true)));
    let id = text(&left["id"]).to_owned();
    let asked = document(&world, &format!("runbook|request|{id}|-o|request.json"), 0);
    assert_eq!((&asked["operator"], &asked["what"]), (&left["operator"], &json!("the change")));

    for name in ["mara", "piet"] {
        let other = second_machine(&world, &fleet, name);
        carry(&world, &other, "request.json");
        let words = format!("approve|--request|request.json|--key|{name}.key|-o|{name}.json");
        let unasked = signing(&other, &words, 4);
        assert!(unasked.stdout.contains("run by      rick\n"), "{}", unasked.stdout);
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
    assert_eq!(
        told.matches("payloadType").count(),
        3,
        "the start and both consents are signed in it"
    );
    signatures_are_told(&world, &id);

    // What was signed for one run says nothing about the next, and a path that is mistyped starts none.
    let start = format!("runbook|run|{path}|--no-input|--key|rick.key");
    let said = signing(&world, &format!("{start}|--approval|mara.json|--json"), 1);
    let next: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(next["waiting"][0]["groups"], json!(["Storage", "Platform Security"]));
    assert!(said.stderr.contains("not used: the approval in mara.json"), "{}", said.stderr);
    let runs = || document(&world, "runbook|list|--runs", 0)["runs"].as_array().map(Vec::len);
    let before = runs();
    signing(&world, &format!("{start}|--approval|mara.json|--approval|no-such.json"), 2);
    assert_eq!(runs(), before);
}

/// What was approved by name before a roster ruled the fleet lets nothing go on that nobody signed.
#[test]
fn a_run_that_began_before_the_roster_is_ended_and_never_gone_on_with() {
    let world = World::demo(1);
    let fleet = company(&world);
    world.file("careful.md", APPROVED);
    let approved = ["Storage", "Platform Security"].map(|group| {
        let by = group.replace(' ', "-");
        format!("[[approvals]]\nstep = \"consent\"\ngroup = \"{group}\"\nby = \"{by}\"\n")
    });
    world.file("answers.toml", &approved.concat());
    world.file("rest.toml", "[attest]\nlook = \"it is\"\n");
    let path = world.path().join("careful.md").display().to_string();
    let start = format!("runbook|run|{path}|--no-input|--answers|answers.toml");
    let left = document(&world, &start, 1);
    assert_eq!(left["signed"], false);
    assert_eq!(state_of(&left, "consent"), "succeeded");
    let id = text(&left["id"]).to_owned();
    signing(&world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let resume = format!("runbook|resume|{id}|--no-input|--answers|rest.toml");
    for words in [resume.clone(), format!("{resume}|--key|rick.key")] {
        let refused = signing(&world, &words, 2);
        assert!(refused.stderr.contains("nobody signed the start"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--abort"), "it says what to do: {}", refused.stderr);
    }
    let ended = document(&world, &format!("{resume}|--abort"), 1);
    assert_eq!(ended["state"], "aborted", "{:?}", states(&ended));
}

/// Who started a run stands in its signature: nobody starts one as somebody else and approves it as himself.
#[test]
fn who_starts_a_run_is_told_by_a_key_and_approves_nothing_of_it() {
    let (world, _) = ruled();
    world.file("careful.md", &APPROVED.replace("run: Operations", "run: On-call"));
    let path = world.path().join("careful.md").display().to_string();
    let start = format!("runbook|run|{path}|--no-input");
    // Without a key, or with one that is not the named person's, nothing begins.
    let unsigned = signing(&world, &format!("{start}|--person|rick"), 2);
    assert!(unsigned.stderr.contains("whoever starts it signs"), "{}", unsigned.stderr);
    assert!(unsigned.stderr.contains("--key-name"), "it says what to do: {}", unsigned.stderr);
    let lent = signing(&world, &format!("{start}|--person|rick|--key|mara.key"), 2);
    assert!(lent.stderr.contains("one of mara, and not of rick"), "{}", lent.stderr);
    signing(&world, "key|new|eve|--file|eve.key", 0);
    let stranger = signing(&world, &format!("{start}|--key|eve.key"), 2);
    assert!(stranger.stderr.contains("stands in no entry of the roster"), "{}", stranger.stderr);
    assert_eq!(document(&world, "runbook|list|--runs", 0)["runs"], json!([]));

    // Mara starts it, whatever the machine calls her, and is refused by every door as her own approver.
    let words = format!("{start}|--key|mara.key");
    let mut command = world.command();
    command.env("PLUMBLINE_KEY_PASSPHRASE", "a passphrase of tests").env("USER", "rick");
    let said = world.check_command(command.args(words.split('|')).arg("--json"), &words, 1);
    let left: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(left["operator"], "mara");
    let id = text(&left["id"]).to_owned();
    let own = "[[approvals]]\nstep = \"consent\"\ngroup = \"Storage\"\nby = \"rick\"\n";
    world.file("own.toml", own);
    let resume = format!("runbook|resume|{id}|--no-input");
    let refusal = "whoever runs it does not approve it";
    let said = signing(&world, &format!("{resume}|--answers|own.toml|--key|mara.key"), 1);
    assert!(said.stderr.contains(refusal), "{}", said.stderr);
    signing(&world, &format!("runbook|request|{id}|-o|request.json"), 0);
    // The request of another run by rick, with hers around it: the signature is for that run.
    let other = document(&world, &format!("{start}|--key|rick.key"), 1);
    signing(&world, &format!("runbook|request|{}|-o|other.json", text(&other["id"])), 0);
    let read = |name: &str| -> Value {
        let bytes = fs::read(world.path().join(name)).expect("a request");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let (mine, of_rick) = (read("request.json"), read("other.json"));
    let ways: [(&str, Value, &str); 3] = [
        ("operator", json!("rick"), refusal),
        ("start", of_rick["start"].clone(), "it is for another run"),
        ("start", Value::Null, "nobody signed the start"),
    ];
    for (field, value, refusal) in ways {
        let mut forged = mine.clone();
        forged[field] = value;
        world.file("forged.json", &forged.to_string());
        let words = "approve|--request|forged.json|--key|mara.key|--yes|-o|mara.json";
        let said = signing(&world, words, 2);
        assert!(said.stderr.contains(refusal), "{field}: {}", said.stderr);
    }
    // What another program signed for her is judged by the run itself.
    let pem = fs::read_to_string(world.path().join("mara.key")).expect("her key");
    let key = SigningKey::from_encrypted_pem(&pem, "a passphrase of tests").expect("it opens");
    let predicate = Consent {
        fleet: "demo".to_owned(),
        group: "Storage".to_owned(),
        run: id.clone(),
        step: "consent".to_owned(),
    };
    let plan = text(&left["plan_hash"]).parse().expect("a hash");
    let statement = Statement { subject: vec![Subject::new("plan", plan)], predicate };
    let signed = Envelope::sign(&statement, &[&key]).expect("it signs");
    fs::write(world.path().join("mara.json"), signed.to_bytes()).expect("writable");
    let said = signing(&world, &format!("{resume}|--approval|mara.json"), 1);
    assert!(said.stderr.contains(refusal), "{}", said.stderr);
    let stands = document(&world, &format!("runbook|show|{id}"), 0);
    assert_eq!(stands["waiting"][0]["groups"], json!(["Storage", "Platform Security"]));
}

const ASKED: &str = "---\ntitle: Asked\ncomponent: It\nseverity: low\non_call_scope: Us\n\
    owners: {run: Operations}\nlast_updated: 2026-03-02\n---\n# Asked\n\n\
    ```step\nid: cause\ntitle: What caused it?\n\
    do: {question: {ask: What caused it?, choices: [disk, network], who: Storage}}\n```\n\n\
    ```step\nid: gone\ntitle: The cause is gone\ndo: {attest: {what: the cause is gone, who: Platform Security}}\n```\n";

/// Where a roster says who people are, an answer of somebody in particular is theirs by their key.
#[test]
fn answers_of_somebody_in_particular_are_signed_where_a_roster_rules() {
    let (world, _) = ruled();
    world.file("asked.md", ASKED);
    world.file(
        "answers.toml",
        "[answers]\ncause = \"disk\"\n\n[attest]\ngone = \"no more errors\"\n",
    );
    let path = world.path().join("asked.md").display().to_string();
    let words =
        format!("runbook|run|{path}|--no-input|--answers|answers.toml|--by|mara|--group|Storage");
    let said = signing(&world, &format!("{words}|--json"), 1);
    let left: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(left["waiting"][0]["step"], "cause", "a name answers nothing");
    let refused = "whoever answers signs, and a name is not enough";
    assert!(said.stderr.contains(refused), "{}", said.stderr);
    let what_to_do = "sign with a key of somebody of Storage: --key FILE";
    assert!(said.stderr.contains(what_to_do), "{}", said.stderr);

    let id = text(&left["id"]).to_owned();
    let resume = format!("runbook|resume|{id}|--no-input|--answers|answers.toml");
    let other = signing(&world, &format!("{resume}|--key|rick.key"), 1);
    let refused = "the answer does not count: rick is not in Storage";
    assert!(other.stderr.contains(refused), "{}", other.stderr);
    // The same file answers both steps; each key answers for its own group only.
    let said = signing(&world, &format!("{resume}|--key|mara.key|--json"), 1);
    let of_mara: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(state_of(&of_mara, "cause"), "succeeded");
    let step = &of_mara["steps"][0];
    assert_eq!((&step["by"], &step["detail"]), (&json!("mara"), &json!("disk")));
    assert_eq!(step["signatures"][0]["by"], "mara", "{step:#}");
    assert!(said.stderr.contains("mara is not in Platform Security"), "{}", said.stderr);
    let both = document(&world, &format!("{resume}|--key|piet.key"), 0);
    assert_eq!(both["state"], "succeeded", "{:?}", states(&both));

    let told = signing(&world, &format!("journal|verify|{id}"), 0).stdout;
    for (step, by) in [("cause", "mara"), ("gone", "piet")] {
        let line = format!("the answer at {step}: signed by {by} (");
        assert!(told.contains(&line), "{told}");
    }
}

/// Without a roster there are names, as before.
#[test]
fn answers_go_on_by_name_where_no_roster_rules() {
    let world = World::demo(1);
    world.file("asked.md", ASKED);
    world.file(
        "answers.toml",
        "[answers]\ncause = \"disk\"\n\n[attest]\ngone = \"no more errors\"\n",
    );
    let path = world.path().join("asked.md").display().to_string();
    let words = format!("runbook|run|{path}|--no-input|--answers|answers.toml|--by|mara");
    let left = document(&world, &format!("{words}|--group|Storage"), 1);
    assert_eq!(state_of(&left, "cause"), "succeeded");
    assert_eq!(left["waiting"][0]["step"], "gone", "{left:#}");
    let both = document(&world, &format!("{words}|--group|Storage|--group|Platform Security"), 0);
    let step = &both["steps"][0];
    assert_eq!((&step["by"], &step["signatures"]), (&json!("mara"), &json!([])));
}

/// Whoever runs it is not asked for what they cannot give, but told who can, and how.
#[test]
fn a_terminal_says_whose_approval_is_waited_for_where_keys_tell_people_apart() {
    let (world, _) = ruled();
    world.file("careful.md", APPROVED);
    let path = world.path().join("careful.md").display().to_string();
    let program = env!("CARGO_BIN_EXE_plumb");
    let words = format!("{program} runbook run {path} --key rick.key --group Storage");
    let mut terminal = Command::new("script")
        .args(["-qefc", &words, "/dev/null"])
        .env("PLUMBLINE_DATA_DIR", world.path().join("data"))
        .env("PLUMBLINE_KEY_PASSPHRASE", "a passphrase of tests")
        .env("NO_COLOR", "1")
        .current_dir(world.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there");
    // Nobody types anything, and the terminal stays open.
    let typed = terminal.stdin.take().expect("it is piped");
    let said = terminal.wait_with_output().expect("it ends");
    drop(typed);
    let said = String::from_utf8_lossy(&said.stdout).replace('\r', "");
    let runs = document(&world, "runbook|list|--runs", 0);
    let run = &runs["runs"][0];
    let id = text(&run["id"]);
    let transcript = said.replace(id, "RUN").replace(text(&run["artifacts"]), "FOLDER");
    let expected = "\
Careful
run RUN
running    Both groups consent  approval of the change by Storage and Platform Security
Both groups consent waits for others: whoever runs it does not approve it
  Storage: mara
  Platform Security: piet
  ask them:    plumb runbook request RUN -o request.json
  they sign:   plumb approve --request request.json --key FILE -o signed.json
  then go on:  plumb runbook resume RUN --approval signed.json
waiting
waits at consent from Storage and Platform Security: the change
evidence: FOLDER
go on with: plumb runbook resume RUN
";
    assert_eq!(transcript, expected);
}

/// The rule of a roster asks for approval of changes: who starts a runbook with one signs, too.
#[test]
fn a_runbook_that_changes_something_is_signed_where_changes_are_approved() {
    let (world, _) = ruled();
    let step = "```step\nid: a\ntitle: A\ndo: {command: {argv: [/bin/echo, hello]}}\n```\n";
    world.file("own.md", &own(step).replace("{run: Us}", "{run: Operations}"));
    let path = world.path().join("own.md").display().to_string();
    signing(&world, &format!("runbook|sign|{path}|--key|piet.key"), 0);
    let words = format!("runbook|run|{path}|--no-input");
    let said = signing(&world, &words, 2);
    assert!(said.stderr.contains("whoever starts it signs"), "{}", said.stderr);
    let view = document(&world, &format!("{words}|--key-name|rick"), 0);
    assert_eq!((&view["operator"], &view["signed"]), (&json!("rick"), &json!(true)));
}

/// R090, R092: who starts it is of the group that the document names, and the refusal says who is.
#[test]
fn a_runbook_is_run_by_the_group_that_it_names_and_by_nobody_else() {
    let (world, _) = ruled();
    let path = world.file("careful.md", APPROVED);
    let run = |key: &str, code| {
        signing(&world, &format!("runbook|run|{path}|--no-input|--key|{key}.key"), code)
    };
    let runs = || document(&world, "runbook|list|--runs", 0)["runs"].as_array().map(Vec::len);
    for other in ["mara", "piet"] {
        let said = run(other, 2).stderr;
        assert!(
            said.contains(&format!("Operations runs this runbook, and {other} is not in it")),
            "{said}"
        );
        assert!(said.contains("ask rick"), "{said}");
    }
    assert_eq!(runs(), Some(0), "nothing began");
    run("rick", 1);
    assert_eq!(runs(), Some(1), "it waits for its approvals");
    let nobodys =
        world.file("careful.md", &APPROVED.replace("run: Operations", "run: Night Shift"));
    assert_eq!(nobodys, path);
    let said = run("rick", 2).stderr;
    assert!(said.contains("Night Shift runs this runbook, and rick is not in it"), "{said}");
    assert!(said.contains("nobody is in Night Shift with a key that counts"), "{said}");
}

/// Figures of a hub, of one that does not tell them, and of a fleet that names none.
#[test]
fn a_query_asks_the_hub_of_the_fleet_for_its_alerts() {
    let world = World::demo(1);
    let query = |figure: &str, limits: &str| {
        let step = format!(
            "```step\nid: ask\ntitle: Ask\ndo: {{query: {{source: hub, query: {figure}, {limits}}}}}\n```\n"
        );
        let file = world.file("own.md", &own(&step));
        let said = signing(&world, &format!("runbook|run|{file}|--no-input|--json"), 1);
        let view: Value = serde_json::from_str(&said.stdout).expect("a document");
        text(&view["steps"][0]["detail"]).to_owned()
    };
    assert!(query("new", "max: 0").contains("the fleet file names no hub"));

    let words = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];
    let (secret, token) = crate::hub::token(&world, "admin");
    let hub = crate::serving::Served::start(&world, &words, "hub-started");
    let file = world.fleet_file();
    let whole = fs::read_to_string(&file).expect("the fleet file");
    let section = format!(
        "{whole}\n[hub]\nurl = \"{}\"\ncredential = {{ command = [\"cat\", \"{token}\"] }}\n",
        hub.url()
    );
    fs::write(&file, section).expect("writable");
    let at_hub = |words: &str| {
        let mut command = world.command();
        command.env("PLUMB_HUB", hub.url()).env("PLUMB_HUB_TOKEN", &secret);
        world.check_command(command.args(words.split('|')), words, 0);
    };
    for service in ["gateway", "billing", "ledger"] {
        at_hub(&format!(
            "alerts|ingest|--service|{service}|--kind|slo_breach|--title|slow|--severity|P1"
        ));
    }
    at_hub("alerts|claim|--owner|kim|--limit|1");
    // Limits that hold end the run well; each figure is told apart from the others.
    let holds = [("new", 2), ("processing", 1), ("failed", 0), ("acked", 0), ("stale", 0)];
    for (figure, count) in holds {
        let above = query(figure, &format!("min: {}", count + 1));
        assert_eq!(above, format!("{count} is below {}; {count}", count + 1), "{figure}");
    }
    hub.stop();
    let gone = query("new", "max: 5");
    assert!(!gone.is_empty() && !gone.contains("is above"), "{gone}");
}

#[test]
fn the_mailbox_of_the_hub_carries_the_request_and_the_answers() {
    let (world, _) = ruled();
    let words = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];
    let (secret, token) = crate::hub::token(&world, "admin");
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
    let left = document(&world, &format!("runbook|run|{path}|--no-input|--key|rick.key"), 1);
    let id = text(&left["id"]).to_owned();
    let asked = document(&world, &format!("runbook|request|{id}|-o|request.json"), 0);
    fs::remove_file(world.path().join("request.json")).expect("it was written");

    let plan = text(&asked["plan"]);
    for name in ["mara", "piet"] {
        let words = format!("approve|--from-hub|{plan}|--key|{name}.key|--yes");
        let signed = document(&world, &words, 0);
        assert_eq!((&signed["person"], &signed["run"]), (&json!(name), &json!(id)));
    }
    // What somebody else put there is told, and keeps none of the consents back.
    let mailbox = format!("/v1/hub/plans/{plan}/approvals");
    let address = hub.url().trim_start_matches("http://").trim_end_matches('/');
    for letter in ["{}", r#"{"payload":"","payloadType":"x","signatures":[]}"#] {
        let (status, said) = ask(address, "POST", &mailbox, Some(&secret), letter);
        assert!(status < 300, "{status}: {said}");
    }
    let resume = format!("runbook|resume|{id}|--no-input|--answers|answers.toml");
    let said = signing(&world, &format!("{resume}|--json"), 0);
    let both: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(both["state"], "succeeded", "{:?}", states(&both));
    assert!(said.stderr.matches("not taken: ").count() >= 2, "{}", said.stderr);
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
