//! k of n, AND across groups, never the requester, one person once.

use std::collections::{BTreeMap, BTreeSet};

use plumb_trust::{
    approval::{Act, Standing, judge},
    dsse::Algorithm,
    roster::{GroupId, PersonId, Quorum},
};

use super::{Company, NOW, at, groups, line, person, quorum, rule};

const EU: &str = "payments-eu";
const US: &str = "payments-us";

fn refusal() -> Act {
    Act::Refuse { reason: "the window is wrong".to_owned() }
}

#[track_caller]
fn check(company: &Company, on: &str, envelopes: &[Vec<u8>], expected: &str) {
    let judged = company.judged(on, envelopes);
    assert_eq!(line(&judged.standing), expected, "{:?}", judged.voided);
}

/// R091.
#[test]
fn both_groups_must_consent() {
    let company = Company::new();
    let request = company.request(EU);
    let of = |who: &str, role: &str| company.approval(EU, who, role);
    let both = "missing 1 of storage and 1 of platform-security from mara, noor, piet, sana";
    check(&company, EU, &[], "not requested");
    check(&company, EU, &[of("mara", "storage"), of("piet", "platform-security")], "not requested");
    check(&company, EU, std::slice::from_ref(&request), both);
    check(
        &company,
        EU,
        &[request.clone(), of("mara", "storage")],
        "missing 1 of platform-security from piet, sana",
    );
    check(
        &company,
        EU,
        &[request.clone(), of("mara", "storage"), of("noor", "storage")],
        "missing 1 of platform-security from piet, sana",
    );
    check(
        &company,
        EU,
        &[of("piet", "platform-security"), of("mara", "storage"), request],
        "consented: mara, piet",
    );
}

#[test]
fn one_person_in_two_groups_fills_one_seat() {
    let company = Company::new();
    let two_roles = [
        company.request(EU),
        company.approval(EU, "sana", "storage"),
        company.approval(EU, "sana", "platform-security"),
    ];
    // Whoever comes next decides which of the two she fills.
    check(&company, EU, &two_roles, "missing 1 of platform-security from mara, noor, piet");
    let more = |who: &str, role: &str| {
        let mut all = two_roles.to_vec();
        all.push(company.approval(EU, who, role));
        all
    };
    check(&company, EU, &more("piet", "platform-security"), "consented: piet, sana");
    check(&company, EU, &more("mara", "storage"), "consented: mara, sana");
    // In one role only, she fills only that.
    let one_role = [
        company.request(EU),
        company.approval(EU, "sana", "storage"),
        company.approval(EU, "mara", "storage"),
    ];
    check(&company, EU, &one_role, "missing 1 of platform-security from piet, sana");
}

#[test]
fn one_person_with_two_keys_counts_once() {
    let company = Company::new().second_key("mara", "mara's other key", Algorithm::EcdsaP256);
    let draft = || company.draft(US, "mara", "storage", Act::Approve);
    let first = company.signed(draft(), "mara");
    let second = company.signed(draft(), "mara's other key");
    check(
        &company,
        US,
        &[company.request(US), first.clone(), second.clone()],
        "missing 1 of platform-security|storage from noor, piet, sana",
    );
    let noor = company.approval(US, "noor", "storage");
    check(&company, US, &[company.request(US), second, noor, first], "consented: mara, noor");
}

#[test]
fn the_same_approval_counts_once_however_it_is_written() {
    let company = Company::new();
    let mara = company.approval(US, "mara", "storage");
    let value: serde_json::Value = serde_json::from_slice(&mara).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
    assert_ne!(mara, pretty);
    let judged = company.judged(US, &[company.request(US), mara.clone(), pretty.clone(), mara]);
    assert_eq!((judged.counted.len(), judged.voided.len()), (2, 0));
    assert!(matches!(judged.standing, Standing::Missing { .. }));
    // Written otherwise it is still good.
    let noor = company.approval(US, "noor", "storage");
    check(&company, US, &[company.request(US), pretty, noor], "consented: mara, noor");
}

#[test]
fn a_damaged_copy_does_not_hide_the_approval() {
    let company = Company::new();
    let mara = company.approval(US, "mara", "storage");
    let mut value: serde_json::Value = serde_json::from_slice(&mara).expect("JSON");
    value["signatures"][0]["sig"] = "AAAA".into();
    let damaged = serde_json::to_vec(&value).expect("JSON");
    let noor = company.approval(US, "noor", "storage");
    check(&company, US, &[damaged, company.request(US), mara, noor], "consented: mara, noor");
}

/// R092.
#[test]
fn whoever_asks_does_not_consent() {
    let company = Company::new();
    let own = company.approval(US, "rick", "storage");
    let judged = company.judged(US, &[company.request(US), own.clone()]);
    assert_eq!(judged.voided.len(), 1);
    assert_eq!(judged.voided[0].refusal.name(), "requester");
    assert_eq!(
        line(&judged.standing),
        "missing 2 of platform-security|storage from mara, noor, piet, sana"
    );
    // Only the one who is named as the requester asks.
    let other = company.act(US, "tove", "operations", Act::Request);
    let judged = company.judged(US, &[other]);
    assert_eq!(judged.voided[0].refusal.name(), "not_the_requester");
    assert_eq!(line(&judged.standing), "not requested");
}

#[test]
fn a_group_without_a_say_changes_nothing() {
    let company = Company::new();
    let tove = company.approval(US, "tove", "operations");
    let no = company.act(US, "tove", "operations", refusal());
    check(
        &company,
        US,
        &[company.request(US), tove, no],
        "missing 2 of platform-security|storage from mara, noor, piet, sana",
    );
}

#[test]
fn one_no_stops_it_until_the_same_person_agrees() {
    let company = Company::new();
    let later = |minutes: i64, act: Act| {
        let mut draft = company.draft(US, "mara", "storage", act);
        draft.issued_at += jiff::SignedDuration::from_mins(minutes);
        company.signed(draft, "mara")
    };
    let no = later(0, refusal());
    let others = || {
        let by = |who: &str, role: &str| company.approval(US, who, role);
        vec![company.request(US), by("noor", "storage"), by("piet", "platform-security")]
    };
    let with = |more: &[&Vec<u8>]| {
        let mut all = others();
        all.extend(more.iter().copied().cloned());
        all
    };
    check(&company, US, &with(&[&no]), "refused by mara: the window is wrong");
    let (before, same, after) =
        (later(-5, Act::Approve), later(0, Act::Approve), later(5, Act::Approve));
    check(&company, US, &with(&[&before, &no]), "refused by mara: the window is wrong");
    check(&company, US, &with(&[&same, &no]), "refused by mara: the window is wrong");
    check(&company, US, &with(&[&after, &no]), "consented: mara, noor, piet");
    let again = later(9, refusal());
    check(&company, US, &with(&[&after, &no, &again]), "refused by mara: the window is wrong");
    // A no outlives its own date: it holds for as long as the plan does.
    let mut old = company.draft(US, "mara", "storage", refusal());
    old.expires_at = at("2026-03-01T10:30:00Z");
    let old = company.signed(old, "mara");
    check(&company, US, &with(&[&old]), "refused by mara: the window is wrong");
}

#[test]
fn an_environment_may_need_nobody() {
    let company = Company::new();
    check(&company, "payments-staging", &[], "consented: ");
}

#[test]
fn a_retired_key_fills_no_seat_and_its_owner_is_not_asked() {
    let company = Company::new().with(|roster| {
        let noor = roster.people.get_mut(&person("noor")).expect("noor");
        noor.keys[0].revoked_at = Some(at("2026-02-01T00:00:00Z"));
    });
    let noor = company.approval(US, "noor", "storage");
    let judged = company.judged(US, &[company.request(US), noor]);
    assert_eq!(judged.voided[0].refusal.name(), "key_revoked");
    assert_eq!(
        line(&judged.standing),
        "missing 2 of platform-security|storage from mara, piet, sana"
    );
}

#[test]
fn the_window_of_consent_is_where_all_windows_meet() {
    let company = Company::new();
    let mut piet = company.draft(EU, "piet", "platform-security", Act::Approve);
    piet.window.not_before = at("2026-03-01T11:30:00Z");
    let mut mara = company.draft(EU, "mara", "storage", Act::Approve);
    mara.window.not_after = at("2026-03-01T13:00:00Z");
    let envelopes =
        [company.request(EU), company.signed(piet, "piet"), company.signed(mara, "mara")];
    let Standing::Consented(consent) = company.judged(EU, &envelopes).standing else {
        panic!("both consented");
    };
    let window = consent.window().expect("two windows");
    assert_eq!(window.not_before, at("2026-03-01T11:30:00Z"));
    assert_eq!(window.not_after, at("2026-03-01T13:00:00Z"));
    assert_eq!(consent.nonces().len(), 2);
}

/// Whether these people, each in one of their roles, can take all seats: tried one by one.
fn can_fill(quorums: &[Quorum], people: &BTreeMap<PersonId, BTreeSet<GroupId>>) -> bool {
    let mut seats: Vec<&BTreeSet<GroupId>> = Vec::new();
    for quorum in quorums {
        seats.extend((0..quorum.count).map(|_| &quorum.of));
    }
    let people: Vec<&BTreeSet<GroupId>> = people.values().collect();
    try_seats(&seats, &people, &mut vec![false; people.len()])
}

fn try_seats(
    seats: &[&BTreeSet<GroupId>],
    people: &[&BTreeSet<GroupId>],
    used: &mut [bool],
) -> bool {
    let Some((seat, rest)) = seats.split_first() else { return true };
    for index in 0..people.len() {
        if used[index] || people[index].is_disjoint(seat) {
            continue;
        }
        used[index] = true;
        let filled = try_seats(rest, people, used);
        used[index] = false;
        if filled {
            return true;
        }
    }
    false
}

#[test]
fn every_set_of_consents_is_judged_as_trying_all_seats_would() {
    let rules = [
        vec![quorum(1, &["storage"]), quorum(1, &["platform-security"])],
        vec![quorum(2, &["storage", "platform-security"])],
        vec![quorum(3, &["storage"])],
        vec![quorum(2, &["storage"]), quorum(1, &["platform-security"])],
        vec![quorum(1, &["platform-security"]), quorum(1, &["platform-security", "storage"])],
        vec![quorum(1, &["storage"]), quorum(2, &["operations", "platform-security"])],
    ];
    let roles = [
        ("mara", "storage"),
        ("noor", "storage"),
        ("piet", "platform-security"),
        ("rick", "storage"),
        ("sana", "platform-security"),
        ("sana", "storage"),
        ("tove", "operations"),
    ];
    for quorums in rules {
        let company = Company::new().with(|roster| {
            let two = roster.environments.get_mut("two-of-three").expect("an environment");
            two.rule = rule(quorums.clone());
        });
        let (roster, expected) = (company.roster(), company.expected(US));
        let request = company.request(US);
        let signed: Vec<Vec<u8>> =
            roles.iter().map(|(who, role)| company.approval(US, who, role)).collect();
        for chosen in 0..1_u32 << roles.len() {
            let is_in = |index: usize| chosen & (1 << index) != 0;
            let mut envelopes = vec![request.clone()];
            let mut people: BTreeMap<PersonId, BTreeSet<GroupId>> = BTreeMap::new();
            for (index, (who, role)) in roles.iter().enumerate().filter(|(index, _)| is_in(*index))
            {
                envelopes.push(signed[index].clone());
                let known = quorums.iter().any(|quorum| !quorum.of.is_disjoint(&groups(&[role])));
                if *who != "rick" && known {
                    people.entry(person(who)).or_default().extend(groups(&[role]));
                }
            }
            let judged = judge(&envelopes, &roster, &expected, at(NOW));
            let consented = matches!(judged.standing, Standing::Consented(_));
            assert_eq!(consented, can_fill(&quorums, &people), "{quorums:?} {people:?}");
            if let Standing::Missing { may_approve, .. } = &judged.standing {
                // Nobody is named who would not help.
                assert!(!may_approve.contains(&person("rick")));
                for who in may_approve {
                    assert!(company.document.people.contains_key(who));
                }
                assert!(!may_approve.is_empty(), "somebody can always help: {people:?}");
            }
        }
    }
}
