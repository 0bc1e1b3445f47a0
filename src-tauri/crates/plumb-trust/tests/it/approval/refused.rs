//! Everything that makes an envelope no consent, each for its own reason.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use plumb_fleet::Digest;
use plumb_testkit::peer::verify_dsse;
use plumb_trust::{
    approval::{
        Act, ApprovalDocument, ApprovalDraft, ApprovalRefusal, DraftError, REASON_BYTES_MAX,
        said_before_by_a_person, signed_by_a_person, taken_away, verify_approval, verify_review,
    },
    dsse::{Algorithm, Envelope, NewKey, PAYLOAD_TYPE, pae},
    roster::{Person, PersonKey, Roster, RosterDocument},
};
use serde_json::Value;

use super::{Company, NOW, at, finding, fleet, group, groups, person};
use crate::seeded;

const EU: &str = "payments-eu";

/// The name of why an envelope does not count, or "counts".
fn verdict(envelope: &[u8], company: &Company, now: &str) -> &'static str {
    let verified = verify_approval(envelope, &company.roster(), &company.expected(EU), at(now));
    verified.map_or_else(|refusal| refusal.name(), |_| "counts")
}

#[track_caller]
fn check(company: &Company, change: impl FnOnce(&mut ApprovalDraft), expected: &str) {
    let mut draft = company.draft(EU, "mara", "storage", Act::Approve);
    change(&mut draft);
    assert_eq!(verdict(&company.signed(draft, "mara"), company, NOW), expected);
}

#[test]
fn an_approval_counts_within_its_times_only() {
    let company = Company::new();
    check(&company, |_| {}, "counts");
    let no = |reason: &str| Act::Refuse { reason: reason.to_owned() };
    check(&company, |draft| draft.act = no("not today"), "counts");
    check(&company, |draft| draft.window.not_before = at("2026-03-01T12:00:00.001Z"), "not_yet");
    check(&company, |draft| draft.window.not_before = at(NOW), "counts");
    check(&company, |draft| draft.window.not_after = at("2026-03-01T11:59:59Z"), "window_closed");
    check(&company, |draft| draft.window.not_after = at(NOW), "counts");
    check(&company, |draft| draft.expires_at = at(NOW), "expired");
    check(&company, |draft| draft.expires_at = at("2026-03-01T12:00:00.001Z"), "counts");
    // The rule allows 24 hours.
    check(&company, |draft| draft.expires_at = at("2026-03-02T10:00:00Z"), "counts");
    check(&company, |draft| draft.expires_at = at("2026-03-02T10:00:01Z"), "too_long");
    // Five minutes of another clock are forgiven.
    let ahead = |draft: &mut ApprovalDraft, seconds: i64| {
        draft.issued_at = at(NOW) + SignedDuration::from_secs(seconds);
    };
    check(&company, |draft| ahead(draft, 300), "counts");
    check(&company, |draft| ahead(draft, 301), "from_the_future");
}

type KeyChange = fn(&mut PersonKey);

#[test]
fn the_key_must_count_now() {
    let with = |change: KeyChange| {
        Company::new().with(|roster| {
            let mara = roster.people.get_mut(&person("mara")).expect("mara");
            change(&mut mara.keys[0]);
        })
    };
    let cases: [(KeyChange, &str); 8] = [
        (|key| key.from = Some(at("2026-03-01T12:00:01Z")), "key_not_yet"),
        (|key| key.from = Some(at(NOW)), "counts"),
        (|key| key.until = Some(at("2026-03-01T11:59:59Z")), "key_ended"),
        (|key| key.until = Some(at(NOW)), "counts"),
        (|key| key.revoked_at = Some(at(NOW)), "key_revoked"),
        (|key| key.revoked_at = Some(at("2020-01-01T00:00:00Z")), "key_revoked"),
        (|key| key.revoked_at = Some(at("2026-03-01T12:00:01Z")), "counts"),
        (
            |key| {
                key.until = Some(at("2026-02-01T00:00:00Z"));
                key.revoked_at = Some(at("2026-02-02T00:00:00Z"));
            },
            "key_revoked",
        ),
    ];
    for (change, expected) in cases {
        check(&with(change), |_| {}, expected);
    }
}

#[test]
fn a_newer_roster_takes_away_what_it_revokes_and_not_what_time_ended() {
    type Change = fn(&mut RosterDocument);
    let cases: [(Change, Option<&str>); 7] = [
        (|_| {}, None),
        (|roster| mara(roster).keys[0].until = Some(at("2026-03-01T11:00:00Z")), None),
        (|roster| mara(roster).keys[0].revoked_at = Some(at("2026-03-01T12:00:01Z")), None),
        (|roster| mara(roster).keys[0].revoked_at = Some(at(NOW)), Some("key_revoked")),
        (|roster| mara(roster).keys.clear(), Some("unknown_key")),
        (|roster| mara(roster).groups = groups(&["operations"]), Some("not_in_group")),
        (
            |roster| {
                let key = mara(roster).keys.remove(0);
                roster.people.get_mut(&person("noor")).expect("noor").keys.push(key);
            },
            Some("other_person"),
        ),
    ];
    for (change, expected) in cases {
        let company = Company::new();
        let envelope = company.approval("payments-eu", "mara", "storage");
        let counted = signed_by_a_person(&envelope, &company.roster(), at(NOW)).expect("it counts");
        let newer = company.with(|roster| {
            roster.version += 1;
            change(roster);
        });
        let lost = taken_away(&counted, &newer.roster(), at(NOW));
        assert_eq!(lost.map(|lost| lost.name()), expected);
    }
}

#[test]
fn what_was_signed_while_its_key_was_good_stays_said_until_the_key_is_revoked() {
    type Change = fn(&mut PersonKey);
    let cases: [(Change, &str); 6] = [
        (|_| {}, "said"),
        (|key| key.until = Some(at("2026-03-01T11:59:59Z")), "said"),
        (|key| key.until = Some(at("2026-03-01T09:59:59Z")), "key_ended"),
        (|key| key.from = Some(at("2026-03-01T11:00:00Z")), "key_not_yet"),
        (|key| key.revoked_at = Some(at("2026-03-01T11:59:59Z")), "key_revoked"),
        (|key| key.revoked_at = Some(at("2026-03-01T12:00:01Z")), "said"),
    ];
    let read = |company: &Company, signed: &str| {
        let envelope = company.approval(EU, "mara", "storage");
        let signed_at = |_: &ApprovalDocument| at(signed);
        let said = said_before_by_a_person(&envelope, &company.roster(), at(NOW), signed_at);
        said.map_or_else(|refusal| refusal.name(), |_| "said")
    };
    for (change, expected) in cases {
        let company = Company::new().with(|roster| change(&mut mara(roster).keys[0]));
        assert_eq!(read(&company, "2026-03-01T10:00:00Z"), expected);
    }
    assert_eq!(read(&Company::new(), "2026-03-01T12:05:01Z"), "from_the_future");
}

fn mara(roster: &mut RosterDocument) -> &mut Person {
    roster.people.get_mut(&person("mara")).expect("mara")
}

#[test]
fn an_expired_roster_knows_nobody() {
    let company = Company::new().with(|roster| roster.expires_at = at(NOW));
    check(&company, |_| {}, "roster_expired");
}

#[test]
fn nobody_speaks_for_somebody_else_or_for_another_group() {
    let company = Company::new();
    let signed_by =
        |draft: ApprovalDraft, key: &str| verdict(&company.signed(draft, key), &company, NOW);
    let draft = |who: &str, role: &str| company.draft(EU, who, role, Act::Approve);
    assert_eq!(signed_by(draft("mara", "storage"), "noor"), "other_person");
    assert_eq!(signed_by(draft("mara", "platform-security"), "mara"), "not_in_group");
    assert_eq!(signed_by(draft("piet", "storage"), "piet"), "not_in_group");
    assert_eq!(signed_by(draft("rick", "storage"), "rick"), "requester");
    assert_eq!(signed_by(draft("sana", "storage"), "sana"), "counts");
    // A key of nobody, however it is named.
    let stranger = Company::new();
    let envelope = stranger.signed(draft("mara", "storage"), "mara");
    assert_eq!(verdict(&envelope, &company, NOW), "unknown_key");
    let mut value: Value = serde_json::from_slice(&envelope).expect("JSON");
    value["signatures"][0]["keyid"] = company.keys["mara"].public().id().to_string().into();
    assert_eq!(verdict(value.to_string().as_bytes(), &company, NOW), "unknown_key");
    // Root keys sign rosters, not approvals.
    let statement = draft("mara", "storage").statement(&mut seeded(3)).expect("a draft");
    let envelope = Envelope::sign(&statement, &[&company.roots[0]]).expect("signed");
    assert_eq!(verdict(&envelope.to_bytes(), &company, NOW), "unknown_key");
}

#[test]
fn one_envelope_is_of_one_person() {
    let company = Company::new();
    let statement = company.draft(EU, "mara", "storage", Act::Approve);
    let statement = statement.statement(&mut seeded(4)).expect("a draft");
    let keys = [&company.keys["mara"], &company.keys["noor"]];
    let two = Envelope::sign(&statement, &keys).expect("signed").to_bytes();
    assert_eq!(verdict(&two, &company, NOW), "signatures");
}

#[test]
fn another_kind_of_statement_is_no_approval() {
    let company = Company::new();
    // A roster that a person signed.
    let statement = company.document.clone().statement().expect("a roster");
    let envelope = Envelope::sign(&statement, &[&company.keys["mara"]]).expect("signed");
    let refusal =
        verify_approval(&envelope.to_bytes(), &company.roster(), &company.expected(EU), at(NOW));
    assert_eq!(
        refusal.expect_err("a roster").to_string(),
        "it cannot be read: the statement is a \"urn:plumbline:roster:v1\", where a \
         \"urn:plumbline:approval:v2\" was expected"
    );
}

#[test]
fn a_review_is_no_approval_and_an_approval_is_no_review() {
    let company = Company::new();
    let (roster, expected) = (company.roster(), company.expected(EU));
    let review = || Act::Review { note: "looked at it, all well".to_owned() };
    let envelope = company.act(EU, "mara", "storage", review());
    assert_eq!(verdict(&envelope, &company, NOW), "act");
    // It comes after the window, and after the dates of an approval.
    let later = at("2026-03-09T12:00:00Z");
    let verified = verify_review(&envelope, &roster, &expected, later).expect("a review");
    assert_eq!((verified.person(), verified.act()), (&person("mara"), &review()));
    let approval = company.approval(EU, "mara", "storage");
    let refusal = verify_review(&approval, &roster, &expected, later).expect_err("an approval");
    assert_eq!(refusal, ApprovalRefusal::Act { act: "approve" });
    let own = company.act(EU, "rick", "operations", review());
    let refusal = verify_review(&own, &roster, &expected, later).expect_err("whoever started it");
    assert_eq!(refusal, ApprovalRefusal::Requester { person: person("rick") });
    let mut other = expected.clone();
    other.bound.plan = plumb_fleet::PlanHash(Digest::of(b"another"));
    let refusal = verify_review(&envelope, &roster, &other, later).expect_err("another plan");
    assert_eq!(refusal.name(), "changed");
}

#[test]
fn a_reason_is_given_and_times_are_in_order() {
    let company = Company::new();
    let refused = |change: fn(&mut ApprovalDraft)| {
        let mut draft = company.draft(EU, "mara", "storage", Act::Approve);
        change(&mut draft);
        draft.statement(&mut seeded(5)).expect_err("refused")
    };
    let reason = |text: String| Act::Refuse { reason: text };
    for text in [String::new(), " \n".to_owned(), "x".repeat(REASON_BYTES_MAX + 1)] {
        let mut draft = company.draft(EU, "mara", "storage", reason(text));
        draft.issued_at = at(NOW);
        assert_eq!(draft.statement(&mut seeded(5)), Err(DraftError::Reason));
    }
    assert_eq!(
        refused(|draft| draft.act = Act::Review { note: String::new() }),
        DraftError::Reason
    );
    assert_eq!(
        refused(|draft| draft.window.not_after = at("2026-03-01T10:59:59Z")),
        DraftError::Window
    );
    assert_eq!(refused(|draft| draft.expires_at = draft.issued_at), DraftError::Expiry);
}

/// A company in which mara's key can sign any bytes.
fn with_raw_key() -> (Company, Ed25519KeyPair) {
    let new = NewKey::generate(Algorithm::Ed25519).expect("a key");
    let pkcs8 = STANDARD.decode(&*new.to_keyring()).expect("base64");
    let mut company = Company::new().with(|roster| {
        let mara = roster.people.get_mut(&person("mara")).expect("mara");
        mara.keys[0].key = new.public().clone();
    });
    company.keys.insert("mara".to_owned(), new.signing().expect("a key"));
    (company, Ed25519KeyPair::from_pkcs8(&pkcs8).expect("our own key"))
}

fn enveloped(payload: &str, payload_type: &str, key: &Ed25519KeyPair) -> Vec<u8> {
    let sig = STANDARD.encode(key.sign(&pae(payload_type, payload.as_bytes())));
    let envelope = serde_json::json!({
        "payload": STANDARD.encode(payload),
        "payloadType": payload_type,
        "signatures": [{"keyid": "", "sig": sig}],
    });
    envelope.to_string().into_bytes()
}

/// The canonical payload of mara's approval, acknowledging two findings.
fn payload(company: &Company) -> String {
    let mut draft = company.draft(EU, "mara", "storage", Act::Approve);
    draft.acknowledged = [finding("no_answer", Some("gw-1")), finding("old_snapshot", None)].into();
    let statement = draft.statement(&mut seeded(6)).expect("a draft");
    String::from_utf8(statement.canonical_bytes()).expect("JSON")
}

#[test]
fn a_truly_signed_payload_that_is_not_exactly_an_approval_is_refused() {
    let (company, key) = with_raw_key();
    let good = payload(&company);
    let of = |payload: &str| verdict(&enveloped(payload, PAYLOAD_TYPE, &key), &company, NOW);
    assert_eq!(of(&good), "counts");
    assert_eq!(verdict(&enveloped(&good, "application/json", &key), &company, NOW), "envelope");
    let bundle = company.bound(EU).bundles.first().expect("a bundle").to_string();
    let plan = company.bound(EU).plan.to_string();
    let cases = [
        // Strictness of the statement.
        (good.replacen('{', "{\"note\":\"\",", 1), "envelope"),
        (good.replace("\"role\":", "\"note\":0,\"role\":"), "envelope"),
        (good.replace("\"role\":", "\"role\":\"storage\",\"role\":"), "envelope"),
        (good.replace("\"alerts\":", "\"alerts\":\"x\",\"alerts\":"), "envelope"),
        (good.replace("{\"kind\":\"approve\"}", "{\"kind\":\"approve\",\"x\":1}"), "envelope"),
        (good.replace("{\"kind\":\"approve\"}", "\"approve\""), "envelope"),
        (good.replace("\"kind\":\"approve\"", "\"kind\":\"agree\""), "envelope"),
        (good.replace("\"count\":2", "\"count\":2.0"), "envelope"),
        (good.replace("\"count\":2", "\"count\":\"2\""), "envelope"),
        (good.replace("\"mara\"", "\"MARA\""), "envelope"),
        (good.replace(&plan, &plan.to_uppercase()), "envelope"),
        (good.replace("approval:v2", "approval:v1"), "envelope"),
        (good.replace("\",\"", "\", \""), "envelope"),
        (format!("{good} "), "envelope"),
        (good.replace("T10:00:00Z", "T10:00:00.000Z"), "envelope"),
        (good.replace("T10:00:00Z", "T11:00:00+01:00"), "envelope"),
        // Subjects: the plan first, then bundles.
        (good.replace("\"name\":\"plan\"", "\"name\":\"plans\""), "subjects"),
        (good.replace("\"name\":\"bundle/", "\"name\":\"bundle:"), "subjects"),
        (subjects(&good, |subjects| subjects.swap(0, 1)), "subjects"),
        (subjects(&good, Vec::clear), "subjects"),
        (subjects(&good, |subjects| subjects.push(subjects[1].clone())), "subjects"),
        (subjects(&good, |subjects| subjects.truncate(1)), "changed"),
        (good.replace(&bundle, &Digest::of(b"x").to_string()), "subjects"),
        // Findings: one set has one form.
        (acknowledged(&good, |findings| findings.swap(0, 1)), "unsorted"),
        (acknowledged(&good, |findings| findings.push(findings[1].clone())), "unsorted"),
    ];
    for (changed, expected) in cases {
        assert_ne!(changed, good);
        assert_eq!(of(&changed), expected, "{changed}");
    }
}

fn edited(payload: &str, pointer: &str, edit: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut value: Value = serde_json::from_str(payload).expect("JSON");
    edit(value.pointer_mut(pointer).and_then(Value::as_array_mut).expect("a list"));
    serde_json_canonicalizer::to_string(&value).expect("JSON")
}

fn subjects(payload: &str, edit: impl FnOnce(&mut Vec<Value>)) -> String {
    edited(payload, "/subject", edit)
}

fn acknowledged(payload: &str, edit: impl FnOnce(&mut Vec<Value>)) -> String {
    edited(payload, "/predicate/acknowledged", edit)
}

/// Every member of the statement, as JSON pointers.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            for (key, value) in all {
                let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(path.clone());
                members(value, &path, found);
            }
        }
        Value::Array(all) => {
            for (index, value) in all.iter().enumerate() {
                let path = format!("{at}/{index}");
                found.push(path.clone());
                members(value, &path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_member_can_be_changed_or_dropped_after_signing() {
    let (company, key) = with_raw_key();
    let good: Value = serde_json::from_str(&payload(&company)).expect("JSON");
    let sig = STANDARD.encode(key.sign(&pae(PAYLOAD_TYPE, payload(&company).as_bytes())));
    let (roster, mut expected) = (company.roster(), company.expected(EU));
    expected.warnings = [finding("no_answer", Some("gw-1")), finding("old_snapshot", None)].into();
    let mut paths = Vec::new();
    members(&good, "", &mut paths);
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        for change in ["drop", "null", "text", "double"] {
            let mut changed = good.clone();
            let (parent, name) = path.rsplit_once('/').expect("a path");
            match (changed.pointer_mut(parent).expect("a parent"), change) {
                (Value::Object(all), "drop") => {
                    all.remove(name);
                }
                (Value::Object(all), "double") => {
                    all.insert("again".to_owned(), Value::Null);
                }
                (Value::Array(all), "drop") => {
                    all.remove(name.parse().expect("an index"));
                }
                (Value::Array(all), "double") => all.push(Value::Null),
                (_, "null") => *changed.pointer_mut(&path).expect("a member") = Value::Null,
                _ => *changed.pointer_mut(&path).expect("a member") = "x".into(),
            }
            if changed == good {
                continue; // null for null
            }
            let payload = serde_json_canonicalizer::to_string(&changed).expect("JSON");
            let envelope = serde_json::json!({
                "payload": STANDARD.encode(&payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": sig}],
            });
            let envelope = envelope.to_string().into_bytes();
            assert_eq!(verdict(&envelope, &company, NOW), "unknown_key", "{change} {path}");
            // Signed again by its owner it is still no such approval.
            let resigned = enveloped(&payload, PAYLOAD_TYPE, &key);
            let resigned = verify_approval(&resigned, &roster, &expected, at(NOW));
            assert!(resigned.is_err(), "{change} {path}");
        }
    }
}

#[test]
fn seeded_damage_never_counts_and_never_panics() {
    let company = Company::new();
    let good = company.approval(EU, "mara", "storage");
    let (roster, expected) = (company.roster(), company.expected(EU));
    let payload = Envelope::read(&good).expect("an envelope").payload_digest();
    let mut fill = seeded(23);
    let mut below = |limit: usize| {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % limit as u64).expect("smaller than a length")
    };
    for _ in 0..6_000 {
        let mut changed = good.clone();
        for _ in 0..=below(3) {
            let index = below(changed.len());
            match below(5) {
                0 => changed[index] ^= 1 << below(8),
                1 => changed[index] = b"{}[]\",:\\0=\xff"[below(11)],
                2 => changed.insert(index, b"{}[]\",:\\0= "[below(11)]),
                3 => {
                    changed.remove(index);
                }
                _ => changed.truncate(index.max(1)),
            }
        }
        if let Ok(verified) = verify_approval(&changed, &roster, &expected, at(NOW)) {
            // Only what nobody signed may differ: spaces, and the name of the key.
            assert_eq!(verified.payload(), payload);
        }
    }
}

#[test]
fn an_approval_for_another_fleet_of_the_same_rule_is_refused() {
    let company = Company::new().with(|roster| {
        roster.fleets.insert(fleet("payments-ap"), "production".to_owned());
    });
    let envelope = company.approval("payments-ap", "mara", "storage");
    let refusal = verify_approval(&envelope, &company.roster(), &company.expected(EU), at(NOW));
    let shown = refusal.expect_err("another fleet").to_string();
    assert_eq!(shown, "it was given for something else: fleet was payments-ap, is payments-eu");
}

#[test]
fn a_night_spans_midnight() {
    let company = Company::new();
    let roster: Roster = company.roster();
    let (_, environment) = roster.environment_of(&fleet(EU)).expect("production");
    let night = environment.rule.night_rollback.expect("a night");
    for (time, open) in [
        ("2026-03-01T20:59:59.999Z", false),
        ("2026-03-01T21:00:00Z", true),
        ("2026-03-01T23:59:59Z", true),
        ("2026-03-02T00:00:00Z", true),
        ("2026-03-02T04:59:59.999Z", true),
        ("2026-03-02T05:00:00Z", false),
        (NOW, false),
    ] {
        assert_eq!(night.is_open(at(time)), open, "{time}");
    }
    assert!(plumb_trust::approval::has_a_say(&roster, "production", &group("storage")));
    assert!(!plumb_trust::approval::has_a_say(&roster, "production", &group("operations")));
}

#[test]
fn a_verifier_that_is_not_ours_agrees_about_the_signature() {
    let company = Company::new();
    // mara signs with Ed25519, piet with ECDSA P-256.
    for (who, role) in [("mara", "storage"), ("piet", "platform-security")] {
        let envelope = company.act(EU, who, role, Act::Approve);
        let key = company.keys[who].public().to_pem();
        let statement = verify_dsse(&envelope, &key).expect("Python accepts it");
        assert!(statement.contains(&company.bound(EU).plan.to_string()), "{statement}");
        assert!(statement.contains("\"predicateType\":\"urn:plumbline:approval:v2\""));
        let stranger = company.keys["noor"].public().to_pem();
        verify_dsse(&envelope, &stranger).expect_err("another key");
        let mut changed: Value = serde_json::from_slice(&envelope).expect("JSON");
        changed["payloadType"] = "application/json".into();
        verify_dsse(changed.to_string().as_bytes(), &key).expect_err("another type of payload");
    }
}
