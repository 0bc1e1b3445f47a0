//! What a run keeps while it goes on, and a capture takes over.

use std::{fs, io::Write as _};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_evidence::{
    Archive, Capture, Draft, Seal, SealError,
    capture::Captured,
    live::{Answer, Answerer, Kept, Live, SOURCE, Stand, token_key},
    manifest::run_folder,
    raw::{Ended, RawError, RawWriter, read_file},
    seal,
};
use plumb_fleet::{Digest, NodeId};
use plumb_redact::{RuleSpec, Rules};
use plumb_testkit::company::at;
use plumb_trust::locked::{lock, stream::StreamKey};

use crate::support::{Folder, TOKENS, about, console, run, trust, verified};

const SECRET: &str = "s3cr3t-of-the-node";

fn rules() -> Rules {
    Rules::compile(&RuleSpec::default()).expect("good rules")
}

fn raw_key() -> StreamKey {
    StreamKey::generate(&mut |bytes: &mut [u8]| bytes.fill(5))
}

fn begun(folder: &Utf8Path, part: u32, rules: Rules) -> Live {
    let spec = RuleSpec::default();
    Live::begin(folder, (run(), part), about(), (spec, rules), (TOKENS, raw_key())).expect("begins")
}

fn told(live: &mut Live, body: &str) {
    let node = NodeId::new("gw-1").expect("a name");
    let headers =
        ["content-type: application/json".to_owned(), format!("set-cookie: sid={SECRET}")];
    let answer = Answer {
        from: Answerer::Node(&node),
        method: "GET",
        path: "/readyz",
        at: Timestamp::UNIX_EPOCH,
        status: 200,
        headers: &headers,
        body,
    };
    live.take(&answer).expect("taken");
}

fn taken_over(folder: &Folder, parts: &[&Utf8Path]) -> Captured {
    let (draft, spec) = (folder.join("draft"), RuleSpec::default());
    let mut capture = Capture::begin(&draft, about(), spec, rules(), TOKENS).expect("begins");
    for (part, path) in (1..).zip(parts) {
        let kept = Kept::open(path).expect("it reads");
        let name = format!("{}/kept-{part:02}.jsonl", run_folder(run()));
        capture.adopt(&kept, &name, true).expect("taken over");
    }
    capture.finish().expect("ends")
}

fn sealed(folder: &Folder, captured: Captured) -> Result<Vec<u8>, SealError> {
    let Captured { draft, canaries, .. } = captured;
    let with = Seal { key: console(), made_at: at("2026-03-01T12:00:00Z"), canaries };
    let sealed = seal(&draft, with, &folder.join("evidence.zip"))?;
    Ok(fs::read(sealed.path).expect("it is there"))
}

fn text(bytes: &[u8], name: &str) -> String {
    let archive = Archive::open(bytes).expect("it opens");
    let entry = archive.find(name).expect("it is there");
    String::from_utf8(archive.document(entry).expect("it unpacks")).expect("text")
}

#[test]
fn what_was_kept_before_a_crash_is_in_the_archive_without_its_secrets() {
    let folder = Folder::new();
    let path = folder.join("live");
    let mut live = begun(&path, 1, rules());
    told(&mut live, &format!("{{\"token\":\"{SECRET}\",\"ready\":true}}"));
    told(&mut live, &format!("{{\"token\":\"{SECRET}\",\"ready\":true}}"));
    let Stand { answers, log } = live.keep().expect("durable");
    assert_eq!(answers, 2);
    // The program is killed while it writes the third.
    told(&mut live, "{\"never\":\"durable\"}");
    std::mem::forget(live);
    let answers = path.join("entries").join(run_folder(run())).join("answers-01.jsonl");
    let mut file = fs::OpenOptions::new().append(true).open(&answers).expect("it is there");
    file.write_all(b"{\"half a").expect("written");
    let mut file = fs::OpenOptions::new().append(true).open(path.join("written.jsonl"));
    file.as_mut().expect("it is there").write_all(b"{\"prev").expect("written");

    let captured = taken_over(&folder, &[&path]);
    assert!(
        captured.map.values().any(|secret| secret == SECRET),
        "the map has what tokens stand for"
    );
    assert_eq!(captured.draft.missing().len(), 0, "{:?}", captured.draft.missing());
    let bytes = sealed(&folder, captured).expect("it seals");
    assert!(verified(&bytes, &trust()).holds());
    let told = text(&bytes, &format!("{}/answers-01.jsonl", run_folder(run())));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(!told.contains(SECRET) && lines[0].contains("redacted-"), "{told}");
    assert!(lines[0].contains("content-type: application/json"), "{told}");
    assert!(lines[1].contains("\"same_as\":1"), "{told}");
    // The journal names the line of the log that lists all of it.
    let log_of_it = text(&bytes, &format!("{}/kept-01.jsonl", run_folder(run())));
    let hashes = log_of_it.split_inclusive('\n').map(|line| Digest::of(line.as_bytes()));
    assert!(hashes.into_iter().any(|hash| hash == log), "{log_of_it}");
}

#[test]
fn two_programs_that_carried_a_run_out_leave_two_parts_with_the_same_tokens() {
    let folder = Folder::new();
    let (one, two) = (folder.join("one"), folder.join("two"));
    for (part, path) in [(1, &one), (2, &two)] {
        let mut live = begun(path, part, rules());
        told(&mut live, &format!("{{\"token\":\"{SECRET}\",\"part\":{part}}}"));
        live.finish().expect("ends");
    }
    let captured = taken_over(&folder, &[&one, &two]);
    let secrets = captured.receipt.secrets;
    let bytes = sealed(&folder, captured).expect("it seals");
    let token = |part: u32| {
        let all = text(&bytes, &format!("{}/answers-{part:02}.jsonl", run_folder(run())));
        let at = all.find("redacted-").expect("a token");
        all[at..at + 33].to_owned()
    };
    assert_eq!(token(1), token(2));
    assert_eq!(secrets, 2, "the cookie and the token, in however many parts");
}

#[test]
fn what_was_altered_or_made_with_another_key_stays_out_and_is_named() {
    let folder = Folder::new();
    let path = folder.join("live");
    let mut live = begun(&path, 1, rules());
    told(&mut live, "{\"ready\":true}");
    live.finish().expect("ends");
    let name = format!("{}/answers-01.jsonl", run_folder(run()));
    let answers = path.join("entries").join(&name);
    let text = fs::read_to_string(&answers).expect("text").replace("true", "null");
    fs::write(&answers, text).expect("written");
    let captured = taken_over(&folder, &[&path]);
    assert!(captured.draft.missing().iter().any(|one| one.what == name), "it is named");
    assert!(captured.draft.entries().keys().all(|entry| entry.as_str() != name));

    let other = folder.join("other");
    let spec = RuleSpec::default();
    let mut capture = Capture::begin(&other, about(), spec, rules(), [8; 32]).expect("begins");
    let kept = Kept::open(&path).expect("it reads");
    capture.adopt(&kept, "runs/kept.jsonl", false).expect("noted");
    let missing = capture.draft().missing();
    assert_eq!(missing[0].why, "its tokens were made with another key");
}

#[test]
fn a_secret_that_gets_through_while_a_run_goes_on_keeps_the_evidence_from_being_sealed() {
    let folder = Folder::new();
    let path = folder.join("live");
    let off = RuleSpec { off: vec!["bearer".to_owned()], ..RuleSpec::default() };
    let live = begun(&path, 1, Rules::compile(&off).expect("good rules"));
    live.finish().expect("ends");
    match sealed(&folder, taken_over(&folder, &[&path])) {
        Err(SealError::Leaks(hits)) => assert!(hits.iter().all(|hit| hit.canary.source == SOURCE)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_nodes_answered_word_for_word_opens_with_its_passphrase_and_shows_where_it_was_cut() {
    let word = "a passphrase of tests";
    let mut fill = |bytes: &mut [u8]| bytes.fill(6);
    let key = raw_key();
    let locked = lock(key.as_bytes(), word, &mut fill).expect("locks");
    let mut writer = RawWriter::begin_file(Vec::new(), &key, &locked).expect("begins");
    let line = format!("{{\"token\":\"{SECRET}\"}}\n");
    let long = "x".repeat(200_000);
    for part in [&line, &long] {
        writer.add(part.as_bytes()).expect("added");
    }
    let file = writer.finish().expect("ends");
    assert!(!file.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    let opened = |file: &[u8], word: &str| {
        let mut out = Vec::new();
        let ended = read_file(file, word, |piece| {
            out.extend_from_slice(piece);
            Ok(())
        });
        ended.map(|ended| (ended, out))
    };
    let (ended, out) = opened(&file, word).expect("opens");
    assert_eq!((ended, out), (Ended::Whole, format!("{line}{long}").into_bytes()));
    let (ended, out) = opened(&file[..file.len() - 5], word).expect("a prefix opens");
    assert!(ended == Ended::CutOff && out.starts_with(line.as_bytes()));
    assert!(matches!(opened(&file, "another passphrase"), Err(RawError::Lock(_))));
    let mut altered = file.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert!(matches!(opened(&altered, word), Err(RawError::Altered { number: 3 })));
    let longer = [&file[..], b"more"].concat();
    assert!(matches!(opened(&longer, word), Err(RawError::Format { .. })));
    assert!(matches!(opened(b"{}\n", word), Err(RawError::Format { .. })));
}

#[test]
fn the_key_of_tokens_is_made_once() {
    let folder = Folder::new();
    let path = folder.join("evidence/token.key");
    assert_eq!(token_key(&path, [1; 32]).expect("made"), [1; 32]);
    assert_eq!(token_key(&path, [2; 32]).expect("kept"), [1; 32]);
    fs::write(&path, "short").expect("written");
    token_key(&path, [2; 32]).expect_err("it is no key");
}

#[test]
fn a_folder_that_grows_holds_as_far_as_its_log_says() {
    let folder = Folder::new();
    let path = folder.join("live");
    let mut live = begun(&path, 1, rules());
    told(&mut live, "{}");
    live.keep().expect("durable");
    told(&mut live, "{\"more\":1}");
    live.keep().expect("durable");
    std::mem::forget(live);
    let (_, prefix) = Draft::check(&path).expect("it reads");
    assert_eq!((prefix.entries, prefix.broken, prefix.cut_off), (2, None, false));
}
