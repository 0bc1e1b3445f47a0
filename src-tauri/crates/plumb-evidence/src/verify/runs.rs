//! Runs in an archive: journal, plan, approvals and certificate belong together.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::BufReader,
};

use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_journal::{
    Certificate, ChainVerdict, Entry, Judged, OfRun, People, certificate::JournalRef,
};
use plumb_runbook::{Plan, document::RunbookPlan};
use plumb_trust::{
    dsse::{Envelope, PublicKey},
    roster::Roster,
};

use super::{
    CheckName, Finding, KnownRoster, Outcome, Trust,
    journal::{Kept, follow},
    kept::{Listed, Wrong, kept},
    signature::Signed,
    states::states,
};
use crate::{
    archive::{self, Archive, Source},
    journal::{JournalReader, NoJournal},
    limits::{APPROVALS_MAX, PIECE_BYTES},
    manifest::{Evidence, RunPart, run_folder},
    rosters::{self, Former, approval_by, ruling},
};

const OF_RUNS: [CheckName; 5] = [
    CheckName::Journal,
    CheckName::States,
    CheckName::Kept,
    CheckName::Plan,
    CheckName::Certificate,
];

/// What a check of one run found: a sentence, or what is wrong and where.
type Told = Result<Option<String>, Wrong>;

pub(super) fn check<S: Source>(
    archive: &Archive<S>,
    signed: &Signed,
    roster: Option<&KnownRoster>,
    trust: &Trust,
) -> [Finding; 5] {
    let Some(evidence) = signed.evidence() else {
        let why = "not looked at, because nothing says which runs belong here";
        return OF_RUNS.map(|check| Finding::new(check, Outcome::Open, why));
    };
    let keys = keys(archive, signed, trust);
    let former = rosters::former(archive);
    let roster_of = roster.map(|known| &known.roster);
    let reader = Reader { archive, evidence, roster: roster_of, former, keys };
    let over = |check: CheckName, look: &dyn Fn(&RunPart) -> Told| {
        let mut said = Vec::new();
        for run in &evidence.runs {
            match look(run) {
                Ok(detail) => said.extend(detail),
                Err((why, entry)) => return Finding::failed(check, why, Some(&entry)),
            }
        }
        if said.is_empty() {
            return Finding::new(check, Outcome::Absent, "the evidence has none");
        }
        Finding::passed(check, said.join("; "))
    };
    let mut plan = over(CheckName::Plan, &|run| reader.plan(run));
    // Whoever makes a roster up makes up who approved.
    if plan.outcome == Outcome::Passed && roster.is_some_and(|known| !known.trusted) {
        plan.outcome = Outcome::Open;
        plan.detail
            .push_str(", by a roster whose root keys nobody here knows; give them to make sure");
    }
    let open = Cell::new(false);
    let mut standing = over(CheckName::States, &|run| states(archive, run, &open));
    if standing.outcome == Outcome::Passed && open.get() {
        standing.outcome = Outcome::Open;
    }
    let listed = Listed::of(&evidence.missing);
    // Compared while the journal is followed, so that what it binds is not held of all runs.
    let as_kept: RefCell<BTreeMap<RunId, Told>> = RefCell::default();
    let journal = over(CheckName::Journal, &|run| {
        let (detail, bound) = reader.journal(run)?;
        as_kept.borrow_mut().insert(run.run, kept(archive, run, &bound, &listed));
        Ok(detail)
    });
    let kept = over(CheckName::Kept, &|run| {
        let told = as_kept.borrow_mut().remove(&run.run);
        // Of a journal that does not hold, what is here can still be compared with its log.
        told.unwrap_or_else(|| kept(archive, run, &[], &listed))
    });
    [journal, standing, kept, plan, over(CheckName::Certificate, &|run| reader.certificate(run))]
}

/// Keys that heads and certificates may be signed with: those that the signer of the evidence vouches
/// for by putting them in, and those that are trusted here.
fn keys<S: Source>(archive: &Archive<S>, signed: &Signed, trust: &Trust) -> Vec<PublicKey> {
    let inside = archive.entries().iter().filter(|entry| entry.name.folder() == "keys");
    let read = |entry: &archive::Entry| {
        let pem = String::from_utf8(archive.document(entry).ok()?).ok()?;
        PublicKey::from_pem(&pem).ok()
    };
    let mut keys: Vec<PublicKey> = inside.filter_map(read).collect();
    keys.extend(signed.key.clone());
    keys.extend(trust.keys.iter().cloned());
    keys.sort();
    keys.dedup();
    keys
}

struct Reader<'a, S> {
    archive: &'a Archive<S>,
    evidence: &'a Evidence,
    roster: Option<&'a Roster>,
    /// Those before it.
    former: Vec<Former>,
    keys: Vec<PublicKey>,
}

impl<S: Source> Reader<'_, S> {
    /// Also tells which events bind what was kept.
    fn journal(&self, run: &RunPart) -> Result<(Option<String>, Kept), Wrong> {
        let name = format!("{}/journal.jsonl", run_folder(run.run));
        let Some(told) = run.journal else {
            return match self.archive.find(&name) {
                Some(_) => Err((format!("{name} is there, and the manifest leaves it out"), name)),
                None => Ok((None, Vec::new())),
            };
        };
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let Some(entry) = self.archive.find(&name) else {
            return Err(wrong("is missing".to_owned()));
        };
        let file = BufReader::with_capacity(PIECE_BYTES, self.archive.read(entry));
        let followed = follow(file, &self.keys).map_err(|error| match error {
            NoJournal::Read(error) => wrong(error.to_string()),
            other => wrong(other.to_string()),
        })?;
        let header = &followed.header;
        if let ChainVerdict::Broken { at, why } = &followed.found.verdict {
            return Err(wrong(format!("event {} {why}", at + 1)));
        }
        if header.run != run.run || header.plan != run.plan || !followed.starts_as_told {
            return Err(wrong("it is the journal of another run or plan".to_owned()));
        }
        if header.fleet != self.evidence.about.fleet {
            return Err(wrong("it is the journal of another fleet".to_owned()));
        }
        let found = JournalRef { events: followed.events, head: followed.found.head };
        if found != told {
            let (is, was) = (found.events, told.events);
            return Err(wrong(format!(
                "it ends with event {is} and another head than the manifest tells of event {was}"
            )));
        }
        if run.outcome.is_some() != followed.has_ended {
            return Err(wrong("the manifest tells another end of the run".to_owned()));
        }
        let signed = match followed.found.signed {
            Some(signed) if signed.events == followed.events => "signed to its end".to_owned(),
            Some(signed) => format!("signed up to event {}", signed.events),
            None => "not signed by a key in the evidence".to_owned(),
        };
        let detail = format!("run {}: {} events hold, {signed}", run.run, followed.events);
        Ok((Some(detail), followed.kept))
    }

    fn plan(&self, run: &RunPart) -> Told {
        let folder = run_folder(run.run);
        let name = format!("{folder}/plan.json");
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let Some(entry) = self.archive.find(&name) else {
            // Of a runbook; or left out with a reason, or never there.
            return self.runbook(run);
        };
        let bytes = self.archive.document(entry).map_err(|error| wrong(error.to_string()))?;
        let plan: Plan = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("it is no plan that this program knows: {error}")))?;
        let hash = PlanHash(Digest::of(&bytes));
        if plan.canonical_bytes() != bytes || plan.hash() != hash {
            return Err(wrong("it is not written as plans are hashed".to_owned()));
        }
        if hash != run.plan {
            return Err(wrong(format!(
                "its hash is {}, and the run was of the plan {}",
                hash.short(),
                run.plan.short()
            )));
        }
        let terms = plan.consent.as_ref().map(|terms| terms.roster);
        let people = self.approvals(&format!("{folder}/approvals/"), run, terms)?;
        let consent = match people.as_slice() {
            [] => "no approvals in the evidence".to_owned(),
            people => format!("bound by {}", people.join(", ")),
        };
        Ok(Some(format!("plan {} of run {}: {consent}", hash.short(), run.run)))
    }

    /// The documents and values that a run of a runbook was made from, and who signed something in it.
    fn runbook(&self, run: &RunPart) -> Told {
        let name = format!("{}/runbook.json", run_folder(run.run));
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let people = self.people(run)?.join(", ");
        let Some(entry) = self.archive.find(&name) else {
            return Ok((!people.is_empty()).then(|| format!("run {}: {people}", run.run)));
        };
        let bytes = self.archive.document(entry).map_err(|error| wrong(error.to_string()))?;
        let plan: RunbookPlan = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("it is no runbook that this program knows: {error}")))?;
        if plan.canonical_bytes() != bytes {
            return Err(wrong("it is not written as runbooks are hashed".to_owned()));
        }
        let hash = plan.hash();
        if hash != run.plan {
            let (is, was) = (hash.short(), run.plan.short());
            return Err(wrong(format!("its hash is {is}, and the run was of the runbook {was}")));
        }
        let runbook = format!("runbook {} of run {}: {}", plan.runbook, run.run, hash.short());
        Ok(Some(if people.is_empty() { runbook } else { format!("{runbook}, {people}") }))
    }

    /// What people signed in the journal of a run, each verified as the program did that took it.
    fn people(&self, run: &RunPart) -> Result<Vec<String>, (String, String)> {
        let name = format!("{}/journal.jsonl", run_folder(run.run));
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let Some(entry) = self.archive.find(&name) else { return Ok(Vec::new()) };
        let file = BufReader::with_capacity(PIECE_BYTES, self.archive.read(entry));
        let mut journal = JournalReader::new(file).map_err(|error| wrong(error.to_string()))?;
        let mut people = People::default();
        while let Some(Entry { body, .. }) =
            journal.event().map_err(|error| wrong(error.to_string()))?
        {
            people.take(body.seq, body.at, &body.event);
        }
        let of = OfRun { fleet: &self.evidence.about.fleet, run: run.run, plan: run.plan };
        let ruled = |at| ruling(&self.former, at).map(|one| &one.roster).or(self.roster);
        let judged = people.judge(of, ruled);
        let told = |one: Judged| match one.fault() {
            None => Ok(format!("{} {}", one.what, one.sentence())),
            Some(refusal) => Err(wrong(format!(
                "event {} tells of {}, and its signature does not count: {refusal}",
                one.event + 1,
                one.what
            ))),
        };
        judged.into_iter().map(told).collect()
    }

    /// Who signed something about the plan of a run.
    fn approvals(
        &self,
        folder: &str,
        run: &RunPart,
        terms: Option<Digest>,
    ) -> Result<Vec<String>, (String, String)> {
        let entries = self.archive.entries().iter();
        let entries: Vec<&archive::Entry> =
            entries.filter(|entry| entry.name.as_str().starts_with(folder)).collect();
        if let Some(beyond) = entries.get(APPROVALS_MAX) {
            let name = beyond.name.to_string();
            return Err((format!("{name}: more than {APPROVALS_MAX} approvals of one run"), name));
        }
        let mut people = Vec::new();
        for entry in entries {
            let name = entry.name.to_string();
            let wrong = |why: String| (format!("{name}: {why}"), name.clone());
            let envelope =
                self.archive.document(entry).map_err(|error| wrong(error.to_string()))?;
            let Some(roster) = self.roster else {
                return Err(wrong("there is no roster that says whose signature it is".to_owned()));
            };
            let newest = (roster, self.evidence.made_at);
            let (approval, by) = approval_by(&envelope, newest, (&self.former, terms))
                .map_err(|refusal| wrong(refusal.to_string()))?;
            let document = approval.document();
            if document.plan() != run.plan {
                return Err(wrong(format!(
                    "it is about the plan {}, not about {} of this run",
                    document.plan().short(),
                    run.plan.short()
                )));
            }
            let by = by.map(|version| format!(", by roster {version}")).unwrap_or_default();
            people.push(format!("{} ({}{by})", approval.person(), approval.act().name()));
        }
        Ok(people)
    }

    fn certificate(&self, run: &RunPart) -> Told {
        let name = format!("{}/certificate.dsse.json", run_folder(run.run));
        let Some(entry) = self.archive.find(&name) else { return Ok(None) };
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let bytes = self.archive.document(entry).map_err(|error| wrong(error.to_string()))?;
        let envelope = Envelope::read(&bytes).map_err(|error| wrong(error.to_string()))?;
        let verified = envelope
            .verify(&self.keys)
            .map_err(|_| wrong("no key in the evidence or known here signed it".to_owned()))?;
        let statement = verified.statement().map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::of(statement)
            .ok_or_else(|| wrong("its subjects are not those of what it says".to_owned()))?;
        if (certificate.run, certificate.plan) != (run.run, run.plan) {
            return Err(wrong("it is the certificate of another run".to_owned()));
        }
        if run.journal.is_some_and(|journal| {
            journal.events == certificate.journal.events && journal.head != certificate.journal.head
        }) {
            return Err(wrong("it was made of another journal".to_owned()));
        }
        let (targets, late) = (certificate.targets.len(), certificate.stragglers().count());
        Ok(Some(format!(
            "run {}: {} of {targets} targets stood as planned",
            run.run,
            targets - late
        )))
    }
}
