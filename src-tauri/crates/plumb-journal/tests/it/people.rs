//! What people signed in a run: each signature counts for what its event says, and for nothing else.

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_journal::{
    Check, Event, Head, Judged, Link, OfRun, People, RunbookAnswer, RunbookConsent, RunbookStart,
    StepEvent, StepOutcome,
};
use plumb_runbook::document::{ParameterType, StepEffect};
use plumb_testkit::{
    builders::content,
    company::{Company, at, fleet, person},
    ids::SeededIds,
};
use plumb_trust::dsse::{Envelope, Predicate, SigningKey, Statement};
use serde_json::json;

const FLEET: &str = "payments-eu";
const ASKED: &str = "What does the diagnosis say?";

/// A run of a runbook of this company: rick starts it, mara and piet consent, and mara answers.
struct Story {
    company: Company,
    run: RunId,
    other: RunId,
    events: Vec<Event>,
}

fn plan() -> PlanHash {
    PlanHash(content("a runbook").0)
}

fn began() -> Timestamp {
    at("2026-03-01T12:00:00Z")
}

fn signed<P: Predicate>(statement: &Statement<P>, key: &SigningKey) -> String {
    let envelope = Envelope::sign(statement, &[key]).expect("it signs");
    String::from_utf8(envelope.to_bytes()).expect("JSON")
}

fn start_of(run: RunId, at: Timestamp, key: &SigningKey) -> String {
    let start = RunbookStart { fleet: fleet(FLEET), run, by: person("rick"), at };
    signed(&start.statement(plan()), key)
}

fn consent_of(run: RunId, group: &str, key: &SigningKey) -> String {
    let (group, step) = (group.to_owned(), "consent".to_owned());
    signed(&RunbookConsent { fleet: fleet(FLEET), group, run, step }.statement(plan()), key)
}

fn answer_of(run: RunId, attempt: u32, said: &str, key: &SigningKey) -> String {
    let answer = RunbookAnswer {
        asked: ASKED.to_owned(),
        attempt,
        fleet: fleet(FLEET),
        group: "Storage".to_owned(),
        run,
        said: said.to_owned(),
        step: "cause".to_owned(),
    };
    signed(&answer.statement(plan()), key)
}

fn step(step: &str, happened: StepEvent) -> Event {
    Event::Step { step: step.to_owned(), happened }
}

fn approved(group: &str, by: &str, envelope: String) -> Event {
    let (group, by) = (group.to_owned(), by.to_owned());
    step("consent", StepEvent::Approved { group, by, envelope: Some(envelope) })
}

fn asks(attempt: u32) -> Event {
    let (ask, who) = (ASKED.to_owned(), Some("Storage".to_owned()));
    let effect =
        StepEffect::Ask { ask, of: ParameterType::Text, choices: Vec::new(), who, until_s: 60 };
    step("cause", StepEvent::Started { attempt, effect })
}

fn answered(said: &str, result: &str, envelope: String) -> Event {
    step(
        "cause",
        StepEvent::Finished {
            outcome: StepOutcome::Succeeded,
            detail: said.to_owned(),
            result: json!({ "answer": result }),
            by: Some("mara".to_owned()),
            envelope: Some(envelope),
        },
    )
}

impl Story {
    fn new() -> Self {
        let company = Company::new();
        let mut ids = SeededIds::new("people");
        let (run, other) = (ids.run(), ids.run());
        let key = |name: &str| &company.keys[name];
        let (by, envelope) = ("rick".to_owned(), start_of(run, began(), key("rick")));
        let events = vec![
            Event::RunStarted {
                plan: plan(),
                fleet: fleet(FLEET),
                operator: "rick".to_owned(),
                targets: 2,
            },
            Event::RunbookSigned { by, envelope },
            approved("Storage", "mara", consent_of(run, "Storage", key("mara"))),
            approved(
                "Platform Security",
                "piet",
                consent_of(run, "Platform Security", key("piet")),
            ),
            asks(1),
            answered("polling", "polling", answer_of(run, 1, "polling", key("mara"))),
        ];
        Self { company, run, other, events }
    }

    fn key(&self, name: &str) -> &SigningKey {
        &self.company.keys[name]
    }

    fn with(mut self, place: usize, event: Event) -> Self {
        self.events[place] = event;
        self
    }

    /// What a check of the whole journal finds, as the last thing that is found of each chain.
    fn judged(&self) -> Vec<Judged> {
        let mut head = Head::empty(self.run);
        let mut check = Check::new(self.run);
        for (second, event) in (0_i64..).zip(&self.events) {
            let entry = head.append(began() + SignedDuration::from_secs(second), event.clone());
            check.entry(Link::of_bytes(&entry.body.canonical(), entry.hash));
        }
        let found = check.found(false);
        assert!(matches!(found.verdict, plumb_journal::ChainVerdict::Prefix { .. }));
        self.judge(&found.people)
    }

    fn judge(&self, people: &People) -> Vec<Judged> {
        let roster = self.company.roster();
        let fleet: FleetId = fleet(FLEET);
        people.judge(OfRun { fleet: &fleet, run: self.run, plan: plan() }, |_| Some(&roster))
    }

    /// The first that does not count, as a reviewer reads it.
    fn broken(&self) -> String {
        let judged = self.judged();
        let first = judged.iter().find(|one| one.signer.is_err()).expect("one does not count");
        let text = format!("event {}: {}: {}", first.event + 1, first.what, first.sentence());
        let (run, other) = (self.run.to_string(), self.other.to_string());
        text.replace(&run, "RUN").replace(&other, "OTHER").replace(&plan().short(), "PLAN")
    }
}

#[test]
fn what_everybody_signed_is_told_with_their_name_and_key() {
    let story = Story::new();
    let short = |name: &str| story.key(name).public().id().short();
    let told: Vec<String> =
        story.judged().iter().map(|one| format!("{}: {}", one.what, one.sentence())).collect();
    let expected = [
        format!("the start of the run: signed by rick ({})", short("rick")),
        format!("the consent of Storage at consent: signed by mara ({})", short("mara")),
        format!("the consent of Platform Security at consent: signed by piet ({})", short("piet")),
        format!("the answer at cause: signed by mara ({})", short("mara")),
    ];
    assert_eq!(told, expected);
    // Without a roster nobody is named, and nothing is broken.
    let mut people = People::default();
    for (number, event) in (0_u64..).zip(&story.events) {
        people.take(number, began(), event);
    }
    let fleet = fleet(FLEET);
    let of = OfRun { fleet: &fleet, run: story.run, plan: plan() };
    for one in people.judge(of, |_| None) {
        assert!(one.fault().is_none(), "{one:?}");
        let told = "not verified: no roster that is trusted here says whose key it is";
        assert_eq!(one.sentence(), told);
    }
}

#[track_caller]
fn check(story: &Story, told: &str) {
    assert_eq!(story.broken(), told);
}

#[test]
fn an_envelope_that_stands_in_the_place_of_another_is_found() {
    let story = Story::new();
    let of_mara = consent_of(story.run, "Storage", story.key("mara"));
    check(
        &story.with(3, approved("Platform Security", "piet", of_mara)),
        "event 4: the consent of Platform Security at consent: not verified: it is for Storage at consent, \
         and stands at Platform Security at consent",
    );
    let story = Story::new();
    let start = start_of(story.run, began(), story.key("mara"));
    check(
        &story.with(2, approved("Storage", "mara", start)),
        "event 3: the consent of Storage at consent: not verified: it cannot be read: the statement is a \
         \"https://plumbline.invalid/runbook-start/v1\", where a \
         \"https://plumbline.invalid/runbook-consent/v1\" was expected",
    );
}

#[test]
fn an_envelope_over_another_run_is_found() {
    let story = Story::new();
    let envelope = start_of(story.other, began(), story.key("rick"));
    check(
        &story.with(1, Event::RunbookSigned { by: "rick".to_owned(), envelope }),
        "event 2: the start of the run: not verified: it is for another run: OTHER, and this one is RUN",
    );
    let story = Story::new();
    let consent = consent_of(story.other, "Storage", story.key("mara"));
    check(
        &story.with(2, approved("Storage", "mara", consent)),
        "event 3: the consent of Storage at consent: not verified: it is for another run: OTHER, and this \
         one is RUN",
    );
    let story = Story::new();
    let answer = answer_of(story.other, 1, "polling", story.key("mara"));
    check(
        &story.with(5, answered("polling", "polling", answer)),
        "event 6: the answer at cause: not verified: it is for another run: OTHER, and this one is RUN",
    );
    let story = Story::new();
    let elsewhere =
        RunbookStart { fleet: fleet(FLEET), run: story.run, by: person("rick"), at: began() };
    let other = PlanHash(content("another runbook").0);
    let envelope = signed(&elsewhere.statement(other), story.key("rick"));
    let told = story.with(1, Event::RunbookSigned { by: "rick".to_owned(), envelope }).broken();
    assert!(told.contains(&format!("it is for another plan: {}, and", other.short())), "{told}");
}

#[test]
fn a_key_that_the_roster_does_not_give_to_that_person_is_found() {
    let story = Story::new();
    let stranger = Company::new();
    let consent = consent_of(story.run, "Storage", &stranger.keys["mara"]);
    check(
        &story.with(2, approved("Storage", "mara", consent)),
        "event 3: the consent of Storage at consent: not verified: no key of the roster signed it",
    );
    let story = Story::new();
    let of_noor = consent_of(story.run, "Storage", story.key("noor"));
    check(
        &story.with(2, approved("Storage", "mara", of_noor)),
        "event 3: the consent of Storage at consent: not verified: noor signed it, and the journal says that it \
         was mara",
    );
    let story = Story::new();
    let of_tove = consent_of(story.run, "Storage", story.key("tove"));
    check(
        &story.with(2, approved("Storage", "tove", of_tove)),
        "event 3: the consent of Storage at consent: not verified: tove is not in Storage",
    );
    // Rick is in Storage, too.
    let story = Story::new();
    let own = consent_of(story.run, "Storage", story.key("rick"));
    check(
        &story.with(2, approved("Storage", "rick", own)),
        "event 3: the consent of Storage at consent: not verified: rick runs it, and whoever runs it does not \
         approve it",
    );
    let mut story = Story::new();
    story.events.remove(1);
    check(
        &story,
        "event 2: the consent of Storage at consent: not verified: nobody signed the start of this run, so \
         nobody can tell whether one person runs and approves it",
    );
    // Runs did not always ask for that: it is not verified, and no fault of what was signed.
    assert!(story.judged().iter().all(|one| one.fault().is_none()));
}

#[test]
fn a_key_counts_as_it_did_when_its_event_was_journalled() {
    let revoke = |when: &str| {
        let mut story = Story::new();
        let people = &mut story.company.document.people;
        let mara = people.get_mut(&person("mara")).expect("she is there");
        mara.keys[0].revoked_at = Some(at(when));
        story
    };
    let later = revoke("2026-04-01T00:00:00Z");
    assert!(later.judged().iter().all(|one| one.signer.is_ok()), "{:?}", later.judged());
    let before = revoke("2026-02-01T00:00:00Z").broken();
    assert!(before.contains("of mara was revoked at 2026-02-01T00:00:00Z"), "{before}");
    let story = Story::new();
    let envelope = start_of(story.run, at("2026-02-27T12:00:00Z"), story.key("rick"));
    check(
        &story.with(1, Event::RunbookSigned { by: "rick".to_owned(), envelope }),
        "event 2: the start of the run: not verified: it was signed at 2026-02-27T12:00:00Z, and the run began \
         at another time",
    );
}

#[test]
fn an_answer_is_signed_word_for_word_and_for_one_attempt() {
    let of = |said: &str, result: &str, attempt: u32| {
        let story = Story::new();
        let answer = answer_of(story.run, attempt, "polling", story.key("mara"));
        story.with(5, answered(said, result, answer)).broken()
    };
    let before = "event 6: the answer at cause: not verified: ";
    let told = of("out of sync", "out of sync", 1);
    let other = "other words were signed: \"polling\", and the journal says \"out of sync\"";
    assert_eq!(told, format!("{before}{other}"));
    // Later steps go by the result.
    let told = of("polling", "out of sync", 1);
    assert!(told.contains("the journal says \"{\\\"answer\\\":\\\"out of sync\\\"}\""), "{told}");
    let told = of("polling", "polling", 2);
    let other = "it is for attempt 2 of cause, and stands at attempt 1 of cause";
    assert_eq!(told, format!("{before}{other}"));
    let mut unasked = Story::new();
    unasked.events.remove(4);
    let told = unasked.broken();
    assert!(told.ends_with("and stands at cause, which asked nobody"), "{told}");
}

#[test]
fn more_than_is_kept_is_told_and_not_passed_over() {
    let mut people = People::default();
    let story = Story::new();
    let long = "x".repeat(9 << 20);
    for number in 0..9 {
        people.take(number, began(), &approved("Storage", "mara", long.clone()));
    }
    let judged = story.judge(&people);
    let last = judged.last().expect("something is told");
    assert_eq!(last.event, 7);
    assert!(last.sentence().contains("have at most"), "{}", last.sentence());
}
