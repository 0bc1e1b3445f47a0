//! What verification tells of good evidence, and of evidence that somebody worked on.

use plumb_evidence::{CheckName, Outcome, Trust};
use plumb_testkit::company::Company;

use crate::support::{
    Folder, Inside, KEYS, console, entries, packed, plain, said, sealed, trust, verified,
};

#[test]
fn everything_holds_and_each_promise_is_told() {
    let company = Company::new();
    let folder = Folder::new();
    let inside = Inside { company: Some(&company), ..Inside::default() };
    let sealed = sealed(&folder, &inside, &company.keys["tove"]);
    let bytes = std::fs::read(sealed.path).expect("it is there");
    let roots: Vec<_> = company.roots.iter().map(|key| key.public().clone()).collect();
    let verification = verified(&bytes, &Trust { roots, ..Trust::default() });
    let lines: Vec<String> = verification
        .findings
        .iter()
        .map(|finding| {
            format!("{:?} {}: {}", finding.outcome, finding.check.title(), finding.detail)
        })
        .collect();
    let text = lines.join("\n").replace(&crate::support::run().to_string(), "RUN");
    let key = company.keys["tove"].public().id().to_string();
    insta::assert_snapshot!(text.replace(&key, "KEY"));
    assert!(verification.holds());
}

#[test]
fn a_state_that_its_events_do_not_come_to_is_named() {
    let folder = Folder::new();
    let inside = Inside { states_of_detail: Some("runs 3.0.0"), ..Inside::default() };
    let sealed = sealed(&folder, &inside, console());
    let bytes = std::fs::read(sealed.path).expect("it is there");
    let verification = verified(&bytes, &trust());
    let states = format!("runs/{}/states.jsonl", crate::support::run());
    assert_eq!(verification.broken.as_deref(), Some(states.as_str()), "{}", said(&verification));
    let finding = verification.finding(CheckName::States);
    assert_eq!(finding.outcome, Outcome::Failed);
    assert!(finding.detail.contains("event 2 comes to another state"), "{}", finding.detail);
}

#[test]
fn a_console_is_trusted_by_its_key() {
    let verification = verified(&plain(), &trust());
    assert!(verification.holds(), "{}", said(&verification));
    assert_eq!(verification.finding(CheckName::Role).outcome, Outcome::Absent);
    assert_eq!(verification.signer, Some(console().public().id()));
    assert!(verification.notes.is_empty(), "{:?}", verification.notes);
}

#[test]
fn a_good_signature_of_an_unknown_key_is_told_as_that() {
    let verification = verified(&plain(), &Trust::default());
    assert!(!verification.holds());
    let key = console().public().id().to_string();
    insta::assert_snapshot!(said(&verification).replace(&key, "KEY"));
    let folder = Folder::new();
    let theirs = sealed(&folder, &Inside::default(), &KEYS[1]);
    let bytes = std::fs::read(theirs.path).expect("it is there");
    assert_eq!(verified(&bytes, &trust()).finding(CheckName::Signer).outcome, Outcome::Failed);
}

#[test]
fn packing_unchanged_entries_again_is_noted_and_breaks_nothing() {
    let mut entries = entries(&plain());
    for _ in 0..2 {
        let verification = verified(&packed(&entries), &trust());
        assert!(verification.holds(), "{}", said(&verification));
        assert!(
            verification.notes[0].starts_with("container rewritten"),
            "{:?}",
            verification.notes
        );
        entries.reverse();
    }
}

#[test]
fn a_packing_program_with_folders_and_owners_is_read_too() {
    let folder = Folder::new();
    let sealed = sealed(&folder, &Inside::default(), console());
    let (unpacked, again) = (folder.join("unpacked"), folder.join("again.zip"));
    let done = std::process::Command::new("bash")
        .args(["-c", "unzip -q \"$0\" -d \"$1\" && cd \"$1\" && zip -qr \"$2\" ."])
        .args([sealed.path.as_str(), unpacked.as_str(), again.as_str()])
        .status();
    assert!(done.expect("bash, zip and unzip are there").success());
    let verification = verified(&std::fs::read(again).expect("it is there"), &trust());
    assert!(verification.holds(), "{}", said(&verification));
    assert!(verification.notes[0].starts_with("container rewritten"));
}

/// Changes the entries of evidence, and says what is told of it.
#[track_caller]
fn check(inside: &Inside<'_>, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>), expected: &str) {
    let folder = Folder::new();
    let sealed = sealed(&folder, inside, console());
    let mut entries = entries(&std::fs::read(sealed.path).expect("it is there"));
    change(&mut entries);
    let verification = verified(&packed(&entries), &trust());
    assert!(!verification.holds());
    let told = said(&verification).replace(&crate::support::run().to_string(), "RUN");
    assert!(told.contains(expected), "{told}");
}

fn at<'a>(entries: &'a mut [(String, Vec<u8>)], end: &str) -> &'a mut Vec<u8> {
    &mut entries.iter_mut().find(|(name, _)| name.ends_with(end)).expect("it is there").1
}

#[test]
fn a_list_with_too_much_or_too_little_is_refused() {
    let plain = Inside::default();
    check(
        &plain,
        |all| all.push(("zz/hidden.txt".to_owned(), b"hidden".to_vec())),
        "nothing extra: zz/hidden.txt is in the archive, and the manifest does not list it",
    );
    check(
        &plain,
        |all| all.retain(|(name, _)| name != "console/log.txt"),
        "console/log.txt is listed in the manifest and missing",
    );
}

#[test]
fn an_edited_journal_is_named_even_if_the_manifest_is_made_to_fit() {
    // What verification of the chain says by itself, with everything around it in order.
    let folder = Folder::new();
    let mut draft = crate::support::captured(&folder.join("draft"), &Inside::default());
    let name = draft.draft.entries().keys().find(|name| name.as_str().ends_with("journal.jsonl"));
    let name = name.expect("a journal").clone();
    let path = draft.draft.path(&name);
    let text =
        std::fs::read_to_string(&path).expect("text").replacen("runs 2.0.0", "runs 9.0.0", 1);
    // A forger with the folder and the key in hand.
    std::fs::remove_dir_all(folder.join("forged")).unwrap_or_default();
    let mut forged = plumb_evidence::Draft::create(&folder.join("forged"), crate::support::about())
        .expect("begins");
    for other in draft.draft.entries().keys() {
        let bytes = std::fs::read(draft.draft.path(other)).expect("read");
        let bytes = if *other == name { text.clone().into_bytes() } else { bytes };
        forged.add(other.as_str(), bytes.as_slice()).expect("written");
    }
    for run in draft.draft.runs() {
        forged.run(run.clone()).expect("noted");
    }
    draft.draft = forged;
    let sealed = crate::support::sealed_of(draft, &folder, console());
    let verification = verified(&std::fs::read(sealed.path).expect("it is there"), &trust());
    let told = said(&verification).replace(&crate::support::run().to_string(), "RUN");
    assert_eq!(
        told,
        "chain of every journal: runs/RUN/journal.jsonl: event 2 was altered\n\
         state after every event: runs/RUN/journal.jsonl: event 2 was altered\n\
         first broken: runs/RUN/journal.jsonl"
    );
}

#[test]
fn a_run_that_is_told_of_twice_is_refused() {
    // Each time its journal, states and plan would be read again, as often as a forger likes.
    let folder = Folder::new();
    let mut captured = crate::support::captured(&folder.join("draft"), &Inside::default());
    let part = captured.draft.runs().first().expect("a run").clone();
    captured.draft.run(part).expect("noted");
    let sealed = crate::support::sealed_of(captured, &folder, console());
    let verification = verified(&std::fs::read(sealed.path).expect("it is there"), &trust());
    let told = said(&verification);
    assert!(told.contains("manifest.json tells of one run more than once"), "{told}");
}

#[test]
fn approvals_of_another_plan_are_named() {
    let company = Company::new();
    let folder = Folder::new();
    let mut capture = plumb_evidence::Capture::begin(
        &folder.join("draft"),
        crate::support::about(),
        plumb_redact::RuleSpec::default(),
        plumb_redact::Rules::compile(&plumb_redact::RuleSpec::default()).expect("rules"),
        crate::support::TOKENS,
    )
    .expect("begins");
    let of_run = |name: &str| format!("runs/{}/{name}", crate::support::run());
    let json = plumb_redact::Form::Json;
    let plan = crate::support::sync();
    capture.bound("plan", json, &of_run("plan.json"), &plan.canonical_bytes()).expect("captured");
    capture
        .bound("roster", json, "roster/roster.dsse.json", &company.envelope())
        .expect("captured");
    let other = company.approval("payments-eu", "mara", "storage");
    capture
        .bound("approval", json, &of_run("approvals/1-mara.dsse.json"), &other)
        .expect("captured");
    let run = plumb_evidence::RunPart {
        journal: None,
        outcome: None,
        plan: plan.hash(),
        run: crate::support::run(),
    };
    capture.run(run).expect("noted");
    let captured = capture.finish().expect("it ends");
    let sealed = crate::support::sealed_of(captured, &folder, console());
    let verification = verified(&std::fs::read(sealed.path).expect("it is there"), &trust());
    let told = said(&verification);
    assert!(told.contains("approvals/1-mara.dsse.json: it is about the plan"), "{told}");
}

#[test]
fn an_envelope_in_another_form_is_refused() {
    let plain = Inside::default();
    let spaced = |all: &mut Vec<(String, Vec<u8>)>| {
        let envelope = at(all, "manifest.dsse.json");
        let value: serde_json::Value = serde_json::from_slice(envelope).expect("JSON");
        *envelope = serde_json::to_vec_pretty(&value).expect("JSON");
    };
    check(&plain, spaced, "the envelope is not in its canonical form");
    let change = |what: fn(&mut serde_json::Value)| {
        move |all: &mut Vec<(String, Vec<u8>)>| {
            let envelope = at(all, "manifest.dsse.json");
            let mut value: serde_json::Value = serde_json::from_slice(envelope).expect("JSON");
            what(&mut value);
            *envelope = serde_json::to_vec(&value).expect("JSON");
        }
    };
    check(
        &plain,
        change(|envelope| envelope["signatures"][0]["keyid"] = "0".repeat(64).into()),
        "the envelope names another key than the one in signer.pem",
    );
    check(
        &plain,
        change(|envelope| {
            let twice = envelope["signatures"][0].clone();
            envelope["signatures"].as_array_mut().expect("a list").push(twice);
        }),
        "2 signatures, where one belongs",
    );
    check(
        &plain,
        change(|envelope| envelope["comment"] = "fine".into()),
        "unknown field `comment`",
    );
    check(
        &plain,
        change(|envelope| {
            let payload =
                envelope["payload"].as_str().expect("text").trim_end_matches('=').to_owned();
            envelope["payload"] = format!("{payload}\n").into();
        }),
        "not a DSSE envelope",
    );
}

#[test]
fn a_journal_with_a_credential_is_left_out_and_that_is_told() {
    let folder = Folder::new();
    let inside = Inside {
        detail: Some("asked https://reader:hunter2hunter2@localhost/v1"),
        ..Inside::default()
    };
    let sealed = sealed(&folder, &inside, console());
    let verification = verified(&std::fs::read(sealed.path).expect("it is there"), &trust());
    assert!(verification.holds(), "{}", said(&verification));
    let evidence = verification.evidence.clone().expect("a manifest");
    assert!(evidence.runs[0].journal.is_none());
    let left_out = evidence.missing.iter().find(|missing| missing.what.ends_with("journal.jsonl"));
    let why = &left_out.expect("it is told").why;
    assert!(why.contains("url-credentials"), "{why}");
}

/// Evidence of a run of a runbook of this company: rick started it, and mara consented with this key.
fn run_of_a_runbook(company: &Company, consents: &plumb_trust::dsse::SigningKey) -> Vec<u8> {
    use plumb_journal::{
        Event, Head, Outcome, RunbookConsent, RunbookStart, StepEvent,
        portable::{Header, write_entry, write_header},
    };
    use plumb_testkit::company::{fleet, person};
    use plumb_trust::dsse::Envelope;

    let folder = Folder::new();
    let (about, run) = (crate::support::about(), crate::support::run());
    let (fleet, plan) = (fleet("payments-eu"), crate::support::sync().hash());
    let began = plumb_testkit::company::at(plumb_testkit::company::NOW);
    let start = RunbookStart { fleet: fleet.clone(), run, by: person("rick"), at: began };
    let start = Envelope::sign(&start.statement(plan), &[&company.keys["rick"]]).expect("signs");
    let (group, step) = ("Storage".to_owned(), "consent".to_owned());
    let consent = RunbookConsent { fleet: fleet.clone(), group: group.clone(), run, step };
    let consent = Envelope::sign(&consent.statement(plan), &[consents]).expect("it signs");
    let text = |envelope: Envelope| String::from_utf8(envelope.to_bytes()).expect("JSON");
    let (by, envelope) = ("mara".to_owned(), Some(text(consent)));
    let happened = StepEvent::Approved { group, by, envelope };
    let events = [
        Event::RunStarted { plan, fleet: fleet.clone(), operator: "rick".to_owned(), targets: 1 },
        Event::RunbookSigned { by: "rick".to_owned(), envelope: text(start) },
        Event::Step { step: "consent".to_owned(), happened },
        Event::RunEnded { outcome: Outcome::Succeeded },
    ];
    let mut head = Head::empty(run);
    let mut lines = write_header(&Header::new(run, plan, fleet.clone()));
    for event in events {
        let entry = head.append(began, event);
        lines.push_str(&write_entry(&entry.body.canonical(), entry.hash));
    }
    let file = folder.join("journal");
    std::fs::write(&file, lines).expect("written");
    let spec = plumb_redact::RuleSpec::default();
    let rules = plumb_redact::Rules::compile(&spec).expect("rules");
    let about = plumb_evidence::About { fleet, ..about };
    let tokens = crate::support::TOKENS;
    let mut capture =
        plumb_evidence::Capture::begin(&folder.join("draft"), about, spec, rules, tokens)
            .expect("begins");
    let name = format!("runs/{run}/journal.jsonl");
    capture.bound_lines("journal", &name, || std::fs::File::open(&file)).expect("captured");
    let roster = company.envelope();
    let json = plumb_redact::Form::Json;
    capture.bound("roster", json, "roster/roster.dsse.json", &roster).expect("captured");
    let journal =
        Some(plumb_journal::certificate::JournalRef { events: head.seq, head: head.hash });
    let outcome = Some("succeeded".to_owned());
    capture.run(plumb_evidence::RunPart { journal, outcome, plan, run }).expect("noted");
    let captured = capture.finish().expect("it ends");
    let sealed = crate::support::sealed_of(captured, &folder, console());
    std::fs::read(sealed.path).expect("it is there")
}

#[test]
fn what_people_signed_in_a_run_of_a_runbook_is_verified_by_the_roster() {
    let company = Company::new();
    let roots: Vec<_> = company.roots.iter().map(|key| key.public().clone()).collect();
    let trust = Trust { roots, ..trust() };
    let sound = run_of_a_runbook(&company, &company.keys["mara"]);
    let verification = verified(&sound, &trust);
    let finding = verification.finding(CheckName::Plan);
    assert_eq!(finding.outcome, Outcome::Passed, "{}", said(&verification));
    let short = |name: &str| company.keys[name].public().id().short();
    let told = format!(
        "run {}: the start of the run signed by rick ({}), the consent of Storage at consent signed by mara ({})",
        crate::support::run(),
        short("rick"),
        short("mara")
    );
    assert_eq!(finding.detail, told);
    // A roster that nobody here knows the root keys of names nobody for sure.
    let unknown = verified(&sound, &crate::support::trust());
    assert_eq!(unknown.finding(CheckName::Plan).outcome, Outcome::Open);

    let stranger = Company::new();
    let ways = [
        (&stranger.keys["mara"], "no key of the roster signed it"),
        (&company.keys["noor"], "noor signed it, and the journal says that it was mara"),
        (&company.keys["rick"], "rick runs it, and whoever runs it does not approve it"),
    ];
    for (key, why) in ways {
        let verification = verified(&run_of_a_runbook(&company, key), &trust);
        let finding = verification.finding(CheckName::Plan);
        assert_eq!(finding.outcome, Outcome::Failed, "{}", said(&verification));
        let journal = format!("runs/{}/journal.jsonl", crate::support::run());
        assert_eq!(finding.entry.as_deref(), Some(journal.as_str()));
        let told = format!(
            "{journal}: event 3 tells of the consent of Storage at consent, and its signature does not \
             count: {why}"
        );
        assert_eq!(finding.detail, told);
        let chain = verification.finding(CheckName::Journal).outcome;
        assert_eq!(chain, Outcome::Passed, "its chain holds, and is not what is at fault");
    }
}
