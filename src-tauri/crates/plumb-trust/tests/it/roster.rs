//! Which rosters are accepted, and which are not.

use plumb_trust::{
    dsse::{Algorithm, DsseError, Envelope, PublicKey, SigningKey},
    readiness::ReadinessItem,
    roster::{
        Environment, FreezeWindow, GroupId, PersonId, Quorum, Requirement, RootKey, Roots, Roster,
        RosterDocument, RosterError, RosterPin,
    },
};

use plumb_testkit::company::{Company, at, fleet, groups, key, person};

fn signed(document: &RosterDocument, keys: &[&SigningKey]) -> Vec<u8> {
    let statement = document.clone().statement().expect("nothing contradicts itself");
    Envelope::sign(&statement, keys).expect("it signs").to_bytes()
}

fn publics(keys: &[SigningKey]) -> Vec<PublicKey> {
    keys.iter().map(|key| key.public().clone()).collect()
}

#[test]
fn the_first_roster_is_signed_by_enough_of_the_root_keys_that_were_given() {
    let company = Company::new();
    let roots = publics(&company.roots);
    let [one, two, three] = [&company.roots[0], &company.roots[1], &company.roots[2]];
    let enrol = |keys: &[&SigningKey], roots: &[PublicKey]| {
        Roster::enrol(&signed(&company.document, keys), roots)
    };
    for pair in [[one, two], [one, three], [two, three]] {
        let roster = enrol(&pair, &roots).expect("two of three");
        assert_eq!(roster.document(), &company.document);
        assert_eq!(roster.reference().digest, company.document.digest());
    }
    assert!(enrol(&[one, two, three], &roots).is_ok());
    let short = RosterError::Threshold { whose: "named", signed: 1, needed: 2, version: 3 };
    assert_eq!(enrol(&[one], &roots), Err(short.clone()));
    // The signature of somebody else does not help.
    let stranger = key(Algorithm::Ed25519);
    assert_eq!(enrol(&[one, &stranger], &roots), Err(short));
    assert_eq!(
        enrol(&[&stranger], &roots),
        Err(RosterError::Envelope(DsseError::NoTrustedSignature))
    );
    // Neither fewer nor more root keys than it names.
    let fewer = enrol(&[one, two], &roots[..2]);
    assert!(matches!(fewer, Err(RosterError::OtherRoots { .. })), "{fewer:?}");
    let mut more = roots.clone();
    more.push(stranger.public().clone());
    assert!(matches!(enrol(&[one, two], &more), Err(RosterError::OtherRoots { .. })));
    // Somebody else's roster, well signed by somebody else's keys.
    let theirs = Company::new();
    let refused = Roster::enrol(&theirs.envelope(), &roots);
    assert_eq!(refused, Err(RosterError::Envelope(DsseError::NoTrustedSignature)));
}

#[test]
fn nothing_older_and_nothing_else_of_the_same_version_is_accepted_later() {
    let company = Company::new();
    let pin = company.roster().pin();
    assert_eq!(Roster::accept(&company.envelope(), &pin), Ok(company.roster()));
    let keys = [&company.roots[0], &company.roots[2]];
    let changed = |version: u32| {
        let mut document = company.document.clone();
        document.version = version;
        document.expires_at = at("2027-02-01T00:00:00Z");
        signed(&document, &keys)
    };
    assert!(Roster::accept(&changed(4), &pin).is_ok());
    assert!(Roster::accept(&changed(9), &pin).is_ok());
    assert_eq!(Roster::accept(&changed(3), &pin), Err(RosterError::Forked { version: 3 }));
    assert_eq!(
        Roster::accept(&changed(2), &pin),
        Err(RosterError::Older { version: 2, newest: 3 })
    );
    let one = signed(&company.document, &keys[..1]);
    let short = RosterError::Threshold { whose: "enrolled", signed: 1, needed: 2, version: 3 };
    assert_eq!(Roster::accept(&one, &pin), Err(short));
    let theirs = Company::new().with(|roster| roster.version = 9);
    assert_eq!(
        Roster::accept(&theirs.envelope(), &pin),
        Err(RosterError::Envelope(DsseError::NoTrustedSignature))
    );
}

#[test]
fn new_root_keys_need_the_old_ones_and_themselves() {
    let company = Company::new();
    let pin = company.roster().pin();
    let new = [key(Algorithm::Ed25519), key(Algorithm::EcdsaP256)];
    let mut document = company.document.clone();
    document.version = 4;
    let named = |(index, key): (usize, &SigningKey)| RootKey {
        name: format!("new {index}"),
        key: key.public().clone(),
    };
    document.roots = Roots { threshold: 2, keys: new.iter().enumerate().map(named).collect() };
    let [a, b] = [&company.roots[0], &company.roots[1]];
    let by = |keys: &[&SigningKey]| Roster::accept(&signed(&document, keys), &pin);
    let accepted = by(&[a, b, &new[0], &new[1]]).expect("old and new agree");
    let short = |whose, signed| RosterError::Threshold { whose, signed, needed: 2, version: 4 };
    assert_eq!(by(&[a, &new[0], &new[1]]), Err(short("enrolled", 1)));
    assert_eq!(by(&[a, b, &new[0]]), Err(short("new", 1)));
    let nobody = RosterError::Envelope(DsseError::NoTrustedSignature);
    assert_eq!(by(&[&new[0], &new[1]]), Err(nobody.clone()));
    assert_eq!(by(&[a, b]), Err(nobody.clone()));
    // From here on the old ones are strangers.
    let pin = accepted.pin();
    document.version = 5;
    let by = |keys: &[&SigningKey]| Roster::accept(&signed(&document, keys), &pin);
    assert_eq!(by(&[a, b]), Err(nobody));
    assert!(by(&[&new[0], &new[1]]).is_ok());
    // A lower threshold is a change of roots too: the old threshold decides about it.
    let lower = company.document.clone();
    let lower =
        RosterDocument { version: 4, roots: Roots { threshold: 1, ..lower.roots }, ..lower };
    let by = Roster::accept(&signed(&lower, &[a]), &company.roster().pin());
    assert_eq!(by, Err(short("enrolled", 1)));
}

type Change = fn(&mut RosterDocument);

#[track_caller]
fn contradicted(cases: &[(Change, &str)]) {
    for (change, expected) in cases {
        let company = Company::new().with(change);
        let error = company.document.clone().statement().expect_err(expected).to_string();
        assert!(error.starts_with("the roster cannot be used: "), "{error}");
        assert!(error.contains(expected), "{error} is not {expected}");
    }
}

#[test]
fn an_environment_that_contradicts_itself_or_the_roster_is_not_signed() {
    contradicted(&[
        (
            |r| {
                let production = r.environments.get_mut("production").expect("production");
                production.staging_fleet = Some(fleet("unheard-of"));
            },
            "the staging fleet unheard-of of production",
        ),
        (|r| production(r).freeze = vec![window("quarter close", 60, 60)], "ends before it begins"),
        (|r| production(r).freeze = vec![window("", 0, 60)], "says no reason"),
        (
            |r| production(r).freeze = vec![window("again", 0, 60); 54],
            "more than 53 freeze windows",
        ),
        (
            |r| {
                let key = r.roots.keys[0].key.clone();
                production(r).consoles = vec![key.clone(), key];
            },
            "consoles are at most 32, each once",
        ),
        (
            |r| {
                let by = groups(&["auditors"]);
                let item = ReadinessItem::RunbookSigned;
                production(r).readiness.insert(item, Requirement { by });
            },
            "nobody is in the group auditors, which must attest runbook_signed",
        ),
    ]);
}

#[test]
fn a_roster_that_contradicts_itself_is_neither_signed_nor_read() {
    let quorum = |count: u32, of: &[&str]| Quorum { count, of: groups(of) };
    let cases: [(Change, &str); 16] = [
        (|r| r.version = 0, "versions begin at 1"),
        (|r| r.expires_at = r.issued_at, "it expires before it is issued"),
        (|r| r.roots.threshold = 0, "0 of 3 root keys cannot sign"),
        (|r| r.roots.threshold = 4, "4 of 3 root keys cannot sign"),
        (|r| r.roots.keys[1] = r.roots.keys[0].clone(), "root keys are 1 to 32, each once"),
        (|r| r.roots.keys.clear(), "0"),
        (
            |r| {
                let mara = r.people[&person("mara")].keys[0].clone();
                r.people.get_mut(&person("noor")).expect("noor").keys.push(mara);
            },
            "stands twice: mara and noor",
        ),
        (
            |r| r.people.get_mut(&person("mara")).expect("mara").name = "a\u{7}".to_owned(),
            "the name of mara",
        ),
        (
            |r| {
                let key = &mut r.people.get_mut(&person("mara")).expect("mara").keys[0];
                (key.from, key.until) =
                    (Some(at("2026-02-01T00:00:00Z")), Some(at("2026-01-01T00:00:00Z")));
            },
            "a key of mara ends before it begins",
        ),
        (|r| drop(r.fleets.insert(fleet("x"), "moon".to_owned())), "\"moon\" of fleet x"),
        (|r| of(r).valid_h_max = 0, "1 to 336 hours"),
        (|r| of(r).valid_h_max = 337, "1 to 336 hours"),
        (|r| of(r).quorums[0].count = 0, "asks for nobody"),
        (|r| of(r).quorums[0].of.clear(), "asks for nobody"),
        (|r| of(r).quorums[0].count = 17, "it asks for 18 people"),
        (
            |r| {
                let night = of(r).night_rollback.as_mut().expect("a night");
                night.until_utc = night.from_utc;
            },
            "the night begins when it ends",
        ),
    ];
    contradicted(&cases);
    // Rules that these people cannot fulfil.
    for (quorums, expected) in [
        (vec![quorum(1, &["nobody"])], "1 of nobody can never be filled: 0 could be"),
        (vec![quorum(3, &["platform-security"])], "3 of platform-security can never be filled: 2"),
        (
            vec![quorum(2, &["platform-security"]), quorum(4, &["storage"])],
            "4 of storage can never be filled: 3 could be",
        ),
    ] {
        let company = Company::new().with(|r| of(r).quorums = quorums);
        let error = company.document.statement().expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} is not {expected}");
    }
}

fn of(document: &mut RosterDocument) -> &mut plumb_trust::roster::Rule {
    &mut production(document).rule
}

fn production(document: &mut RosterDocument) -> &mut Environment {
    document.environments.get_mut("production").expect("production")
}

fn window(reason: &str, from_s: i64, until_s: i64) -> FreezeWindow {
    let moment = |s: i64| at("2026-03-01T00:00:00Z") + jiff::SignedDuration::from_secs(s);
    FreezeWindow { from: moment(from_s), until: moment(until_s), reason: reason.to_owned() }
}

#[test]
fn what_a_roster_says_of_an_environment_is_part_of_its_digest_and_nothing_where_it_says_nothing() {
    let plain = Company::new().document;
    let text = serde_json::to_string(&plain).expect("it serialises");
    for word in ["freeze", "readiness", "consoles"] {
        assert!(!text.contains(word), "a roster of before has the digest of before: {word}");
    }
    let changes: [Change; 3] = [
        |r| production(r).freeze = vec![window("quarter close", 0, 60)],
        |r| {
            let key = r.roots.keys[0].key.clone();
            production(r).consoles = vec![key];
        },
        |r| {
            let requirement = Requirement { by: groups(&["platform-security"]) };
            production(r).readiness.insert(ReadinessItem::RunbookSigned, requirement);
        },
    ];
    for change in changes {
        let mut other = plain.clone();
        change(&mut other);
        assert_ne!(other.digest(), plain.digest());
        let text = serde_json::to_string(&other).expect("it serialises");
        let read: RosterDocument = serde_json::from_str(&text).expect("it reads back");
        assert_eq!(read, other);
        other.statement().expect("nothing contradicts itself");
    }
}

#[test]
fn a_roster_is_looked_at_before_it_is_trusted() {
    let company = Company::new();
    let envelope = signed(&company.document, &[&company.roots[1]]);
    let (document, signers) = Roster::look(&envelope).expect("it reads");
    assert_eq!(document, company.document);
    assert_eq!(signers, [company.roots[1].public().id()].into());
    assert!(Roster::look(b"{}").is_err());
}

#[test]
fn a_pin_and_a_roster_read_back_what_they_print() {
    let company = Company::new();
    let pin = company.roster().pin();
    let text = serde_json::to_string(&pin).expect("it serialises");
    assert_eq!(serde_json::from_str::<RosterPin>(&text).expect("it reads back"), pin);
    let text = serde_json::to_string_pretty(&company.document).expect("it serialises");
    let read: RosterDocument = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(read.digest(), company.document.digest());
}

#[test]
fn names_of_people_and_groups_look_like_no_other() {
    for good in ["mara", "mara.lind@example", "platform-security", "a_1"] {
        assert!(PersonId::new(good).is_ok() && GroupId::new(good).is_ok(), "{good}");
    }
    for bad in ["", "Mara", "mara lind", "mára", "a/b", "a\n", &"x".repeat(65)] {
        assert!(PersonId::new(bad).is_err() && GroupId::new(bad).is_err(), "{bad:?}");
    }
}
