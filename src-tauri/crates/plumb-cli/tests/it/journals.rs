//! Journals on a terminal: signed, exported, checked by strangers, with an exit code for each verdict.

use std::fs;

use crate::world::{Said, World};

const PASSPHRASE: &str = "a passphrase of tests";

/// Runs a command that signs with the key file.
#[track_caller]
fn signing(world: &World, words: &str, exit: i32) -> Said {
    let mut command = world.command();
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    world.check_command(command.args(words.split_whitespace()), words, exit)
}

/// The id of the newest run.
fn newest(world: &World) -> String {
    let runs = world.document("runs list --no-sweep", 0, "runs");
    runs["runs"][0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn without_a_keyring_a_run_says_that_its_journal_is_not_signed() {
    let world = World::demo(5);
    let said = world.check("policy sync --node us-gw-001", 0);
    assert!(said.stdout.contains("signed to 0"), "{}", said.stdout);
    assert!(said.stdout.contains("journal NOT signed: no key to sign with"), "{}", said.stdout);
    assert!(said.stdout.contains("plumb journal key --make FILE"), "{}", said.stdout);
    let run = newest(&world);
    assert!(world.check(&format!("runs show {run}"), 0).stdout.contains("journal NOT signed"));
    let verdict = world.check(&format!("journal verify {run}"), 0).stdout;
    assert!(verdict.starts_with("✓ complete") && verdict.contains("NOT signed"), "{verdict}");
    let refused = world.check("journal key", 5);
    assert!(refused.stderr.contains("--console-key FILE"), "{}", refused.stderr);
}

#[test]
fn a_signed_journal_travels_as_a_file_and_each_verdict_has_its_exit_code() {
    let world = World::demo(5);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let again = signing(&world, "journal key --make console.key", 2);
    assert!(again.stderr.contains("console.key could not be made"), "{}", again.stderr);
    let private = fs::read_to_string(world.path().join("console.key")).expect("a key");
    assert!(private.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{private}");
    assert!(signing(&world, "journal key", 0).stdout.contains("BEGIN PUBLIC KEY"));

    let said = signing(&world, "policy sync --node us-gw-001", 0);
    assert!(!said.stdout.contains("NOT signed"), "{}", said.stdout);
    let run = newest(&world);
    world.check(&format!("journal export {run} --output run.jsonl"), 0);
    let raw = world.check(&format!("journal export {run}"), 0).stdout;
    let sound = fs::read_to_string(world.path().join("run.jsonl")).expect("readable");
    assert_eq!(raw, sound);
    let written =
        world.document(&format!("journal export {run} -o again.jsonl"), 0, "journal-export");
    assert_eq!(written["events"], sound.matches("{\"body\":").count());

    // Somebody who has nothing but the file and the key.
    let stranger = World::empty();
    fs::copy(world.path().join("console.pem"), stranger.path().join("console.pem"))
        .expect("copied");
    let verify = |text: &str, exit| {
        let file = stranger.file("run.jsonl", text);
        let words = format!("journal verify {file} --key console.pem");
        let told = stranger.check(&words, exit).stdout;
        let view = stranger.document(&words, exit, "journal");
        (told, view["events"].as_u64().expect("a number"), view["signed_to"].as_u64())
    };
    let (told, events, signed) = verify(&sound, 0);
    assert!(told.starts_with("✓ complete") && signed == Some(events), "{told}");
    let last = sound.rfind("{\"body\"").expect("events");
    let (told, held, signed) = verify(&sound[..last], 6);
    let signed = signed.expect("signed earlier");
    let expected = format!("◷ valid prefix up to event {held}, last signed {signed}\n");
    assert!(told.starts_with(&expected), "{told}");
    let (told, held, _) = verify(&sound.replacen("\"seq\":2", "\"seq\":3", 1), 1);
    assert!(told.starts_with("× broken at event 3, last signed 2"), "{told}");
    assert_eq!(held, 2);
    assert!(!stranger.path().join("data").exists(), "no store is opened for a file");
    let file = stranger.file("run.jsonl", &sound);
    let unchecked = stranger.check(&format!("journal verify {file}"), 0).stdout;
    assert!(unchecked.contains("signatures were NOT checked: give --key PEM"), "{unchecked}");
    stranger.check(&format!("journal verify {file} --key run.jsonl"), 2);
    stranger.check("journal verify nowhere.jsonl", 2);
    world.check(&format!("journal export {run} --json"), 2);
}

#[test]
fn a_key_file_needs_its_passphrase() {
    let world = World::empty();
    signing(&world, "journal key --make console.key", 0);
    let document = {
        let mut command = world.command();
        command.env("PLUMBLINE_KEY_PASSPHRASE", "another one that is wrong");
        command.args(["journal", "key", "--console-key", "console.key", "--json"]);
        world.check_command(&mut command, "journal key", 5)
    };
    assert!(document.stdout.contains("passphrase"), "{}", document.stdout);
    let asked = world.check("journal key --console-key console.key", 5);
    assert!(asked.stderr.contains("PLUMBLINE_KEY_PASSPHRASE"), "{}", asked.stderr);
    let mut command = world.command();
    command.env("PLUMBLINE_KEY_PASSPHRASE", "short").args([
        "journal",
        "key",
        "--make",
        "other.key",
    ]);
    world.check_command(&mut command, "journal key --make", 2);
    assert!(!world.path().join("other.key").exists());
}
