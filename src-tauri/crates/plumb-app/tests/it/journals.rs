//! Journals of real runs: signed as they grow, checked here and by strangers, and honest about what is missing.

use std::{fs, sync::Arc};

use camino::Utf8Path;
use keyring_core::{CredentialStore, mock};
use plumb_app::{
    App, AppOptions, KeyPlace, KeySafe, Keyring, Passphrase,
    error::Code,
    queries::journal::verify_journal_file,
    views::{
        journal::{JournalVerdict, JournalVerdictView},
        run::RunView,
    },
};
use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_journal::{
    Body, Event, Head, JournalHead, Outcome, RunbookStart,
    portable::{self, Line},
};
use plumb_testkit::{
    company::{Company, NOW, at, fleet, person},
    ids::SeededIds,
};
use plumb_trust::{
    dsse::{Algorithm, Envelope, NewKey, PublicKey, SigningKey, Statement},
    roster::Roster,
};

use crate::{
    rollouts::{FOUR, started, sync_in_waves},
    runs::carried_out,
    world::{World, sync_drifted},
};

async fn world() -> World {
    World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2-other.signed.json")]).await
}

async fn synced(app: &App) -> RunView {
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    carried_out(app, &plan).await
}

fn public_key() -> String {
    include_str!("../../../../../tests/fixtures/keys/ed25519.pub").to_owned()
}

fn another_key() -> String {
    NewKey::generate(Algorithm::Ed25519).expect("a key").public().to_pem()
}

/// Verdict, events, and how far they are signed.
fn told(view: &JournalVerdictView) -> (JournalVerdict, u64, Option<u64>) {
    (view.verdict, view.events, view.signed_to)
}

#[tokio::test]
async fn the_journal_of_a_run_is_signed_to_its_end_and_travels() {
    let world = world().await;
    let app = world.app().await;
    let run = synced(&app).await;
    let events = u64::from(run.journal_events);
    assert_eq!((run.journal_signed_to, &run.journal_unsigned), (run.journal_events, &None));
    let here = app.verify_journal(&run.id, &[], None).await.expect("a verdict");
    assert_eq!(told(&here), (JournalVerdict::Complete, events, Some(events)));
    assert!(here.plan_matches && here.file.is_none() && here.signed_by.is_some());

    let file = world.path("evidence/run.jsonl");
    let written = app.export_journal(&run.id, &file).await.expect("written");
    assert_eq!(written.events, events);
    assert!(written.heads >= 2, "at the start, and when its nodes arrived: {written:?}");
    app.close().await;

    let keys = [another_key(), public_key()];
    let there = verify_journal_file(&file, &keys, None).await.expect("a verdict");
    assert_eq!(told(&there), told(&here));
    assert_eq!((there.head, there.plan_hash), (here.head, here.plan_hash));
    assert_eq!(there.other_heads, 0);
    // Without a key the chain is all that is checked; with another one there is no signature to go by.
    let unchecked = verify_journal_file(&file, &[], None).await.expect("a verdict");
    assert_eq!(told(&unchecked), (JournalVerdict::Complete, events, None));
    assert_eq!(unchecked.other_heads, written.heads);
    let stranger = verify_journal_file(&file, &[another_key()], None).await.expect("a verdict");
    assert_eq!(told(&stranger), (JournalVerdict::Prefix, events, None));
    assert!(stranger.detail.contains("nobody trusted signed its end"), "{}", stranger.detail);
}

#[tokio::test]
async fn what_was_done_to_a_journal_file_is_found() {
    let world = world().await;
    let app = world.app().await;
    let run = synced(&app).await;
    let file = world.path("run.jsonl");
    app.export_journal(&run.id, &file).await.expect("written");
    app.close().await;
    let sound = fs::read_to_string(&file).expect("readable");
    let keys = [public_key()];
    let verdict = async |text: &str| {
        fs::write(&file, text).expect("writable");
        verify_journal_file(&file, &keys, None).await.expect("a verdict")
    };
    let events = u64::from(run.journal_events);
    let changed = verdict(&sound.replacen("\"arrived\":true", "\"arrived\":false", 1)).await;
    assert_eq!(changed.verdict, JournalVerdict::Broken);
    assert!(changed.events > 0 && changed.events < events, "{changed:?}");
    assert_eq!(changed.detail, format!("event {} was altered", changed.events + 1));
    // Cut off in the middle of the last event: what was signed before still holds.
    let last = sound.rfind("{\"body\"").expect("events");
    let cut = verdict(&sound[..last + 40]).await;
    let (verdict_of_cut, held, signed) = told(&cut);
    assert_eq!((verdict_of_cut, held, cut.cut_off), (JournalVerdict::Prefix, events - 1, true));
    assert!(signed.is_some_and(|signed| signed > 0 && signed < events), "{cut:?}");
    // A line break at the end is not part of the last line.
    let no_end = verdict(sound.trim_end()).await;
    assert_eq!(told(&no_end), (JournalVerdict::Complete, events, Some(events)));
    let lines: Vec<&str> = sound.split_inclusive('\n').collect();
    let renamed = [&lines[0].replace(&run.plan_hash, &"0".repeat(64)), &lines[1..].concat()]
        .map(String::as_str)
        .concat();
    let renamed = verdict(&renamed).await;
    assert_eq!(renamed.verdict, JournalVerdict::Broken);
    assert!(!renamed.plan_matches);
    let long = verdict(&format!("{}{}", lines[0], "x".repeat(17 << 20))).await;
    assert_eq!(
        (long.verdict, long.detail.as_str()),
        (JournalVerdict::Broken, "event 1 is longer than any event")
    );
    fs::write(&file, "not a journal\n").expect("writable");
    let error = verify_journal_file(&file, &keys, None).await.expect_err("no journal");
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("not the header of a journal"), "{}", error.message);
}

#[tokio::test]
async fn what_was_done_to_the_record_is_found() {
    let world = world().await;
    let app = world.app().await;
    let run = synced(&app).await;
    app.close().await;
    // Somebody with the file in an editor of bytes.
    let record = world.path("data/record.sqlite");
    let mut bytes = fs::read(&record).expect("readable");
    let (from, to) = (b"\"arrived\":true".as_slice(), b"\"arrived\": 1  ".as_slice());
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the record holds what was proven");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    fs::write(&record, bytes).expect("writable");
    let app = world.app().await;
    let verdict = app.verify_journal(&run.id, &[], None).await.expect("a verdict");
    assert_eq!(verdict.verdict, JournalVerdict::Broken, "{verdict:?}");
    assert_eq!(verdict.detail, format!("event {} was altered", verdict.events + 1));
    // A copy of it is found broken at the same place.
    let file = world.path("run.jsonl");
    app.export_journal(&run.id, &file).await.expect("written as it stands");
    let copy = verify_journal_file(&file, &[], None).await.expect("a verdict");
    assert_eq!((copy.verdict, copy.events), (JournalVerdict::Broken, verdict.events));
    app.close().await;
}

#[tokio::test]
async fn without_a_key_a_run_goes_on_and_says_that_it_is_not_signed() {
    let world = world().await;
    let options = AppOptions {
        console_key: KeyPlace::File {
            path: world.path("nowhere.key"),
            passphrase: Passphrase::new(|| unreachable!("there is no file to open")),
        },
        ..world.options()
    };
    let app = App::open(options).await.expect("opens");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let run = synced(&app).await;
    assert_eq!((run.arrived, run.journal_signed_to), (2, 0));
    let why = run.journal_unsigned.expect("a reason");
    assert!(why.contains("nowhere.key") && why.contains("plumb journal key --make"), "{why}");
    let verdict = app.verify_journal(&run.id, &[], None).await.expect("a verdict");
    let events = u64::from(run.journal_events);
    assert_eq!(told(&verdict), (JournalVerdict::Complete, events, None));
    let asked = app.verify_journal(&run.id, &[public_key()], None).await.expect("a verdict");
    assert_eq!(asked.verdict, JournalVerdict::Prefix);
    app.close().await;
    // Whoever looks later is told, too, although the reason is not kept.
    let later = world.app().await.run(&run.id).await.expect("a run");
    assert_eq!(later.journal_unsigned.as_deref(), Some("no head of its journal is signed"));
}

#[tokio::test]
async fn the_key_is_made_once_and_is_no_token() {
    let world = world().await;
    let store: Arc<CredentialStore> = mock::Store::new().expect("a mock");
    let keyring = Keyring::of_store(store);
    let options = || AppOptions {
        console_key: KeyPlace::Keyring(KeySafe::with_keyring(&keyring)),
        ..world.options()
    };
    let first = App::open(options()).await.expect("opens");
    let key = first.console_key().await.expect("a key");
    first.close().await;
    let second = App::open(options()).await.expect("opens");
    assert_eq!(second.console_key().await.expect("a key"), key);
    second.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let run = synced(&second).await;
    let verdict = second
        .verify_journal(&run.id, std::slice::from_ref(&key.pem), None)
        .await
        .expect("a verdict");
    assert_eq!(verdict.signed_by, Some(key.fingerprint));
    // Under the names of tokens there is nothing: a fleet file could have it sent somewhere.
    let tokens = plumb_clients::TokenSource::with_keyring(keyring.clone());
    assert_eq!(tokens.status("console").await, plumb_clients::KeyringStatus::Missing);
    second.close().await;
}

#[tokio::test]
async fn a_locked_keyring_is_named_with_the_way_without_it() {
    let world = world().await;
    let store: Arc<CredentialStore> = mock::Store::new().expect("a mock");
    let entry = keyring_core::Entry::new_in_store(&store, "plumbline signing keys", "console")
        .expect("an entry");
    let mocked: &mock::Cred = entry.as_any().downcast_ref().expect("a mock");
    mocked.set_error(keyring_core::Error::NoStorageAccess("locked".into()));
    let console_key = KeyPlace::Keyring(KeySafe::with_keyring(&Keyring::of_store(store)));
    let app = App::open(AppOptions { console_key, ..world.options() }).await.expect("opens");
    let error = app.console_key().await.expect_err("the keyring is locked");
    assert_eq!(error.code, Code::Keyring);
    assert!(error.message.contains("locked"), "{}", error.message);
    assert!(error.hint.contains("--console-key FILE"), "{}", error.hint);
    app.close().await;
}

/// Numbers of events that heads signed by this console cover, and the events themselves, of an exported file.
fn signed_in(file: &str) -> (Vec<usize>, Vec<Event>) {
    let key = PublicKey::from_pem(&public_key()).expect("a key");
    let (mut covered, mut events) = (Vec::new(), Vec::new());
    for line in file.lines().skip(1) {
        match portable::read_line(line.as_bytes()) {
            Line::Head(envelope) => {
                let envelope = Envelope::read(envelope.as_bytes()).expect("an envelope");
                let verified = envelope.verify([&key]).expect("signed here");
                let head: Statement<JournalHead> = verified.statement().expect("a head");
                let covers = usize::try_from(head.predicate.events).expect("few");
                assert_eq!(covers, events.len(), "it stands after its events");
                covered.push(covers);
            }
            Line::Entry(_) => {
                let mut entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let body: Body = serde_json::from_value(entry["body"].take()).expect("a body");
                events.push(body.event);
            }
        }
    }
    (covered, events)
}

#[tokio::test]
async fn a_head_is_signed_at_the_start_after_each_wave_and_at_the_end() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(None)).await;
    let run = app.finished(&run.id).await.expect("a run");
    let waves = run.rollout.as_ref().expect("waves").waves.len();
    let file = world.path("run.jsonl");
    app.export_journal(&run.id, &file).await.expect("written");
    app.close().await;
    let (covered, events) = signed_in(&fs::read_to_string(&file).expect("readable"));
    assert!(matches!(events.first(), Some(Event::RunStarted { .. })));
    assert!(matches!(events.last(), Some(Event::RunEnded { .. })));
    let passed =
        events.iter().enumerate().filter(|(_, event)| matches!(event, Event::GatePassed { .. }));
    let passed: Vec<usize> = passed.map(|(at, _)| at).collect();
    assert_eq!((waves, passed.len()), (3, 3), "{events:?}");
    // Each of them is signed before the next request leaves.
    for at in std::iter::once(0).chain(passed).chain([events.len() - 1]) {
        let sends = |event: &Event| matches!(event, Event::EffectStarted { .. });
        let next = events.iter().skip(at).position(sends).map_or(events.len(), |more| at + more);
        let signed = covered.iter().any(|events| (at + 1..=next).contains(events));
        assert!(signed, "event {at} is not signed before event {next}: {covered:?}");
    }
    assert!(covered.len() >= waves + 2, "start, {waves} waves and end: {covered:?}");
    assert_eq!(run.journal_signed_to, run.journal_events);
}

/// Whoever can sign heads can write any journal; what people signed is nothing that they can make.
#[tokio::test]
async fn a_forged_word_in_a_journal_is_found_by_the_roster_and_named() {
    let company = Company::new();
    let run = SeededIds::new("forged").run();
    let (fleet, plan) = (fleet("payments-eu"), PlanHash(Digest::of(b"a runbook")));
    let folder = tempfile::tempdir().expect("a folder");
    let file = Utf8Path::from_path(folder.path()).expect("UTF-8").join("run.jsonl");
    let began = at(NOW);
    let written = |of: RunId, key: &SigningKey| {
        let start = RunbookStart { fleet: fleet.clone(), run: of, by: person("rick"), at: began };
        let signed = Envelope::sign(&start.statement(plan), &[key]).expect("it signs");
        let envelope = String::from_utf8(signed.to_bytes()).expect("JSON");
        let operator = "rick".to_owned();
        let events = [
            Event::RunStarted { plan, fleet: fleet.clone(), operator, targets: 1 },
            Event::RunbookSigned { by: "rick".to_owned(), envelope },
            Event::RunEnded { outcome: Outcome::Succeeded },
        ];
        let mut head = Head::empty(run);
        let header = portable::Header::new(run, plan, fleet.clone());
        let mut text = portable::write_header(&header);
        for event in events {
            let entry = head.append(began, event);
            text.push_str(&portable::write_entry(&entry.body.canonical(), entry.hash));
        }
        fs::write(&file, text).expect("writable");
    };
    let verdict = async |roster: Option<Roster>| {
        verify_journal_file(&file, &[], roster).await.expect("a verdict")
    };
    written(run, &company.keys["rick"]);
    let sound = verdict(Some(company.roster())).await;
    assert_eq!(sound.verdict, JournalVerdict::Complete, "{sound:?}");
    let signed = &sound.signatures[0];
    let key = company.keys["rick"].public().id();
    assert_eq!((signed.event, signed.verified), (2, true));
    assert_eq!(signed.sentence, format!("signed by rick ({})", key.short()));
    assert_eq!((signed.by.as_deref(), signed.key.clone()), (Some("rick"), Some(key.to_string())));

    let other = SeededIds::new("another").run();
    let stranger = Company::new();
    for (of, key, why) in [
        (
            other,
            &company.keys["rick"],
            format!("it is for another run: {other}, and this one is {run}"),
        ),
        (run, &stranger.keys["rick"], "no key of the roster signed it".to_owned()),
        (run, &company.keys["mara"], "mara signed it in the name of rick".to_owned()),
    ] {
        written(of, key);
        let forged = verdict(Some(company.roster())).await;
        assert_eq!((forged.verdict, forged.events), (JournalVerdict::Broken, 1), "{forged:?}");
        let told = "tells of the start of the run, and its signature does not count";
        assert_eq!(forged.detail, format!("event 2 {told}: {why}"));
        assert_eq!(forged.signatures[0].sentence, format!("not verified: {why}"));
        assert_eq!(forged.signatures[0].by, None, "nobody is named");
        // Without a roster nothing is said of anybody.
        let unknown = verdict(None).await;
        assert_eq!(unknown.verdict, JournalVerdict::Complete);
        assert!(unknown.signatures[0].sentence.starts_with("not verified: no roster"));
    }
}
