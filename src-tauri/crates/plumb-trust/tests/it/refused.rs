//! Which refused lists are accepted, and which are not.

use std::collections::BTreeMap;

use plumb_fleet::{ContentDigest, Digest};
use plumb_testkit::company::{Company, NOW, at, fleet, key};
use plumb_trust::{
    dsse::{Algorithm, Envelope, SigningKey},
    refused::{
        CleanDocument, Clearing, ENTRIES_MAX, RefusedDocument, RefusedEntry, RefusedError,
        RefusedList,
    },
};

const US: &str = "payments-us";
const SINCE: &str = "2026-03-01T09:00:00Z";

fn content(word: &str) -> ContentDigest {
    ContentDigest(Digest::of(word.as_bytes()))
}

fn list(version: u32, words: &[&str]) -> RefusedDocument {
    let entry = || RefusedEntry { since: at(SINCE), reason: "denied every refund".to_owned() };
    RefusedDocument {
        fleet: fleet(US),
        version,
        issued_at: at(NOW),
        refused: words.iter().map(|word| (content(word), entry())).collect(),
        cleared: BTreeMap::new(),
    }
}

fn clean(word: &str, since: &str, keys: &[&SigningKey]) -> String {
    let document = CleanDocument {
        fleet: fleet(US),
        content: content(word),
        refused_since: at(since),
        reason: "the rule was mended upstream".to_owned(),
        issued_at: at(NOW),
    };
    let statement = document.statement().expect("it has a reason");
    let envelope = Envelope::sign(&statement, keys).expect("signed");
    String::from_utf8(envelope.to_bytes()).expect("JSON")
}

struct Desk {
    company: Company,
    known: RefusedList,
}

impl Desk {
    /// A fleet whose rule takes two of storage and platform security, with a list of two.
    fn new() -> Self {
        let company = Company::new();
        let envelope = list(4, &["one", "two"]).sign(&company.keys["tove"]).expect("signed");
        let known = RefusedList::accept(&envelope, &company.roster(), &fleet(US), None, at(NOW));
        Self { known: known.expect("the first list"), company }
    }

    fn key(&self, name: &str) -> &SigningKey {
        &self.company.keys[name]
    }

    #[track_caller]
    fn check(&self, document: RefusedDocument, by: &SigningKey) -> Result<RefusedList, String> {
        let envelope = document.sign(by).map_err(|error| error.to_string())?;
        let roster = self.company.roster();
        RefusedList::accept(&envelope, &roster, &fleet(US), Some(&self.known), at(NOW))
            .map_err(|error| error.to_string())
    }
}

#[test]
fn anybody_of_the_roster_may_refuse_more() {
    let desk = Desk::new();
    let more = desk.check(list(5, &["one", "two", "three"]), desk.key("mara")).expect("accepted");
    assert!(more.refuses(content("three")).is_some());
    assert!(more.refuses(content("four")).is_none());
    let stranger = key(Algorithm::Ed25519);
    let refused = desk.check(list(5, &["one", "two"]), &stranger).expect_err("a stranger");
    assert_eq!(refused, RefusedError::Unsigned.to_string());
}

#[test]
fn nothing_older_and_nothing_else_of_the_same_version_is_accepted() {
    let desk = Desk::new();
    let tove = desk.key("tove");
    assert_eq!(desk.check(list(4, &["one", "two"]), tove), Ok(desk.known.clone()));
    let older = desk.check(list(3, &["one", "two", "three"]), tove).expect_err("older");
    assert!(older.contains("older than version 4"), "{older}");
    let forked = desk.check(list(4, &["one", "two", "three"]), tove).expect_err("forked");
    assert!(forked.contains("another version 4"), "{forked}");
    let mut elsewhere = list(5, &["one", "two"]);
    elsewhere.fleet = fleet("payments-eu");
    let elsewhere = desk.check(elsewhere, tove).expect_err("another fleet");
    assert_eq!(elsewhere, "it is for fleet payments-eu, not payments-us");
}

#[test]
fn refusing_less_takes_a_quorum_that_signed_it_clean() {
    let desk = Desk::new();
    let tove = desk.key("tove");
    let [mara, sana, piet] = ["mara", "sana", "piet"].map(|name| desk.key(name));
    let without = |clearing: Option<String>| {
        let mut next = list(7, &["two"]);
        next.cleared = clearing.map(|text| (content("one"), text)).into_iter().collect();
        desk.check(next, tove)
    };
    assert!(without(None).expect_err("not cleared").ends_with("and nobody signed it clean"));
    assert!(without(Some(clean("one", SINCE, &[mara, sana]))).is_ok());
    assert!(without(Some(clean("one", SINCE, &[mara, sana, piet]))).is_ok());
    for (clearing, why) in [
        (clean("one", SINCE, &[mara]), "it misses 1 more of platform-security or storage"),
        // Of operations, which have no say.
        (clean("one", SINCE, &[mara, tove]), "it misses 1 more of platform-security or storage"),
        (clean("two", SINCE, &[mara, sana]), "was signed clean instead"),
        (clean("one", "2026-02-01T09:00:00Z", &[mara, sana]), "an earlier refusal was lifted"),
        (clean("one", SINCE, &[&key(Algorithm::Ed25519)]), "nobody of the roster"),
        ("no envelope".to_owned(), "does not count"),
    ] {
        let refused = without(Some(clearing)).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn one_person_with_two_keys_is_one_of_a_quorum() {
    let company = Company::new().second_key("mara", "mara-phone", Algorithm::EcdsaP256);
    let keys = [&company.keys["mara"], &company.keys["mara-phone"]];
    let clearing = clean("one", SINCE, &keys);
    let read = Clearing::read(clearing.as_bytes(), &company.roster(), &fleet(US), at(NOW));
    let read = read.expect("signed");
    assert_eq!((read.people.len(), read.missing.is_some()), (1, true));
}

#[test]
fn a_key_that_was_revoked_signs_no_list() {
    let desk = Desk::new();
    let envelope = list(5, &["one", "two"]).sign(desk.key("tove")).expect("signed");
    let company = desk.company.with(|roster| {
        for person in roster.people.values_mut() {
            person.keys.iter_mut().for_each(|key| key.revoked_at = Some(at(SINCE)));
        }
    });
    let refused = RefusedList::accept(&envelope, &company.roster(), &fleet(US), None, at(NOW));
    assert_eq!(refused, Err(RefusedError::Unsigned));
}

#[test]
fn what_was_kept_reads_back_and_limits_hold() {
    let desk = Desk::new();
    let envelope = list(4, &["one", "two"]).sign(desk.key("mara")).expect("signed");
    assert_eq!(RefusedList::kept(&envelope), Ok(desk.known.clone()));
    let words: Vec<String> = (0..=ENTRIES_MAX).map(|index| index.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert!(desk.check(list(5, &words[1..]), desk.key("mara")).is_err(), "one and two are gone");
    let full = desk.check(list(5, &words), desk.key("mara")).expect_err("too many");
    assert!(full.contains("more than 1000 entries"), "{full}");
    let mut both = list(5, &["one", "two"]);
    both.cleared.insert(content("one"), clean("one", SINCE, &[desk.key("mara")]));
    let both = desk.check(both, desk.key("mara")).expect_err("both");
    assert!(both.contains("both refused and cleared"), "{both}");
    let mut silent = list(5, &["one", "two"]);
    silent
        .refused
        .insert(content("three"), RefusedEntry { since: at(SINCE), reason: " ".to_owned() });
    assert!(desk.check(silent, desk.key("mara")).is_err(), "no reason");
}
