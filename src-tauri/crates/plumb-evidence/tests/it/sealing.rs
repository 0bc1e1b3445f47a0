//! What sealing writes.

use std::process::Command;

use plumb_evidence::{Archive, Seal, SealError, seal};
use plumb_testkit::company::at;

use crate::support::{Folder, Inside, captured, console, entries, plain, sealed, trust, verified};

#[test]
fn the_same_evidence_has_the_same_bytes() {
    assert!(plain() == plain(), "nothing of the moment or the machine is in the archive");
}

#[test]
fn an_archive_holds_what_was_captured_in_folders_by_kind() {
    let names: Vec<String> = entries(&plain()).into_iter().map(|(name, _)| name).collect();
    let run = crate::support::run().to_string();
    insta::assert_snapshot!(names.join("\n").replace(&run, "RUN"));
}

#[test]
fn other_programs_open_it() {
    let folder = Folder::new();
    let sealed = sealed(&folder, &Inside::default(), console());
    let tested = Command::new("unzip").arg("-tqq").arg(sealed.path.as_str()).output();
    assert!(tested.expect("unzip is there").status.success());
    let read = Command::new("/usr/bin/python3")
        .args(["-c", "import sys, zipfile; assert zipfile.ZipFile(sys.argv[1]).testzip() is None"])
        .arg(sealed.path.as_str())
        .output();
    assert!(read.expect("Python is there").status.success());
}

#[test]
fn what_packs_like_a_bomb_is_stored_as_it_is() {
    let folder = Folder::new();
    let mut captured = captured(&folder.join("draft"), &Inside::default());
    let zeros = vec![b'0'; 3 << 20];
    captured.draft.add("metrics/gauge.txt", zeros.as_slice()).expect("written");
    let bytes = std::fs::read(crate::support::sealed_of(captured, &folder, console()).path);
    let bytes = bytes.expect("it is there");
    assert!(bytes.len() > zeros.len());
    let verification = verified(&bytes, &trust());
    assert!(verification.holds());
    assert_eq!(verification.notes, Vec::<String>::new());
}

#[test]
fn nothing_is_sealed_over_a_file_that_is_there() {
    let folder = Folder::new();
    let captured = captured(&folder.join("draft"), &Inside::default());
    let path = folder.join("evidence.zip");
    std::fs::write(&path, "somebody's").expect("written");
    let with =
        Seal { key: console(), made_at: at("2026-03-01T12:00:00Z"), canaries: captured.canaries };
    let refused = seal(&captured.draft, with, &path);
    assert!(matches!(refused, Err(SealError::Exists { .. })), "{refused:?}");
    assert_eq!(std::fs::read_to_string(path).expect("still there"), "somebody's");
}

#[test]
fn what_was_altered_after_it_was_captured_is_not_sealed() {
    let folder = Folder::new();
    let captured = captured(&folder.join("draft"), &Inside::default());
    let (name, _) = captured.draft.entries().iter().next().expect("something was captured");
    std::fs::write(captured.draft.path(name), "other").expect("written");
    let expected = format!("{name} was altered or removed after it was captured");
    let with =
        Seal { key: console(), made_at: at("2026-03-01T12:00:00Z"), canaries: captured.canaries };
    let path = folder.join("evidence.zip");
    let refused = seal(&captured.draft, with, &path).expect_err("it was altered");
    assert_eq!(refused.to_string(), expected);
    assert!(!path.exists(), "nothing stands at the path");
}

#[test]
fn secrets_are_tokens_and_the_same_secret_is_the_same_token() {
    let bytes = plain();
    let archive = Archive::open(bytes.as_slice()).expect("it opens");
    let text = |name: &str| {
        let entry = archive.find(name).expect("it is there");
        String::from_utf8(archive.document(entry).expect("it unpacks")).expect("text")
    };
    let (nodes, log) = (text("fleet/nodes.jsonl"), text("console/log.txt"));
    assert!(!nodes.contains("s3cr3t") && nodes.contains("redacted-"), "{nodes}");
    assert!(!log.contains("abcdefgh12345") && log.contains("redacted-"), "{log}");
}
