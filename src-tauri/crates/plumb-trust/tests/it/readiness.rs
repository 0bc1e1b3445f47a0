//! Attestations of readiness: who may give them, what they bind, and what is refused.

use plumb_testkit::company::{Company, NOW, at, fleet, group, key, person};
use plumb_trust::{
    dsse::{Algorithm, Envelope},
    readiness::{ReadinessDocument, ReadinessItem, ReadinessRefusal, verify_readiness},
    roster::Roster,
};

fn draft() -> ReadinessDocument {
    ReadinessDocument {
        fleet: fleet("payments-eu"),
        item: ReadinessItem::RunbookSigned,
        person: person("piet"),
        role: group("platform-security"),
        seen: "https://wiki.example/runbooks/policy at revision 41".to_owned(),
        issued_at: at("2026-03-01T10:00:00Z"),
        expires_at: at("2026-04-01T10:00:00Z"),
    }
}

/// What comes of an attestation that somebody signs after something in it was changed.
#[track_caller]
fn check(
    company: &Company,
    roster: &Roster,
    by: &str,
    change: impl FnOnce(&mut ReadinessDocument),
) -> Result<ReadinessDocument, String> {
    let mut document = draft();
    change(&mut document);
    let statement = document.statement().map_err(|refusal| refusal.to_string())?;
    let envelope = Envelope::sign(&statement, &[&company.keys[by]]).expect("signed").to_bytes();
    let verified = verify_readiness(&envelope, roster, at(NOW));
    verified.map(|one| one.document().clone()).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_person_of_the_roster_attests_in_a_group_of_theirs_for_a_time() {
    let company = Company::new();
    let roster = company.roster();
    assert_eq!(check(&company, &roster, "piet", |_| {}), Ok(draft()));
    let refused = |by: &str, change: fn(&mut ReadinessDocument), why: &str| {
        let said = check(&company, &roster, by, change).expect_err(why);
        assert!(said.contains(why), "{said}");
    };
    refused("mara", |_| {}, "mara signed it in the name of piet");
    refused("piet", |one| one.role = group("storage"), "piet is not in the group storage");
    refused("piet", |one| one.expires_at = at(NOW), "it expired at");
    refused("piet", |one| one.issued_at = at("2026-03-02T10:00:00Z"), "compare the clocks");
    refused("piet", |one| one.expires_at = one.issued_at, "ends before it begins");
    refused("piet", |one| one.expires_at = at("2027-04-01T10:00:00Z"), "366 days");
    refused("piet", |one| one.seen = " \n".to_owned(), "say what was looked at");
    refused("piet", |one| one.seen = "x".repeat(2_001), "say what was looked at");

    let revoked = Company { keys: company.keys, ..company }.with(|roster| {
        let piet = roster.people.get_mut(&person("piet")).expect("there");
        piet.keys[0].revoked_at = Some(at("2026-02-01T00:00:00Z"));
    });
    let said = check(&revoked, &revoked.roster(), "piet", |_| {}).expect_err("revoked");
    assert!(said.contains("was revoked"), "{said}");
}

#[test]
fn nothing_else_that_somebody_signed_is_an_attestation() {
    let company = Company::new();
    let roster = company.roster();
    let approval = company.approval("payments-eu", "piet", "platform-security");
    let refused = verify_readiness(&approval, &roster, at(NOW)).expect_err("an approval");
    assert!(matches!(refused, ReadinessRefusal::Statement { .. }), "{refused}");
    let statement = draft().statement().expect("it can be signed");
    let stranger = Envelope::sign(&statement, &[&key(Algorithm::Ed25519)]).expect("signed");
    let refused = verify_readiness(&stranger.to_bytes(), &roster, at(NOW)).expect_err("nobody");
    assert!(refused.to_string().contains("no key of the roster signed it"), "{refused}");
    // A subject of something else than what was looked at.
    let mut other = draft().statement().expect("it can be signed");
    other.predicate.seen = "another revision".to_owned();
    let envelope = Envelope::sign(&other, &[&company.keys["piet"]]).expect("signed");
    let refused = verify_readiness(&envelope.to_bytes(), &roster, at(NOW)).expect_err("other");
    assert_eq!(refused, ReadinessRefusal::Subject);
}

#[test]
fn every_item_has_one_name() {
    for item in ReadinessItem::ALL {
        assert_eq!(item.name().parse::<ReadinessItem>(), Ok(item));
        assert!(!item.sentence().is_empty());
    }
    let unknown = "weather".parse::<ReadinessItem>().expect_err("no such item");
    assert!(unknown.to_string().contains("weather"));
}
