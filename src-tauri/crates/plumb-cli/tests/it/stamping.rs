//! Sealed evidence with a timestamp of an authority, and with a Sigstore bundle, as somebody asks for them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use jiff::Timestamp;
use plumb_pki::{Pki, Recipe};
use serde_json::Value;

use crate::world::{Said, World};

const PASSPHRASE: &str = "a passphrase of tests";

fn sealed_at() -> Timestamp {
    "2025-03-01T12:00:00Z".parse().expect("a time")
}

#[track_caller]
fn signing(world: &World, words: &str, exit: i32) -> Said {
    let mut command = world.command();
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    world.check_command(command.args(words.split_whitespace()), words, exit)
}

/// An authority on loopback; its trusted root stands in a file. Ends with the test.
fn authority(folder: &Path) -> String {
    let pki = Pki::new(sealed_at()).expect("keys");
    fs::write(folder.join("trusted_root.json"), pki.trusted_root().to_string()).expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/api/v1/timestamp", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a caller"));
            let (mut length, mut line) = (0, String::new());
            loop {
                line.clear();
                stream.read_line(&mut line).expect("a header");
                let lower = line.trim().to_ascii_lowercase();
                if lower.is_empty() {
                    break;
                }
                if let Some(value) = lower.strip_prefix("content-length: ") {
                    length = value.parse().expect("a length");
                }
                assert!(!lower.starts_with("content-type:") || lower.ends_with("timestamp-query"));
            }
            let mut request = vec![0; length];
            stream.read_exact(&mut request).expect("a request");
            let answer = pki.timestamp(&request, Timestamp::now()).expect("an answer");
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
            let stream = stream.get_mut();
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&answer))
                .expect("told");
        }
    });
    url
}

fn result(view: &Value, name: &str) -> String {
    let checks = view["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name).expect("the check is listed");
    check["result"].as_str().expect("a word").to_owned()
}

/// What a fleet names is added to its file.
fn named(world: &World, section: &str) {
    let file = world.fleet_file();
    let text = fs::read_to_string(&file).expect("a fleet file");
    let (head, nodes) = text.split_once("[[").expect("tables of nodes");
    fs::write(&file, format!("{head}{section}\n\n[[{nodes}")).expect("written");
}

#[test]
fn a_fleet_with_an_authority_has_its_evidence_stamped() {
    let world = World::demo(2);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let folder = world.fleet_file();
    let folder = folder.parent().expect("a folder").to_owned();
    let url = authority(&folder);
    named(
        &world,
        &format!(
            "[evidence]\ntimestamp_authority = \"{url}\"\ntrusted_root = \"trusted_root.json\"\n"
        ),
    );
    let said = signing(&world, "evidence capture --no-ask --last 1h --output state.zip", 0);
    assert!(said.stdout.contains("\nstamped at "), "{}", said.stdout);
    let view = world.document("evidence verify state.zip", 0, "evidence");
    assert_eq!(result(&view, "timestamp"), "passed");
    // A reviewer names whom they trust; who names nobody is told what it takes.
    let root = folder.join("trusted_root.json").display().to_string();
    let words = format!("evidence verify state.zip --key console.pem --trusted-root {root}");
    assert_eq!(result(&world.document(&words, 0, "evidence"), "timestamp"), "passed");
    let view = world.document("evidence verify state.zip --key console.pem", 0, "evidence");
    assert_eq!(result(&view, "timestamp"), "open");
    let again = world.check("evidence stamp state.zip", 2);
    assert!(again.stderr.contains("it has manifest.dsse.tsr already"), "{}", again.stderr);
    world.check("evidence stamp state.zip --replace", 0);
    world.check("evidence verify state.zip", 0);
}

#[test]
fn an_authority_that_is_away_leaves_the_evidence_sealed() {
    let world = World::demo(2);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let folder = world.fleet_file();
    let folder = folder.parent().expect("a folder").to_owned();
    let url = authority(&folder);
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    named(
        &world,
        &format!(
            "[evidence]\ntimestamp_authority = \"http://{gone}/\"\ntrusted_root = \"trusted_root.json\"\n"
        ),
    );
    let said = signing(&world, "evidence capture --no-ask --last 1h --output state.zip", 1);
    assert!(said.stdout.contains("not stamped: no timestamp of"), "{}", said.stdout);
    assert!(said.stdout.contains("plumb evidence stamp FILE"), "{}", said.stdout);
    world.check("evidence verify state.zip", 0);
    world.check("evidence stamp state.zip", 3);
    // Asked by hand, of another authority.
    let root = folder.join("trusted_root.json").display().to_string();
    let words = format!("evidence stamp state.zip --authority {url} --trusted-root {root}");
    let done = world.document(&words, 0, "evidence-stamp");
    assert_eq!(done["stamp"]["by"], url.as_str());
    let view = world.document("evidence verify state.zip", 0, "evidence");
    assert_eq!(result(&view, "timestamp"), "passed");
}

#[test]
fn a_sigstore_bundle_is_attached_and_judged() {
    let world = World::demo(2);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    signing(&world, "evidence capture --no-ask --last 1h --output state.zip", 0);
    let seal = Command::new("unzip")
        .args(["-p", "state.zip", "manifest.dsse.json"])
        .current_dir(world.path())
        .output()
        .expect("unzip is there")
        .stdout;
    let pki = Pki::new(sealed_at()).expect("keys");
    let issued = pki.issue(&Recipe::new(seal, sealed_at())).expect("issued");
    world.file("bundle.json", &issued.bundle_json());
    world.file("trusted_root.json", &issued.trusted_root_json());
    let odd = world.check("evidence stamp state.zip --sigstore-bundle console.pem", 2);
    assert!(odd.stderr.contains("no Sigstore bundle"), "{}", odd.stderr);
    world.check("evidence stamp state.zip --sigstore-bundle bundle.json", 0);
    let verify = |who: &str, exit| {
        let words = format!(
            "evidence verify state.zip --key console.pem --trusted-root trusted_root.json \
             --certificate-identity {who} --certificate-oidc-issuer {}",
            issued.issuer
        );
        result(&world.document(&words, exit, "evidence"), "sigstore")
    };
    assert_eq!(verify(&issued.identity, 0), "passed");
    assert_eq!(verify("somebody@example.com", 1), "failed");
}
