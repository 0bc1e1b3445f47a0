//! What people signed in a run of a runbook, and whether it is what its journal says: who started it, who consented,
//! and who answered.
//!
//! A name in a journal is what its program wrote. A signature counts when its envelope says exactly what the events
//! around it say, under a key that the roster gave to that person when it was journalled.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_runbook::document::StepEffect;
use plumb_trust::{
    approval::{ApprovalRefusal, Said, said_before_by_a_person, said_by_a_person},
    dsse::{KeyId, Statement, Subject},
    roster::{PersonId, Roster},
};
use serde_json::json;

use crate::{
    event::Event, runbook_answer::RunbookAnswer, runbook_consent::RunbookConsent,
    runbook_start::RunbookStart, step_event::StepEvent,
};

/// How far the moment that a start names may be from the one at which the journal says that the run began.
pub const SIGNED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Most that is kept of what people signed in one run, in bytes: a thousand answers take 3 MB.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordRefusal {
    #[error("{0}")]
    Signature(ApprovalRefusal),
    #[error("it is for another run: {signed}, and this one is {run}")]
    OtherRun { signed: RunId, run: RunId },
    #[error("it is for another plan: {signed}, and this run is of {plan}")]
    OtherPlan { signed: String, plan: String },
    #[error("it is for another fleet: {signed}, and this run is of {fleet}")]
    OtherFleet { signed: FleetId, fleet: FleetId },
    #[error("it is for {signed}, and stands at {stands}")]
    OtherStep { signed: String, stands: String },
    #[error("other words were signed: {signed:?}, and the journal says {told:?}")]
    OtherWords { signed: String, told: String },
    #[error("{signed} signed it, and the journal says that it was {told}")]
    OtherName { signed: PersonId, told: String },
    #[error("it was signed at {signed_at}, and the run began at another time")]
    OtherTime { signed_at: Timestamp },
    #[error("{person} is not in {group}")]
    NotOfGroup { person: PersonId, group: String },
    #[error("{person} runs it, and whoever runs it does not approve it")]
    Runner { person: PersonId },
    #[error(
        "nobody signed the start of this run, so nobody can tell whether one person runs and approves it"
    )]
    NoStart,
    #[error("no roster that is trusted here says whose key it is")]
    NoRoster,
    #[error("the signatures of one run have at most {KEPT_BYTES_MAX} bytes")]
    TooMany,
}

/// The run that something was signed for.
#[derive(Debug, Clone, Copy)]
pub struct OfRun<'a> {
    pub fleet: &'a FleetId,
    pub run: RunId,
    pub plan: PlanHash,
}

impl OfRun<'_> {
    /// Who signed the start of this run, and what. A key that has ended since was good when it signed.
    pub fn start(
        self,
        envelope: &[u8],
        roster: &Roster,
        now: Timestamp,
    ) -> Result<Said<RunbookStart>, WordRefusal> {
        let said = said_before_by_a_person(envelope, roster, now, |start: &RunbookStart| start.at)
            .map_err(WordRefusal::Signature)?;
        let start = &said.statement.predicate;
        self.is_meant(&start.fleet, start.run, &said.statement)?;
        if start.by != said.person {
            let (signed, named) = (said.person, start.by.clone());
            return Err(WordRefusal::Signature(ApprovalRefusal::OtherPerson { signed, named }));
        }
        Ok(said)
    }

    /// Who consented to a step of this run, and for which group.
    pub fn consent(
        self,
        envelope: &[u8],
        roster: &Roster,
        now: Timestamp,
    ) -> Result<Said<RunbookConsent>, WordRefusal> {
        let said: Said<RunbookConsent> =
            said_by_a_person(envelope, roster, now).map_err(WordRefusal::Signature)?;
        let consent = &said.statement.predicate;
        self.is_meant(&consent.fleet, consent.run, &said.statement)?;
        is_of(roster, &said.person, &consent.group)?;
        Ok(said)
    }

    /// Who answered at a step of this run, and what.
    pub fn answer(
        self,
        envelope: &[u8],
        roster: &Roster,
        now: Timestamp,
    ) -> Result<Said<RunbookAnswer>, WordRefusal> {
        let said: Said<RunbookAnswer> =
            said_by_a_person(envelope, roster, now).map_err(WordRefusal::Signature)?;
        let answer = &said.statement.predicate;
        self.is_meant(&answer.fleet, answer.run, &said.statement)?;
        is_of(roster, &said.person, &answer.group)?;
        Ok(said)
    }

    fn is_meant<P>(
        self,
        fleet: &FleetId,
        run: RunId,
        statement: &Statement<P>,
    ) -> Result<(), WordRefusal> {
        if run != self.run {
            return Err(WordRefusal::OtherRun { signed: run, run: self.run });
        }
        if fleet != self.fleet {
            let (signed, fleet) = (fleet.clone(), self.fleet.clone());
            return Err(WordRefusal::OtherFleet { signed, fleet });
        }
        if statement.subject != [Subject::new("plan", self.plan.0)] {
            let named = |subject: &Subject| subject.digest.sha256.short();
            let signed: Vec<String> = statement.subject.iter().map(named).collect();
            let (signed, plan) = (signed.join(" and "), self.plan.short());
            return Err(WordRefusal::OtherPlan { signed, plan });
        }
        Ok(())
    }
}

/// Whether groups hold one that a runbook names: by that name, or by the one that a roster writes it with,
/// in small letters with hyphens (`Platform Security` is `platform-security`).
pub fn belongs(groups: &BTreeSet<String>, group: &str) -> bool {
    groups.contains(group) || groups.contains(&group.to_lowercase().replace(' ', "-"))
}

/// The groups that a roster says a person is in; none for somebody whom it does not name.
pub fn groups_in(roster: &Roster, person: &PersonId) -> BTreeSet<String> {
    let person = roster.person(person);
    person.map(|person| person.groups.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn is_of(roster: &Roster, person: &PersonId, group: &str) -> Result<(), WordRefusal> {
    if belongs(&groups_in(roster, person), group) {
        return Ok(());
    }
    Err(WordRefusal::NotOfGroup { person: person.clone(), group: group.to_owned() })
}

/// What people signed in a run, as far as its journal was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    asked: BTreeMap<String, Asked>,
    words: Vec<Word>,
    bytes: usize,
    /// The event at which there was more than is kept.
    beyond: Option<u64>,
}

/// What a step asks people, as its newest attempt put it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    attempt: u32,
    text: String,
    group: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    event: u64,
    at: Timestamp,
    what: Saying,
    by: String,
    envelope: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Saying {
    Start,
    Consent { step: String, group: String },
    Answer { step: String, said: String, asked: Option<Asked> },
}

impl Saying {
    fn step(&self) -> Option<&str> {
        match self {
            Self::Start => None,
            Self::Consent { step, .. } | Self::Answer { step, .. } => Some(step),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Start => "the start of the run".to_owned(),
            Self::Consent { step, group } => format!("the consent of {group} at {step}"),
            Self::Answer { step, .. } => format!("the answer at {step}"),
        }
    }
}

/// A signature in a journal, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The number of its event, from zero.
    pub event: u64,
    /// What was signed, for a sentence.
    pub what: String,
    /// The step it belongs to; nothing for the start of the run.
    pub step: Option<String>,
    pub signer: Result<Signer, WordRefusal>,
}

/// Somebody of a roster, and the key that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    pub person: PersonId,
    pub key: KeyId,
}

impl Judged {
    /// `signed by NAME (fingerprint)` where that is so, else why not.
    pub fn sentence(&self) -> String {
        match &self.signer {
            Ok(Signer { person, key }) => format!("signed by {person} ({})", key.short()),
            Err(refusal) => format!("not verified: {refusal}"),
        }
    }

    /// Why what was signed is not what the journal says. That nobody can tell here whose key it is, is no fault of it; nor is
    /// that nobody signed the start, which runs did not always ask for.
    pub const fn fault(&self) -> Option<&WordRefusal> {
        match &self.signer {
            Ok(_) | Err(WordRefusal::NoRoster | WordRefusal::NoStart) => None,
            Err(refusal) => Some(refusal),
        }
    }
}

/// Whether an event tells of something that people signed, or of what they were asked.
pub(crate) const fn concerns(event: &Event) -> bool {
    match event {
        Event::RunbookSigned { .. } => true,
        Event::Step { happened, .. } => matches!(
            happened,
            StepEvent::Started { .. }
                | StepEvent::Approved { envelope: Some(_), .. }
                | StepEvent::Finished { envelope: Some(_), .. }
        ),
        _ => false,
    }
}

impl People {
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.beyond.is_none()
    }

    /// Takes in the event of this number, which counts from zero.
    pub fn take(&mut self, number: u64, at: Timestamp, event: &Event) {
        if !concerns(event) || self.beyond.is_some() {
            return;
        }
        let (step, happened) = match event {
            Event::RunbookSigned { by, envelope } => {
                return self.add(number, at, Saying::Start, (by, envelope));
            }
            Event::Step { step, happened } => (step.clone(), happened),
            _ => return,
        };
        match happened {
            StepEvent::Started { attempt, effect } => self.asks(number, step, *attempt, effect),
            StepEvent::Approved { group, by, envelope: Some(envelope) } => {
                let what = Saying::Consent { step, group: group.clone() };
                self.add(number, at, what, (by, envelope));
            }
            StepEvent::Finished { detail, result, by, envelope: Some(envelope), .. } => {
                let asked = self.asked.get(&step).cloned();
                let by = by.clone().unwrap_or_default();
                // Later steps go by the result, people by the detail: the signature is over both.
                let same =
                    [json!({ "answer": detail }), json!({ "note": detail })].contains(result);
                let said = if same { detail.clone() } else { result.to_string() };
                let what = Saying::Answer { step, said, asked };
                self.add(number, at, what, (&by, envelope));
            }
            _ => {}
        }
    }

    fn asks(&mut self, number: u64, step: String, attempt: u32, effect: &StepEffect) {
        // What was asked before is over, also where the step asks nobody now.
        self.asked.remove(&step);
        let (StepEffect::Ask { ask: text, who, .. } | StepEffect::Attest { what: text, who, .. }) =
            effect
        else {
            return;
        };
        // Where nobody in particular is asked, nobody signs.
        let Some(group) = who.clone() else { return };
        if self.has_room(number, step.len() + text.len() + group.len()) {
            let text = text.clone();
            self.asked.insert(step, Asked { attempt, text, group });
        }
    }

    fn add(&mut self, event: u64, at: Timestamp, what: Saying, (by, envelope): (&str, &str)) {
        let words = match &what {
            Saying::Answer { step, said, asked } => {
                let asked = asked.as_ref().map_or(0, |asked| asked.text.len() + asked.group.len());
                step.len() + said.len() + asked
            }
            Saying::Consent { step, group } => step.len() + group.len(),
            Saying::Start => 0,
        };
        if self.has_room(event, by.len() + envelope.len() + words) {
            let (by, envelope) = (by.to_owned(), envelope.to_owned());
            self.words.push(Word { event, at, what, by, envelope });
        }
    }

    /// Counts what is about to be kept, and what stands around it.
    fn has_room(&mut self, event: u64, bytes: usize) -> bool {
        self.bytes += bytes + size_of::<Word>();
        if self.bytes > KEPT_BYTES_MAX {
            self.beyond = Some(event);
        }
        self.beyond.is_none()
    }

    /// Whose signatures these are, in order. `ruling` gives the roster that ruled at a moment.
    pub fn judge<'r>(
        &self,
        of: OfRun<'_>,
        ruling: impl Fn(Timestamp) -> Option<&'r Roster>,
    ) -> Vec<Judged> {
        let mut judged = Vec::new();
        let mut runner: Option<Result<PersonId, WordRefusal>> = None;
        for word in &self.words {
            let signer = match ruling(word.at) {
                Some(roster) => word.signer(of, roster, runner.as_ref()),
                None => Err(WordRefusal::NoRoster),
            };
            if word.what == Saying::Start && runner.is_none() {
                runner = Some(signer.clone().map(|signer| signer.person));
            }
            let (what, step) = (word.what.title(), word.what.step().map(str::to_owned));
            judged.push(Judged { event: word.event, what, step, signer });
        }
        if let Some(event) = self.beyond {
            let what = "what people signed from here on".to_owned();
            let signer = Err(WordRefusal::TooMany);
            judged.push(Judged { event, what, step: None, signer });
        }
        judged
    }
}

impl Word {
    fn signer(
        &self,
        of: OfRun<'_>,
        roster: &Roster,
        runner: Option<&Result<PersonId, WordRefusal>>,
    ) -> Result<Signer, WordRefusal> {
        let envelope = self.envelope.as_bytes();
        let (person, key) = match &self.what {
            Saying::Start => {
                let said = of.start(envelope, roster, self.at)?;
                let signed_at = said.statement.predicate.at;
                if self.at.duration_since(signed_at).abs() > SIGNED_WITHIN {
                    return Err(WordRefusal::OtherTime { signed_at });
                }
                (said.person, said.key)
            }
            Saying::Consent { step, group } => {
                let said = of.consent(envelope, roster, self.at)?;
                let signed = &said.statement.predicate;
                stands_at((&signed.group, &signed.step), (group, step))?;
                match runner {
                    None => return Err(WordRefusal::NoStart),
                    Some(Ok(runner)) if *runner == said.person => {
                        return Err(WordRefusal::Runner { person: said.person });
                    }
                    // A start that does not count is told for itself.
                    Some(_) => {}
                }
                (said.person, said.key)
            }
            Saying::Answer { step, said: told, asked } => {
                let said = of.answer(envelope, roster, self.at)?;
                answers(&said.statement.predicate, step, told, asked.as_ref())?;
                (said.person, said.key)
            }
        };
        if person.as_str() != self.by {
            return Err(WordRefusal::OtherName { signed: person, told: self.by.clone() });
        }
        Ok(Signer { person, key })
    }
}

fn stands_at(signed: (&str, &str), told: (&str, &str)) -> Result<(), WordRefusal> {
    if signed == told {
        return Ok(());
    }
    let named = |(group, step): (&str, &str)| format!("{group} at {step}");
    Err(WordRefusal::OtherStep { signed: named(signed), stands: named(told) })
}

/// Whether what was signed answers what the step asked, as it asked it, in the words of the journal.
fn answers(
    signed: &RunbookAnswer,
    step: &str,
    told: &str,
    asked: Option<&Asked>,
) -> Result<(), WordRefusal> {
    let attempt = |step: &str, attempt: u32| format!("attempt {attempt} of {step}");
    let Some(asked) = asked else {
        let signed = attempt(&signed.step, signed.attempt);
        return Err(WordRefusal::OtherStep {
            signed,
            stands: format!("{step}, which asked nobody"),
        });
    };
    stands_at((&signed.group, &signed.step), (&asked.group, step))?;
    if signed.attempt != asked.attempt {
        let (signed, stands) = (attempt(step, signed.attempt), attempt(step, asked.attempt));
        return Err(WordRefusal::OtherStep { signed, stands });
    }
    for (signed, told) in [(&signed.asked, asked.text.as_str()), (&signed.said, told)] {
        if signed != told {
            return Err(WordRefusal::OtherWords { signed: shown(signed), told: shown(told) });
        }
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}
