//! Runs in evidence: journal, plan and what was signed of each; of runbooks also the transcript, and the files that
//! their steps kept.

use std::collections::BTreeSet;

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_evidence::{
    Capture, CaptureError, RunPart,
    live::Kept,
    manifest::{run_folder, states_of},
    name::{EntryName, safe_part},
};
use plumb_exec::fold_steps;
use plumb_fleet::RunId;
use plumb_journal::{Entry, Event, StateMark, StepEvent, certificate::JournalRef, fold};
use plumb_redact::Form;
use plumb_runbook::Plan;

use super::{
    CaptureRequest, Scope,
    gather::{take, take_approvals},
    not_captured,
    raw::RawFile,
};
use crate::{
    app::App,
    error::{AppError, Code, chain},
    runbooks::{kept_files, transcript},
    views::plan::NodeSelection,
};

/// Most runs of a window that are taken, the newest first.
const RUNS_MAX: usize = 50;
/// Where the journal stands in the folder of the capture until it is looked through.
const COPY: &str = "journal";
/// Runs that are looked through for those of a window.
const RUNS_LOOKED_MAX: usize = 10_000;

impl App {
    /// Takes the run that was named with those that it led to, or those of the window.
    pub(super) async fn runs_evidence(
        &self,
        (capture, raw): (&mut Capture, &mut Option<RawFile>),
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<Vec<RunId>, AppError> {
        let mut runs = match scope.run {
            Some(run) => vec![run],
            None => self.runs_of_window(capture, request, scope).await?,
        };
        let mut known: BTreeSet<RunId> = runs.iter().copied().collect();
        let mut at = 0;
        while let Some(run) = runs.get(at).copied() {
            at += 1;
            if !self.is_of_runbook(run).await? {
                self.run_evidence(capture, run, (request.map.is_some(), raw)).await?;
                continue;
            }
            let led_to = self.runbook_evidence(capture, run).await?;
            runs.extend(led_to.into_iter().filter(|run| known.insert(*run)));
        }
        Ok(runs)
    }

    async fn runs_of_window(
        &self,
        capture: &mut Capture,
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<Vec<RunId>, AppError> {
        let window = scope.window;
        let all = {
            let mut conn = self.record().read().await?;
            plumb_store::runs::list(&mut conn, &scope.current.fleet.name, RUNS_LOOKED_MAX).await?
        };
        let mut runs = Vec::new();
        for run in all {
            let ended_before = run.end.as_ref().is_some_and(|end| end.at < window.from);
            if run.started_at > window.to || ended_before {
                continue;
            }
            // Whoever asks about some nodes is not told of runs that touched others.
            if !matches!(request.nodes, NodeSelection::All)
                && !self.is_of_runbook(run.id).await?
                && let Some(nodes) = &scope.nodes
            {
                let plan = self.kept_plan(run.id, run.plan).await?;
                if !plan.targets().any(|target| nodes.contains(&target.node)) {
                    continue;
                }
            }
            runs.push(run.id);
        }
        if let Some(more) = runs.len().checked_sub(RUNS_MAX).filter(|more| *more > 0) {
            let why = format!("the newest {RUNS_MAX} are taken; name a run to have it");
            let lacks = capture.lacks(&format!("{more} older runs of the window"), &why);
            lacks.map_err(|error| not_captured(capture.draft().folder(), &error))?;
            runs.truncate(RUNS_MAX);
        }
        Ok(runs)
    }

    pub(super) async fn is_of_runbook(&self, run: RunId) -> Result<bool, AppError> {
        let mut conn = self.record().read().await?;
        Ok(plumb_store::runbooks::get(&mut conn, run).await?.is_some())
    }

    /// Journal, plan, approvals, request and certificate of a run, as they were signed and hashed.
    async fn run_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        (with_map, raw): (bool, &mut Option<RawFile>),
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let events = self.export_journal(&run.to_string(), &folder.join(COPY)).await?.events;
        let (plan, mut entries) = self.run_record(run).await?;
        up_to(&mut entries, events);
        let journal = self.journal_evidence(capture, run, &entries).await?;
        let bytes = plan.canonical_bytes();
        capture.bound("plan", Form::Json, &of_run(run, "plan.json"), &bytes).map_err(wrong)?;
        let ran = fold(&entries);
        self.consent_evidence(capture, (run, ran.started_at), &plan).await?;
        self.certificate_evidence(capture, run).await?;
        self.kept_evidence(capture, run, (with_map, raw))?;
        let view = self.run(&run.to_string()).await?;
        take(capture, "run", &of_run(run, "run.json"), &view).map_err(wrong)?;
        let outcome = outcome(&entries);
        capture.run(RunPart { journal, outcome, plan: plan.hash(), run }).map_err(wrong)
    }

    /// A run of a runbook: its documents with the values, what every step did, and the files that steps kept. Tells
    /// the runs of nodes that it led to.
    async fn runbook_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
    ) -> Result<Vec<RunId>, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let events = self.export_journal(&run.to_string(), &folder.join(COPY)).await?.events;
        let (plan, of, mut entries) = self.runbook_record(run).await?;
        for reference in plan.secret_references() {
            capture.passes_over(&reference);
        }
        up_to(&mut entries, events);
        let journal = self.journal_evidence(capture, run, &entries).await?;
        let bytes = plan.canonical_bytes();
        let name = of_run(run, "runbook.json");
        capture.bound("runbook", Form::Json, &name, &bytes).map_err(wrong)?;
        let mut view = self.runbook_run(&run.to_string()).await?;
        // Where files lie on this machine concerns nobody else.
        view.artifacts.clear();
        take(capture, "runbook run", &of_run(run, "runbook-run.json"), &view).map_err(wrong)?;
        let signatures = self.signatures(run, &plan, &fold_steps(&entries)).await?;
        let said = transcript(&of.title, &entries, &signatures);
        let name = of_run(run, "transcript.txt");
        capture.take("transcript", Form::Text, &name, said.as_bytes()).map_err(wrong)?;
        let artifacts = of.artifacts.clone();
        let mut names = BTreeSet::new();
        for kept in kept_files(Utf8Path::new(&artifacts)) {
            let name = entry_name(&kept.name);
            match kept.bytes {
                // Names that differ only in capitals are one where the archive is unpacked.
                Ok(bytes) if names.insert(name.to_ascii_lowercase()) => {
                    let (form, name) = (form(&name, &bytes), of_run(run, &format!("files/{name}")));
                    capture.take("runbook files", form, &name, &bytes).map_err(wrong)?;
                }
                Ok(_) => capture.lacks(&kept.name, "another file has its name").map_err(wrong)?,
                Err(why) => capture.lacks(&kept.name, &why).map_err(wrong)?,
            }
        }
        let part = RunPart { journal, outcome: outcome(&entries), plan: plan.hash(), run };
        capture.run(part).map_err(wrong)?;
        Ok(led_to(&entries))
    }

    /// The journal as it was hashed, and what the run amounted to after each event as it was written down then.
    async fn journal_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        entries: &[Entry],
    ) -> Result<Option<JournalRef>, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let file = folder.join(COPY);
        let stands = plumb_journal::head(run, entries);
        let name = of_run(run, "journal.jsonl");
        let is_in = capture.bound_lines("journal", &name, &file).map_err(wrong)?;
        std::fs::remove_file(&file).map_err(|error| {
            AppError::new(Code::Other, format!("{file}: {error}"), "look at the folder's rights")
        })?;
        if !is_in {
            return Ok(None);
        }
        let marks = {
            let mut conn = self.record().read().await?;
            plumb_store::states::list(&mut conn, run).await?
        };
        // What goes on meanwhile is not in the journal that was taken.
        let marks = marks.into_iter().take_while(|mark| mark.seq < stands.seq);
        let marks = marks.map(|row| StateMark {
            seq: row.seq,
            event: row.event,
            state: row.state,
            projection: row.projection,
        });
        let marks: Vec<Vec<u8>> = marks
            .map(|mark| serde_json::to_vec(&mark).expect("digests always serialise"))
            .collect();
        if marks.len() == entries.len() {
            capture.take_lines("states", &states_of(run), marks).map_err(wrong)?;
        } else {
            let why = format!(
                "{} of its {} events were written by a version that did not write them down",
                entries.len() - marks.len(),
                entries.len()
            );
            capture.lacks(&format!("states of run {run}"), &why).map_err(wrong)?;
        }
        Ok(Some(JournalRef { events: stands.seq, head: stands.hash }))
    }

    /// What nodes answered to the run, as it was kept while the run went on.
    fn kept_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        (with_map, raw): (bool, &mut Option<RawFile>),
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let parts = self.kept_answers(run);
        if parts.is_empty() {
            let why = "nothing was kept while it went on; an older version carried it out, or it is too long ago";
            let what = format!("answers of nodes to run {run}");
            return capture.lacks(&what, why).map_err(wrong);
        }
        for (part, folder) in parts {
            let log = of_run(run, &format!("kept-{part:02}.jsonl"));
            match Kept::open(&folder) {
                Ok(kept) => {
                    capture.adopt(&kept, &log, with_map).map_err(wrong)?;
                    if let Some(raw) = raw {
                        let copied =
                            kept.raw_lines(|line| raw.line(line).map_err(std::io::Error::other));
                        if let Err(error) = copied {
                            let what = format!("raw answers to run {run}");
                            capture.lacks(&what, &chain(&error)).map_err(wrong)?;
                        }
                    }
                }
                Err(error) => capture.lacks(&log, &chain(&error)).map_err(wrong)?,
            }
        }
        Ok(())
    }

    /// What people signed about a plan, and what that binds.
    async fn consent_evidence(
        &self,
        capture: &mut Capture,
        (run, started_at): (RunId, Option<Timestamp>),
        plan: &Plan,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let (approvals, asked, dry_run) = {
            let mut conn = self.record().read().await?;
            // The one by which the run was let go; what was found later was of another fleet.
            let until = started_at.unwrap_or_else(|| self.now());
            let dry_run = plumb_store::dry_runs::newest(&mut conn, plan.hash(), until).await?;
            let approvals = plumb_store::approvals::of_plan(&mut conn, plan.hash()).await?;
            let asked = plumb_store::approvals::request(&mut conn, plan.hash()).await?;
            (approvals, asked, dry_run)
        };
        take_approvals(capture, &run_folder(run), &approvals).map_err(wrong)?;
        // What nodes answered, and which requests were found to be answered differently: approvals bind both.
        if let Some(found) = dry_run {
            let (name, bytes) = (of_run(run, "dry-run.json"), found.document.as_bytes());
            capture.bound("dry run", Form::Json, &name, bytes).map_err(wrong)?;
        }
        if let Some(asked) = asked {
            let (name, bytes) = (of_run(run, "request.json"), asked.as_bytes());
            capture.bound("request", Form::Json, &name, bytes).map_err(wrong)?;
        }
        Ok(())
    }

    async fn certificate_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let certificate = {
            let mut conn = self.record().read().await?;
            plumb_store::certificates::newest(&mut conn, run).await?
        };
        let what = "convergence certificate";
        match certificate.map(|kept| kept.envelope) {
            Some(Some(envelope)) => {
                let (name, bytes) = (of_run(run, "certificate.dsse.json"), envelope.as_bytes());
                capture.bound("certificate", Form::Json, &name, bytes).map(drop).map_err(wrong)
            }
            Some(None) => {
                capture.lacks(what, "the console had no key to sign it with").map_err(wrong)
            }
            None => {
                let why = format!("none was made: plumb certificate {run}");
                capture.lacks(what, &why).map_err(wrong)
            }
        }
    }
}

fn of_run(run: RunId, name: &str) -> String {
    format!("{}/{name}", run_folder(run))
}

/// The events that were copied: a run that goes on has more by now.
fn up_to(entries: &mut Vec<Entry>, events: u64) {
    entries.truncate(usize::try_from(events).unwrap_or(usize::MAX));
}

fn outcome(entries: &[Entry]) -> Option<String> {
    fold(entries).outcome.map(|outcome| outcome.name().to_owned())
}

/// Runs of nodes that steps of a runbook came to.
fn led_to(entries: &[Entry]) -> Vec<RunId> {
    let results = entries.iter().filter_map(|entry| match &entry.body.event {
        Event::Step { happened: StepEvent::Finished { result, .. }, .. } => Some(result),
        _ => None,
    });
    results.filter_map(|result| result["run"].as_str()?.parse().ok()).collect()
}

/// A file of a step as an entry is named; what does not fit is replaced part by part.
fn entry_name(name: &str) -> String {
    if EntryName::new(name).is_ok() {
        return name.to_owned();
    }
    safe_part(name)
}

/// How bytes are redacted: JSON by its members where it is some, everything else as text.
fn form(name: &str, bytes: &[u8]) -> Form {
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    let path = Utf8Path::new(name);
    match path.extension() {
        Some("json") if is_json(bytes) => Form::Json,
        Some("jsonl")
            if bytes.split(|byte| *byte == b'\n').all(|line| line.is_empty() || is_json(line)) =>
        {
            Form::JsonLines
        }
        _ => Form::Text,
    }
}
