//! From an archive to the files that queries read.

use jiff::Timestamp;
use plumb_evidence::{
    Archive, FileSource,
    manifest::{ROSTER, run_folder},
    rosters::{self, Former, approval_by},
};
use plumb_fleet::{FleetId, assess};
use plumb_journal::{Certificate, Event};
use plumb_runbook::Plan;
use plumb_store::{
    SqliteConnection, SweepMeta, approvals::KeptApproval, certificates::KeptCertificate,
    heads::KeyRow, rosters::KeptRoster, sweeps::Sweep,
};
use plumb_trust::{
    approval::{VerifiedApproval, signed_by_a_person},
    dsse::{Envelope, PublicKey, Statement},
    roster::Roster,
};

use super::{
    read::{CapturedRun, Contents},
    readiness,
    reading::{Reading, unread},
    refused,
    requests::CapturedRequest,
};
use crate::{app::App, error::AppError};

impl App {
    /// Plans, runs, journals and what was signed.
    pub(super) async fn fill_record(
        &self,
        archive: &Archive<FileSource>,
        contents: &Contents,
    ) -> Result<(), AppError> {
        let fleet = &contents.snapshot.fleet;
        let mut record = self.record().write().await?;
        let keys = keys(&mut record, contents).await?;
        let former = rosters::former(archive);
        for one in &former {
            let kept = kept_roster(&one.roster, &one.envelope, one.line.from);
            plumb_store::rosters::add(&mut record, fleet, &kept).await?;
        }
        let accepted_at = former.last().map(|last| last.line.until);
        let roster = roster(&mut record, contents, accepted_at).await?;
        for entry in &contents.catalogue {
            plumb_store::catalogue::upsert(&mut record, fleet, entry).await?;
        }
        for wish in &contents.desired {
            let (node, desired) = (wish.node.as_ref(), wish.desired.as_ref());
            plumb_store::desired::set(&mut record, fleet, node, desired, wish.at).await?;
        }
        for run in &contents.runs {
            self::run(&mut record, fleet, run).await?;
            dry_run(&mut record, archive, run).await?;
            certificate(&mut record, archive, fleet, run, &keys).await?;
            if let Some(roster) = &roster {
                let made_at = contents.evidence.made_at;
                approvals(&mut record, (archive, &former), fleet, run, (roster, made_at)).await?;
            }
        }
        let runs = contents.runs.iter().filter(|run| !run.bodies.is_empty());
        let runs = runs.map(|run| run.part.run).collect();
        readiness::fill(&mut record, fleet, &contents.readiness).await?;
        refused::fill(&mut record, fleet, &contents.refused, &runs).await?;
        let ruled = roster.as_ref().map(|roster| (roster, contents.evidence.made_at));
        for asked in contents.requests.values() {
            request(&mut record, fleet, asked, ruled).await?;
        }
        record.commit().await?;
        Ok(())
    }

    /// What nodes run, ran and loaded.
    pub(super) async fn fill_cache(&self, contents: &Contents) -> Result<(), AppError> {
        let fleet = &contents.snapshot.fleet;
        let (_, loaded) = self.loaded(fleet.as_str())?;
        let desired = self.read_desired(&loaded.fleet).await?;
        let assessment = assess(&contents.snapshot, &desired, contents.captured_at);
        let at = contents.snapshot.taken_at;
        let mut sweeps = contents.sweeps.iter().map(|sweep| sweep.meta);
        let newest = sweeps.rfind(|sweep| sweep.finished_at <= at);
        let sweep = newest.unwrap_or(SweepMeta { started_at: at, finished_at: at });
        let mut cache = self.cache().write().await?;
        for content in &contents.policies {
            plumb_store::contents::insert(&mut cache, content, at).await?;
        }
        // The log of the archive, and not a second one that begins with the capture.
        plumb_store::history::add_reloads(&mut cache, fleet, &contents.reloads).await?;
        plumb_store::snapshots::insert(&mut cache, &contents.snapshot, &assessment, None, sweep)
            .await?;
        // That of the snapshot is there with it, and none may be newer.
        let before = |sweep: &&Sweep| sweep.taken_at.as_millisecond() < at.as_millisecond();
        let past: Vec<Sweep> = contents.sweeps.iter().filter(before).cloned().collect();
        plumb_store::sweeps::add_past(&mut cache, fleet, &past).await?;
        plumb_store::history::replace_changes(&mut cache, fleet, &contents.changes).await?;
        cache.commit().await?;
        Ok(())
    }
}

/// A plan that waits, its request, and who answered it.
async fn request(
    record: &mut SqliteConnection,
    fleet: &FleetId,
    asked: &CapturedRequest,
    ruled: Option<(&Roster, Timestamp)>,
) -> Result<(), AppError> {
    let (plan, at) = (asked.request.hash(), asked.request.requested_at);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let document = text(&asked.request.plan.canonical_bytes());
    plumb_store::plans::insert(record, plan, fleet, at, &document).await?;
    plumb_store::approvals::add_request(record, plan, at, &text(&asked.bytes)).await?;
    if let Some(found) = &asked.dry_run {
        plumb_store::dry_runs::add(record, plan, found).await?;
    }
    let Some((roster, made_at)) = ruled else { return Ok(()) };
    for (_, envelope) in &asked.answers {
        // One that does not count any more is no reason to show nothing; the request itself is judged when it is shown.
        if let Ok(approval) = signed_by_a_person(envelope, roster, made_at) {
            let kept = kept(&approval, fleet, envelope.clone());
            plumb_store::approvals::add(record, &kept).await?;
        }
    }
    Ok(())
}

fn kept(approval: &VerifiedApproval, fleet: &FleetId, envelope: Vec<u8>) -> KeptApproval {
    KeptApproval {
        payload: approval.payload(),
        plan: approval.document().plan(),
        fleet: fleet.clone(),
        person: approval.person().to_string(),
        act: approval.act().name().to_owned(),
        envelope,
        added_at: approval.document().issued_at,
    }
}

async fn keys(
    record: &mut SqliteConnection,
    contents: &Contents,
) -> Result<Vec<PublicKey>, AppError> {
    let mut keys = Vec::new();
    for (name, pem) in &contents.keys {
        let key = PublicKey::from_pem(pem).map_err(|error| unread(name.as_str(), &error))?;
        let first_used_at = contents.evidence.about.window.from;
        let row = KeyRow { fingerprint: key.id().0, pem: pem.clone(), first_used_at };
        plumb_store::heads::keep_key(record, &row).await?;
        keys.push(key);
    }
    Ok(keys)
}

async fn roster(
    record: &mut SqliteConnection,
    contents: &Contents,
    accepted_at: Option<Timestamp>,
) -> Result<Option<Roster>, AppError> {
    let Some(envelope) = &contents.roster else { return Ok(None) };
    let (document, _) = Roster::look(envelope).map_err(|error| unread(ROSTER, &error))?;
    // Whether its root keys are to be trusted is told by verification.
    let roots: Vec<PublicKey> = document.roots.keys.into_iter().map(|root| root.key).collect();
    let roster = Roster::enrol(envelope, &roots).map_err(|error| unread(ROSTER, &error))?;
    let accepted_at = accepted_at.unwrap_or(contents.evidence.about.window.from);
    let kept = kept_roster(&roster, envelope, accepted_at);
    plumb_store::rosters::add(record, &contents.snapshot.fleet, &kept).await?;
    Ok(Some(roster))
}

fn kept_roster(roster: &Roster, envelope: &[u8], accepted_at: Timestamp) -> KeptRoster {
    KeptRoster {
        version: roster.reference().version,
        digest: roster.reference().digest,
        envelope: envelope.to_vec(),
        pin: serde_json::to_string(&roster.pin()).expect("a pin always serialises"),
        accepted_at,
    }
}

async fn run(
    record: &mut SqliteConnection,
    fleet: &FleetId,
    run: &CapturedRun,
) -> Result<(), AppError> {
    let (Some(first), Some(last)) = (run.bodies.first(), run.bodies.last()) else { return Ok(()) };
    let operator = match &first.event {
        Event::RunStarted { operator, .. } => operator.as_str(),
        _ => "",
    };
    let (id, plan) = (run.part.run, run.part.plan);
    plumb_store::plans::insert(record, plan, fleet, first.at, &run.plan).await?;
    plumb_store::runs::insert(record, id, plan, fleet, operator, first.at).await?;
    if let Some(of) = &run.of {
        plumb_store::runbooks::insert(record, id, of).await?;
    }
    plumb_store::journal::append(record, id, &run.rows).await?;
    for head in &run.heads {
        plumb_store::heads::add(record, id, head).await?;
    }
    if let (Event::RunEnded { .. }, Some(outcome)) = (&last.event, &run.part.outcome) {
        plumb_store::runs::finish(record, id, last.at, outcome).await?;
    }
    Ok(())
}

/// What was found when the plan of a run was tried.
async fn dry_run(
    record: &mut SqliteConnection,
    archive: &Archive<FileSource>,
    run: &CapturedRun,
) -> Result<(), AppError> {
    let Some(first) = run.bodies.first() else { return Ok(()) };
    let folder = run_folder(run.part.run);
    if let Some(found) = readiness::dry_run(&mut Reading::of(archive), &folder, first.at)? {
        plumb_store::dry_runs::add(record, run.part.plan, &found).await?;
    }
    Ok(())
}

async fn certificate(
    record: &mut SqliteConnection,
    archive: &Archive<FileSource>,
    fleet: &FleetId,
    run: &CapturedRun,
    keys: &[PublicKey],
) -> Result<(), AppError> {
    let name = format!("{}/certificate.dsse.json", run_folder(run.part.run));
    if run.bodies.is_empty() || archive.find(&name).is_none() {
        return Ok(());
    }
    let text = Reading::of(archive).bytes(&name)?;
    let envelope = Envelope::read(&text).map_err(|error| unread(&name, &error))?;
    let verified = envelope.verify(keys).map_err(|error| unread(&name, &error))?;
    let statement: Statement<Certificate> =
        verified.statement().map_err(|error| unread(&name, &error))?;
    let kept = KeptCertificate {
        run: run.part.run,
        fleet: fleet.clone(),
        observed_at: statement.predicate.observed_at,
        green: statement.predicate.is_green(),
        statement: String::from_utf8_lossy(&statement.canonical_bytes()).into_owned(),
        envelope: Some(String::from_utf8_lossy(&text).into_owned()),
    };
    plumb_store::certificates::add(record, &kept).await?;
    Ok(())
}

async fn approvals(
    record: &mut SqliteConnection,
    (archive, former): (&Archive<FileSource>, &[Former]),
    fleet: &FleetId,
    run: &CapturedRun,
    (roster, made_at): (&Roster, Timestamp),
) -> Result<(), AppError> {
    let folder = format!("{}/approvals/", run_folder(run.part.run));
    let plan = serde_json::from_str::<Plan>(&run.plan).ok();
    let terms = plan.and_then(|plan| plan.consent).map(|terms| terms.roster);
    let mut reading = Reading::of(archive);
    let entries = archive.entries().iter().map(|entry| entry.name.as_str());
    for name in entries.filter(|name| name.starts_with(&folder)) {
        let envelope = reading.bytes(name)?;
        let (approval, _) = approval_by(&envelope, (roster, made_at), (former, terms))
            .map_err(|refusal| unread(name, &refusal))?;
        plumb_store::approvals::add(record, &kept(&approval, fleet, envelope)).await?;
    }
    Ok(())
}
