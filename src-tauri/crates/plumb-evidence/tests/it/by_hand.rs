//! The instructions in an archive do what they say, with programs that are not ours.

use std::process::{Command, Output};

use camino::Utf8Path;
use plumb_trust::dsse::{Algorithm, NewKey};

use sigstore_crypto::VerificationKey;
use sigstore_types::{DerPublicKey, DsseEnvelope};

use crate::support::{Folder, Inside, console, entries, sealed};

/// The lines for the shell, as somebody would paste them.
fn commands(instructions: &str) -> String {
    let lines = instructions.lines().filter_map(|line| {
        line.strip_prefix("    ").filter(|rest| !rest.starts_with("   ")).or_else(|| {
            // A step's own text is indented by three; deeper lines of a script by more than four.
            line.strip_prefix("    ")
        })
    });
    // The fingerprint stands indented too, for the eye.
    let is_hex = |line: &&str| {
        let word = line.trim();
        !(word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    lines.filter(is_hex).collect::<Vec<_>>().join("\n")
}

/// Unpacks evidence, changes something, and goes through the instructions.
fn by_hand(key: &plumb_trust::dsse::SigningKey, change: &str) -> Output {
    let folder = Folder::new();
    let sealed = sealed(&folder, &Inside::default(), key);
    gone_through(&sealed.path, &folder, change)
}

/// Unpacks an archive beside what else is in a folder, changes something, and goes through the instructions.
pub(crate) fn gone_through(path: &Utf8Path, folder: &Folder, change: &str) -> Output {
    let unpacked = folder.join("unpacked");
    let done = Command::new("unzip").args(["-q", path.as_str(), "-d", unpacked.as_str()]).status();
    assert!(done.expect("unzip is there").success());
    let text = std::fs::read_to_string(unpacked.join("instructions.txt")).expect("they are there");
    let script = format!(
        "set -eo pipefail\n{change}\n{}\n",
        commands(&text).replace("python3", "/usr/bin/python3")
    );
    Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(unpacked)
        .output()
        .expect("bash is there")
}

#[test]
fn the_instructions_hold_for_good_evidence() {
    let p256 = NewKey::generate(Algorithm::EcdsaP256).and_then(|key| key.signing()).expect("a key");
    for key in [console(), &p256] {
        let output = by_hand(key, "");
        let (out, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{wrong}");
        assert!(out.contains(&format!("{}  -", key.public().id())), "{out}");
        assert!(out.contains("the manifest is signed, and its"), "{out}");
        assert!(out.contains("holds: 4 events"), "{out}");
    }
}

#[test]
fn the_instructions_find_what_was_altered() {
    for change in [
        "echo >> report.html",
        "echo more > extra.txt",
        "sed -i s/runs/sunr/ runs/*/journal.jsonl",
        "sed -i 's/every node/some node/' manifest.json",
        "openssl genpkey -algorithm ed25519 | openssl pkey -pubout > signer.pem",
    ] {
        let output = by_hand(console(), change);
        assert!(!output.status.success(), "{change}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Envelope, encoding and signature as another implementation of DSSE reads them.
#[test]
fn a_verifier_of_envelopes_that_is_not_ours_takes_the_signature() {
    let p256 = NewKey::generate(Algorithm::EcdsaP256).and_then(|key| key.signing()).expect("a key");
    for key in [console(), &p256] {
        let folder = Folder::new();
        let sealed = sealed(&folder, &Inside::default(), key);
        let entries = entries(&std::fs::read(sealed.path).expect("it is there"));
        let entry = |name: &str| {
            let found = entries.iter().find(|(other, _)| other == name);
            found.expect("it is there").1.as_slice()
        };
        let envelope: DsseEnvelope =
            serde_json::from_slice(entry("manifest.dsse.json")).expect("an envelope");
        assert_eq!(envelope.payload.as_bytes(), entry("manifest.json"));
        let pem = std::str::from_utf8(entry("signer.pem")).expect("text");
        let signer = DerPublicKey::from_pem(pem).expect("a key");
        let signer = VerificationKey::from_spki(&signer).expect("one that signs");
        let signature = &envelope.signature.sig;
        signer.verify(envelope.pae(), signature).expect("it is signed");
        let mut altered = envelope.pae();
        altered[100] ^= 1;
        signer.verify(altered, signature).expect_err("it is over every byte");
    }
}
