//! A folder of evidence after its program ended somewhere.

use std::{fs, io::Write as _};

use plumb_evidence::{Draft, capture::Captured, name::safe_part};

use crate::support::{Folder, Inside, about, captured, console, sealed_of, trust, verified};

#[test]
fn every_prefix_of_the_log_is_a_verifiable_prefix() {
    let folder = Folder::new();
    drop(captured(&folder.join("draft"), &Inside::default()));
    let log = fs::read(folder.join("draft/written.jsonl")).expect("a log");
    let first = log.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    // Every place near the end of a line, and some within.
    let near = |length: &usize| {
        length.is_multiple_of(97)
            || log[length.saturating_sub(2)..(length + 1).min(log.len())].contains(&b'\n')
    };
    for length in (first..=log.len()).filter(near) {
        fs::write(folder.join("draft/written.jsonl"), &log[..length]).expect("cut off");
        let (draft, prefix) = Draft::check(&folder.join("draft")).expect("a prefix");
        assert_eq!(prefix.broken, None);
        assert_eq!(prefix.entries, draft.entries().len() as u64);
        assert_eq!(prefix.cut_off, log[length - 1] != b'\n', "at {length}");
    }
}

#[test]
fn a_capture_goes_on_after_a_crash_where_the_log_ends() {
    let folder = Folder::new();
    let path = folder.join("draft");
    let mut draft = Draft::create(&path, about()).expect("begins");
    draft.add("console/one.txt", &b"one"[..]).expect("written");
    drop(draft);
    let mut log =
        fs::OpenOptions::new().append(true).open(path.join("written.jsonl")).expect("a log");
    log.write_all(b"{\"previous\":\"00").expect("the program ends here");
    drop(log);
    let mut draft = Draft::open(&path).expect("opens");
    draft.add("console/two.txt", &b"two"[..]).expect("written");
    let (draft, prefix) = Draft::check(&path).map(|(_, prefix)| (draft, prefix)).expect("checks");
    assert_eq!((prefix.entries, prefix.cut_off, prefix.broken), (2, false, None));
    assert_eq!(draft.entries().len(), 2);
}

#[test]
fn an_altered_file_or_log_is_named() {
    let folder = Folder::new();
    let path = folder.join("draft");
    let mut draft = Draft::create(&path, about()).expect("begins");
    draft.add("console/one.txt", &b"one"[..]).expect("written");
    draft.add("console/two.txt", &b"two"[..]).expect("written");
    fs::write(path.join("entries/console/one.txt"), "ONE").expect("altered");
    let (_, prefix) = Draft::check(&path).expect("checks");
    let (name, why) = prefix.broken.expect("it is found");
    assert_eq!(
        (name.as_str(), why.as_str()),
        ("console/one.txt", "was altered after it was written")
    );
    let log = fs::read_to_string(path.join("written.jsonl")).expect("a log");
    fs::write(path.join("written.jsonl"), log.replacen("one.txt", "0ne.txt", 1)).expect("altered");
    let refused = Draft::check(&path).expect_err("the next line does not follow").to_string();
    assert!(refused.contains("line 3 does not follow the one before"), "{refused}");
}

#[test]
fn a_finished_capture_is_sealed_by_a_later_program() {
    let folder = Folder::new();
    drop(captured(&folder.join("draft"), &Inside::default()));
    let again = Captured::open(&folder.join("draft")).expect("it came to its end");
    let sealed = sealed_of(again, &folder, console());
    assert!(verified(&fs::read(sealed.path).expect("it is there"), &trust()).holds());
}

#[test]
fn names_of_others_never_meet_and_never_leave_the_folder() {
    let folder = Folder::new();
    let mut draft = Draft::create(&folder.join("draft"), about()).expect("begins");
    draft.add("nodes/a.txt", &b"a"[..]).expect("written");
    for name in [
        "nodes/A.TXT",
        "../out",
        "/out",
        "nodes/../out",
        "nodes/con.txt",
        "manifest.json",
        "a\\b",
        "x/\u{e9}",
    ] {
        assert!(draft.add(name, &b""[..]).is_err(), "{name}");
    }
    let words = ["gw-1", "GW-1", "gw/1", "..", "", "con", "gw 1", "\u{e9}"];
    let parts: std::collections::BTreeSet<String> = words.map(safe_part).into();
    assert_eq!(parts.len(), words.len(), "{parts:?}");
    for part in parts {
        draft.add(&format!("words/{part}.txt"), &b""[..]).expect("a good name");
    }
}
