//! Journals as JSON Lines in the hands of strangers: everything that was done to them is found.

use std::sync::LazyLock;

use plumb_fleet::{Digest, FleetId, PlanHash};
use plumb_journal::{
    ChainVerdict, Check, Entry, Found, Head, JournalHead, Outcome, Signed, head,
    portable::{
        Header, HeaderError, Line, read_header, read_line, write_entry, write_head, write_header,
    },
};
use plumb_testkit::{builders::content, clock::after};
use plumb_trust::dsse::{Algorithm, Envelope, NewKey, SigningKey};
use proptest::prelude::*;

use crate::{any_chain, chain, effect, ended, proven, run, started};

/// Keys of the console and of somebody else.
static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    let key = || NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing());
    [key().expect("a key"), key().expect("a key")]
});

fn console() -> &'static SigningKey {
    &KEYS[0]
}

fn somebody() -> &'static SigningKey {
    &KEYS[1]
}

fn envelope(by: &SigningKey, head: JournalHead) -> String {
    let envelope = Envelope::sign(&head.statement(), &[by]).expect("signs");
    String::from_utf8(envelope.to_bytes()).expect("JSON")
}

fn header() -> Header {
    Header::new(run(), PlanHash(content("plan").0), FleetId::new("payments-eu").expect("a name"))
}

/// A journal with its head signed after each of these many entries.
fn file(entries: &[Entry], signed: &[usize], by: &SigningKey) -> String {
    let mut text = write_header(&header());
    for (index, entry) in entries.iter().enumerate() {
        text.push_str(&write_entry(&entry.body.canonical(), entry.hash));
        if signed.contains(&(index + 1)) {
            let head: Head = head(run(), &entries[..=index]);
            text.push_str(&write_head(&envelope(by, head.at(entry.body.at))));
        }
    }
    text
}

/// Reads a file as a stranger does who trusts `console`.
fn read(text: &[u8], signatures_wanted: bool) -> Result<Found, HeaderError> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let content = |line: &'_ [u8]| line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    let header = read_header(&lines.next().map(content).unwrap_or_default())?;
    let mut check = Check::new(header.run);
    for line in lines {
        match read_line(&content(line)) {
            Line::Entry(link) => check.entry(link),
            Line::Head(envelope) => {
                let Ok(envelope) = Envelope::read(envelope.as_bytes()) else {
                    check.breaks("follows a head that cannot be read".to_owned());
                    continue;
                };
                let trusted = envelope.verify([console().public()]).is_ok();
                check.head(envelope.payload_digest(), trusted.then_some("console"));
            }
        }
    }
    Ok(check.found(signatures_wanted))
}

fn run_of_five() -> Vec<Entry> {
    chain(vec![
        started(),
        effect("a", 0),
        proven("a", true),
        effect("b", 0),
        ended(Outcome::Succeeded),
    ])
}

#[track_caller]
fn check(text: &str, signatures_wanted: bool, expected: &(ChainVerdict, Option<u64>)) {
    let found = read(text.as_bytes(), signatures_wanted).expect("a header");
    let signed = found.signed.map(|signed| signed.events);
    assert_eq!(&(found.verdict, signed), expected);
}

fn broken(at: u64, why: &str) -> ChainVerdict {
    ChainVerdict::Broken { at, why: why.to_owned() }
}

#[test]
fn a_line_is_the_canonical_json_of_its_entry() {
    for entry in run_of_five() {
        let line = write_entry(&entry.body.canonical(), entry.hash);
        assert_eq!(line, serde_json_canonicalizer::to_string(&entry).expect("serialises") + "\n");
    }
}

#[test]
fn a_journal_signed_to_its_end_is_complete() {
    let entries = run_of_five();
    let text = file(&entries, &[1, 3, 5], console());
    let found = read(text.as_bytes(), true).expect("a header");
    assert_eq!(found.verdict, ChainVerdict::Complete { events: 5 });
    assert_eq!(found.signed, Some(Signed { events: 5, by: "console".to_owned() }));
    assert_eq!((found.strangers, found.head), (0, entries[4].hash));
}

#[test]
fn a_journal_is_as_good_as_its_last_signature() {
    let entries = run_of_five();
    let complete = ChainVerdict::Complete { events: 5 };
    let prefix = |events| ChainVerdict::Prefix { events };
    // Its last head was cut off: the rest cannot be told from what somebody added.
    check(&file(&entries, &[1, 3], console()), true, &(prefix(5), Some(3)));
    check(&file(&entries, &[1, 3], console()), false, &(prefix(5), Some(3)));
    // Never signed, or by somebody else: complete for whoever does not ask for signatures.
    check(&file(&entries, &[], console()), false, &(complete.clone(), None));
    check(&file(&entries, &[], console()), true, &(prefix(5), None));
    check(&file(&entries, &[5], somebody()), true, &(prefix(5), None));
    check(&file(&entries, &[5], somebody()), false, &(complete, None));
    check(&file(&entries[..4], &[1, 3], console()), true, &(prefix(4), Some(3)));
    check(&file(&[], &[], console()), true, &(prefix(0), None));
}

#[test]
fn a_head_of_another_chain_is_found() {
    let entries = run_of_five();
    let text = file(&entries, &[3], console());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // The head moved one entry down.
    let moved = [lines[0], lines[1], lines[2], lines[3], lines[5], lines[4], lines[6]].concat();
    let why = "follows a signed head of another chain";
    check(&moved, true, &(broken(4, why), None));
    // Before the first entry there is nothing to sign.
    let first = [lines[0], lines[4]].concat();
    check(&first, true, &(broken(0, why), None));
    // The same entries up to the third, and another history after it.
    let mut other = chain(vec![started(), effect("a", 0), proven("a", false)]);
    other.extend_from_slice(&entries[3..]);
    check(
        &file(&other, &[], console()),
        true,
        &(broken(3, "does not follow the entry before"), None),
    );
}

#[test]
fn what_is_no_line_of_a_journal_is_found_where_it_stands() {
    let entries = run_of_five();
    let sound = file(&entries, &[], console());
    let fourth = write_entry(&entries[3].body.canonical(), entries[3].hash);
    let with = |line: &str| sound.replacen(fourth.trim_end(), line, 1);
    let at_three = |why: &str| (broken(3, why), None);
    check(&with(""), false, &at_three("is no event"));
    check(&with("{}"), false, &at_three("is no event"));
    check(&with("{\"body\":\"}"), false, &at_three("is no event"));
    check(&with(&format!("{} ", fourth.trim_end())), false, &at_three("is no event"));
    let hash = entries[3].hash.to_string();
    check(
        &with(&fourth.trim_end().replace(&hash, &hash.to_uppercase())),
        false,
        &at_three("is no event"),
    );
    check(&with(&"[".repeat(100_000)), false, &at_three("is no event"));
    check(&with(&header_text()), false, &at_three("is no event"));
    // Somebody who can compute hashes still cannot write events that we do not know.
    let forged =
        |body: String| write_entry(&body, Digest::of(body.as_bytes())).trim_end().to_owned();
    let body = entries[3].body.canonical();
    for (place, with_more) in [
        ("{\"at\":", "{\"note\":1,\"at\":"),
        ("\"event\":\"effect_started\"", "\"event\":\"effect_imagined\""),
        ("\"index\":0", "\"index\":0,\"index\":1"),
        ("{\"at\":", "{\"deep\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]],\"at\":"),
    ] {
        let text = with(&forged(body.replacen(place, with_more, 1)));
        let found = read(text.as_bytes(), false).expect("a header");
        let ChainVerdict::Broken { at: 3, why } = found.verdict else {
            panic!("{place}: {found:?}")
        };
        assert!(why.starts_with("is none that this program knows"), "{why}");
    }
}

fn header_text() -> String {
    write_header(&header()).trim_end().to_owned()
}

#[test]
fn what_is_no_journal_says_so() {
    let first = |text: &str| read_header(text.as_bytes()).expect_err("no header").to_string();
    assert_eq!(first(""), "its first line is not the header of a journal");
    assert_eq!(first("{\"body\":1}"), "its first line is not the header of a journal");
    let newer = header_text().replace("journal/1", "journal/2");
    assert!(first(&newer).contains("\"plumbline-journal/2\""), "{}", first(&newer));
    let more = header_text().replacen("{\"fleet\"", "{\"note\":1,\"fleet\"", 1);
    assert!(
        first(&more).starts_with("its header cannot be read: unknown field"),
        "{}",
        first(&more)
    );
    assert_eq!(read_header(header_text().as_bytes()), Ok(header()));
}

#[test]
fn a_line_break_in_the_store_makes_no_second_line() {
    let entry = &run_of_five()[0];
    let body = entry.body.canonical().replacen(',', ",\n", 1);
    let line = write_entry(&body, entry.hash);
    assert_eq!(line.matches('\n').count(), 1);
    assert_eq!(read_line(line.trim_end().as_bytes()), Line::Entry(Err("was altered".to_owned())));
}

/// Whether a byte is of the header, which repeats what the events say, or of the name of a key.
fn is_hint(text: &str, at: usize) -> bool {
    let before = "\"keyid\":\"";
    let mut names = text.match_indices(before).map(|(from, _)| from + before.len());
    at < write_header(&header()).len() || names.any(|from| (from..from + 64).contains(&at))
}

/// A file of a chain, with its head signed after some of its entries.
fn any_file() -> impl Strategy<Value = (Vec<Entry>, String)> {
    (any_chain(), prop::collection::vec(1..10_usize, 0..3))
        .prop_map(|(entries, signed)| (entries.clone(), file(&entries, &signed, console())))
}

proptest! {
    #[test]
    fn no_flipped_bit_leaves_the_same_journal(
        (entries, text) in any_file(),
        place: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let before = read(text.as_bytes(), true).expect("a header");
        let at = place.index(text.len());
        let means_nothing = is_hint(&text, at);
        let mut bytes = text.into_bytes();
        bytes[at] ^= 1_u8 << bit;
        if let Ok(after) = read(&bytes, true) {
            let broken = matches!(after.verdict, ChainVerdict::Broken { .. });
            // Of a head whose signature no longer fits nothing is believed.
            let distrusted = after.strangers > before.strangers;
            let same = after.head == before.head && after.verdict == before.verdict;
            prop_assert!(
                broken || distrusted || (same && means_nothing),
                "{at} of {} entries: {before:?} {after:?}",
                entries.len()
            );
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_a_prefix(
        (entries, text) in any_file(),
        place: prop::sample::Index,
    ) {
        let whole = text.as_bytes();
        let first = write_header(&header()).len();
        let cut = first + place.index(whole.len() - first);
        // Whoever reads a file leaves out a last line that does not end.
        let end = whole[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let found = read(&whole[..end], false).expect("a header");
        let events = match found.verdict {
            ChainVerdict::Prefix { events } | ChainVerdict::Complete { events } => events,
            ChainVerdict::Broken { .. } => return Err(TestCaseError::fail(format!("{found:?}"))),
        };
        prop_assert!(usize::try_from(events).expect("few") <= entries.len());
        prop_assert!(found.signed.is_none_or(|signed| signed.events <= events));
    }

    #[test]
    fn hostile_bytes_end_in_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut text = write_header(&header()).into_bytes();
        text.extend(&bytes);
        let found = read(&text, true).expect("a header");
        let untouched = bytes.is_empty();
        prop_assert_eq!(matches!(found.verdict, ChainVerdict::Prefix { events: 0 }), untouched);
    }
}

#[test]
fn the_statement_of_a_head_is_known_from_its_events() {
    let entries = run_of_five();
    let statement = head(run(), &entries[..3]).at(entries[2].body.at).statement();
    let hash = entries[2].hash;
    let expected = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{{\"at\":\"{}\",\"events\":3,\
         \"hash\":\"{hash}\",\"run\":\"{}\"}},\
         \"predicateType\":\"https://plumbline.invalid/journal-head/v1\",\
         \"subject\":[{{\"digest\":{{\"sha256\":\"{hash}\"}},\"name\":\"journal\"}}]}}",
        after(2),
        run()
    );
    assert_eq!(String::from_utf8_lossy(&statement.canonical_bytes()), expected);
}
