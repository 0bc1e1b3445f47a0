//! What is published for programs: schemas, exit codes, help and completion.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use crate::world::{World, plumb};

const REGENERATE: &str = "PLUMB_REGENERATE";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../assets/schemas/cli")
}

#[test]
fn the_schemas_on_disk_are_those_of_the_documents() {
    let mut known = BTreeSet::new();
    for (name, schema) in plumb_cli::schemas() {
        let file = folder().join(format!("{name}.json"));
        let mut printed = serde_json::to_string_pretty(&schema).expect("a schema serialises");
        printed.push('\n');
        if env::var_os(REGENERATE).is_some() {
            fs::create_dir_all(folder()).expect("the folder can be made");
            fs::write(&file, &printed).expect("the schema can be written");
        }
        let on_disk = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            on_disk == printed,
            "{} differs from the document; scripts read it, so decide, then run with {REGENERATE}=1",
            file.display()
        );
        known.insert(format!("{name}.json"));
    }
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|file| file.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, known, "no schema without a document");
}

#[test]
fn the_schemas_of_files_are_those_of_what_is_read() {
    for (name, schema) in plumb_cli::file_schemas() {
        let file = folder().join(format!("../{name}.json"));
        let mut printed = serde_json::to_string_pretty(&schema).expect("a schema serialises");
        printed.push('\n');
        if env::var_os(REGENERATE).is_some() {
            fs::write(&file, &printed).expect("the schema can be written");
        }
        let on_disk = fs::read_to_string(&file).unwrap_or_default();
        assert!(on_disk == printed, "{} differs; run with {REGENERATE}=1", file.display());
    }
}

#[test]
fn wrong_use_is_two() {
    let world = World::empty();
    for words in
        ["policy", "policy sync", "policy pin --all-nodes", "policy evaluate", "frobnicate"]
    {
        world.check(words, 2);
    }
    // No fleet is known.
    let said = world.check("policy version", 2);
    assert!(said.stderr.contains("plumb fleet add FILE"), "{}", said.stderr);
}

#[test]
fn a_failure_is_one_document_too() {
    let world = World::empty();
    let document = world.document("policy version", 2, "error");
    assert_eq!(document["error"]["exit"], "usage");
}

#[test]
fn every_topic_and_command_has_help() {
    let world = World::empty();
    let topics = world.check("help topics", 0).stdout;
    for topic in ["command-line", "drift-states", "fleet-file", "metrics"] {
        assert!(topics.contains(topic), "{topics}");
        assert!(world.check(&format!("help {topic}"), 0).stdout.starts_with("# "));
    }
    assert!(world.check("help policy sync", 0).stdout.contains("--force"));
    world.check("help nonsense", 2);
    world.document("help topics", 0, "help");
}

#[test]
fn a_shell_gets_its_completion() {
    for shell in ["bash", "zsh", "fish"] {
        let script = World::empty().check(&format!("completion {shell}"), 0).stdout;
        assert!(script.contains("resolve-conflict"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::empty();
    let folder = world.path().join("man");
    world.check(&format!("man {}", folder.display()), 0);
    for page in ["plumb.1", "plumb-evidence-capture.1", "plumb-policy-rollback.1"] {
        let text = fs::read_to_string(folder.join(page)).expect(page);
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    assert!(!folder.join("plumb-eval-worker.1").exists(), "nobody types that");
    fs::write(world.path().join("taken"), "a file").expect("written");
    let refused = world.check(&format!("man {}", world.path().join("taken").display()), 2);
    assert!(refused.stderr.contains("name a folder"), "{refused:?}");
}

/// Every command line in the help exists: clap reads it up to the point where it would do something.
#[test]
fn the_help_names_only_commands_that_exist() {
    let text = fs::read_to_string(folder().join("../../help/command-line.md")).expect("readable");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("plumb ")).collect();
    assert!(lines.len() > 30, "the list is complete");
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let verb: Vec<&str> = words
            .into_iter()
            .take_while(|word| {
                word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
            })
            .collect();
        let ended = plumb().args(&verb).arg("--help").output().expect("the program starts");
        assert_eq!(ended.status.code(), Some(0), "{line}");
    }
}

/// One entry of the troubleshooting topic, whose commands exist.
fn guided<'a>(text: &'a str, title: &str) -> &'a str {
    let entry = text.split_once(title).unwrap_or_else(|| panic!("{title}")).1;
    let entry = entry.split("\n## ").next().expect("the entry itself");
    for code in entry.split('`').skip(1).step_by(2).filter(|code| code.starts_with("plumb ")) {
        let is_verb = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let words: Vec<&str> = code.split_whitespace().skip(1).collect();
        let verb: Vec<&str> = words
            .iter()
            .copied()
            .take_while(|word| is_verb(word) && !word.starts_with('-'))
            .collect();
        let ended = plumb().args(&verb).arg("--help").output().expect("the program starts");
        assert_eq!(ended.status.code(), Some(0), "{title}: {code}");
        let help = String::from_utf8_lossy(&ended.stdout).into_owned();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{title}: {code}: {option}");
        }
    }
    entry
}

/// R139-R148: each symptom has its entry, with what to type or to set.
#[test]
fn each_symptom_of_alerts_has_an_entry_whose_commands_exist() {
    let text =
        fs::read_to_string(folder().join("../../help/troubleshooting.md")).expect("readable");
    for (title, requirement, tells) in [
        ("## A report is not accepted", "R139", "plumb alerts ingest"),
        ("## A report counts as seen before", "R140", "dedupe_ttl_minutes"),
        ("## An alert is not found", "R141", "ALERT_BACKEND"),
        ("## Alerts stay in processing", "R142", "plumb alerts claim"),
        ("## Alerts stay in failed", "R143", "SELECT alert_ref, last_error FROM alerts"),
        ("## No triage runs", "R144", "triage_cooldown_minutes"),
        ("## A claim gives nothing", "R145", "plumb alerts dashboard"),
        ("## A release gate blocks", "R146", "run_slo_watch: false"),
        ("## Telling of alerts is denied", "R147", "--role agent_monitor"),
        ("## Claiming is denied", "R148", "agent_cto"),
    ] {
        let entry = guided(&text, title);
        for part in [requirement, tells] {
            assert!(entry.contains(part), "{title}: {part}");
        }
    }
}

/// R272-R275: the guided entries are there, and what they tell to type exists.
#[test]
fn the_guided_entries_name_checks_and_commands_that_exist() {
    let text =
        fs::read_to_string(folder().join("../../help/troubleshooting.md")).expect("readable");
    let checks = World::empty().check("doctor --list", 0).stdout;
    for title in [
        "## A reload takes long",
        "## Bundle verification failed",
        "## Bundle contains no policies",
        "## Requests fail while a node reloads",
    ] {
        let entry = guided(&text, title);
        let named: Vec<&str> = entry
            .split(|c: char| c.is_whitespace() || c == '`')
            .filter(|word| word.starts_with("check.policy."))
            .collect();
        assert!(!named.is_empty(), "{title} tells what to check");
        for check in named {
            assert!(checks.contains(check), "{title}: {check}");
        }
    }
}
