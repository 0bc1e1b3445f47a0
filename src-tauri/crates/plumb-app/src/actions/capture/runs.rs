//! Runs in evidence: journal, plan and what was signed of each; of runbooks also the transcript, and the files that
//! their steps kept.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write as _},
};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_evidence::{
    Capture, CaptureError, RunPart,
    journal::next_line,
    live::Kept,
    manifest::{kept_log, kept_of, run_folder, states_of},
    name::{EntryName, safe_part},
};
use plumb_exec::StepsState;
use plumb_fleet::RunId;
use plumb_journal::{Entry, Event, Head, Judged, StateMark, StepEvent, certificate::JournalRef};
use plumb_redact::Form;
use plumb_runbook::Plan;
use serde::de::IgnoredAny;

use super::{
    CaptureRequest, Scope,
    gather::{take, take_approvals},
    not_captured,
    raw::RawFile,
};
use crate::{
    app::App,
    error::{AppError, Code, chain},
    queries::events::Followed,
    runbooks::{kept_files, transcript},
    views::plan::NodeSelection,
};

/// Most runs of a window that are taken, the newest first.
const RUNS_MAX: usize = 50;
/// Where the journal stands in the folder of the capture until it is looked through.
const COPY: &str = "journal";
/// Where the transcript stands there until it is redacted.
const SAID: &str = "transcript";
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
                self.run_evidence(capture, run, (request.map.is_some(), &mut *raw)).await?;
                continue;
            }
            let kept = (request.map.is_some(), &mut *raw);
            let led_to = self.runbook_evidence(capture, run, kept).await?;
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
        let plan = self.plan_of_run(run).await?;
        let mut ran = Followed::empty(run);
        self.up_to(run, events, |entry| ran.take(&entry)).await?;
        let journal = self.journal_evidence(capture, run, ran.head).await?;
        let bytes = plan.canonical_bytes();
        capture.bound("plan", Form::Json, &of_run(run, "plan.json"), &bytes).map_err(wrong)?;
        self.consent_evidence(capture, (run, ran.state.started_at), &plan).await?;
        self.certificate_evidence(capture, run).await?;
        self.kept_evidence(capture, run, (with_map, raw))?;
        let view = self.run(&run.to_string()).await?;
        take(capture, "run", &of_run(run, "run.json"), &view).map_err(wrong)?;
        let outcome = outcome(&ran);
        capture.run(RunPart { journal, outcome, plan: plan.hash(), run }).map_err(wrong)
    }

    /// A run of a runbook: its documents with the values, what every step did, and the files that steps kept. Tells
    /// the runs of nodes that it led to.
    async fn runbook_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        (with_map, raw): (bool, &mut Option<RawFile>),
    ) -> Result<Vec<RunId>, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let events = self.export_journal(&run.to_string(), &folder.join(COPY)).await?.events;
        let (plan, of) = self.runbook_plan(run).await?;
        for reference in plan.secret_references() {
            capture.passes_over(&reference);
        }
        let mut steps = StepsState::default();
        self.up_to(run, events, |entry| steps.apply(&entry.body.event, entry.body.at)).await?;
        let signatures = self.signatures(run, &plan, &steps).await?;
        let said = folder.join(SAID);
        let of_file = (of.title.as_str(), said.as_path());
        let (ran, led_to) = self.transcribed((run, events), of_file, &signatures).await?;
        let journal = self.journal_evidence(capture, run, ran.head).await?;
        let bytes = plan.canonical_bytes();
        let name = of_run(run, "runbook.json");
        capture.bound("runbook", Form::Json, &name, &bytes).map_err(wrong)?;
        let mut view = self.runbook_run(&run.to_string()).await?;
        // Where files lie on this machine concerns nobody else.
        view.artifacts.clear();
        take(capture, "runbook run", &of_run(run, "runbook-run.json"), &view).map_err(wrong)?;
        take_file(capture, "transcript", &said, &of_run(run, "transcript.txt")).map_err(wrong)?;
        std::fs::remove_file(&said).map_err(|error| unwritten(&said, &error))?;
        let artifacts = of.artifacts.clone();
        let mut names = BTreeSet::new();
        for kept in kept_files(Utf8Path::new(&artifacts)) {
            let name = entry_name(&kept.name);
            match kept.path {
                // Names that differ only in capitals are one where the archive is unpacked.
                Ok(path) if names.insert(name.to_ascii_lowercase()) => {
                    let name = of_run(run, &format!("files/{name}"));
                    take_file(capture, "runbook files", &path, &name).map_err(wrong)?;
                }
                Ok(_) => capture.lacks(&kept.name, "another file has its name").map_err(wrong)?,
                Err(why) => capture.lacks(&kept.name, &why).map_err(wrong)?,
            }
        }
        self.kept_evidence(capture, run, (with_map, raw))?;
        let part = RunPart { journal, outcome: outcome(&ran), plan: plan.hash(), run };
        capture.run(part).map_err(wrong)?;
        Ok(led_to)
    }

    /// Hands over as many events as were copied: a run that goes on has more by now.
    async fn up_to(
        &self,
        run: RunId,
        events: u64,
        mut take: impl FnMut(Entry) + Send,
    ) -> Result<(), AppError> {
        let mut left = events;
        self.each_event(run, |entry| {
            if let Some(fewer) = left.checked_sub(1) {
                left = fewer;
                take(entry);
            }
        })
        .await
    }

    /// Writes what every step did into a file, and tells what the run came to, and the runs of nodes that it led to.
    async fn transcribed(
        &self,
        (run, events): (RunId, u64),
        (title, path): (&str, &Utf8Path),
        signatures: &[Judged],
    ) -> Result<(Followed, Vec<RunId>), AppError> {
        let wrong = |error: io::Error| unwritten(path, &error);
        let mut file = BufWriter::new(File::create_new(path).map_err(wrong)?);
        let mut written = write!(file, "{title}\n\n");
        let (mut ran, mut led) = (Followed::empty(run), Vec::new());
        self.up_to(run, events, |entry| {
            if written.is_ok()
                && let Some(line) = transcript::line(&entry, signatures)
            {
                written = file.write_all(line.as_bytes());
            }
            led.extend(led_to(&entry));
            ran.take(&entry);
        })
        .await?;
        written.and_then(|()| file.flush()).map_err(wrong)?;
        Ok((ran, led))
    }

    /// The journal as it was hashed, and what the run amounted to after each event as it was written down then.
    async fn journal_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        stands: Head,
    ) -> Result<Option<JournalRef>, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let file = folder.join(COPY);
        let name = of_run(run, "journal.jsonl");
        let is_in = capture.bound_lines("journal", &name, || File::open(&file)).map_err(wrong)?;
        std::fs::remove_file(&file).map_err(|error| unwritten(&file, &error))?;
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
        if marks.len() as u64 == stands.seq {
            capture.take_lines("states", &states_of(run), marks).map_err(wrong)?;
        } else {
            let why = format!(
                "{} of its {} events were written by a version that did not write them down",
                stands.seq.saturating_sub(marks.len() as u64),
                stands.seq
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
            return capture.lacks(&kept_of(run), why).map_err(wrong);
        }
        for (part, folder) in parts {
            let log = kept_log(run, part);
            match Kept::open(&folder) {
                Ok(kept) => {
                    capture.adopt(&kept, &log, with_map).map_err(wrong)?;
                    if let Some(raw) = raw {
                        let copied =
                            kept.raw_lines(|line| raw.line(line).map_err(io::Error::other));
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

fn outcome(ran: &Followed) -> Option<String> {
    ran.state.outcome.map(|outcome| outcome.name().to_owned())
}

/// The run of nodes that a step of a runbook came to.
fn led_to(entry: &Entry) -> Option<RunId> {
    match &entry.body.event {
        Event::Step { happened: StepEvent::Finished { result, .. }, .. } => {
            result["run"].as_str()?.parse().ok()
        }
        _ => None,
    }
}

fn unwritten(path: &Utf8Path, error: &io::Error) -> AppError {
    AppError::new(Code::Other, format!("{path}: {error}"), "look at the folder's rights and disk")
}

/// Takes a file of any length without its secrets, holding a piece of it.
fn take_file(
    capture: &mut Capture,
    source: &str,
    path: &Utf8Path,
    name: &str,
) -> Result<(), CaptureError> {
    let open = || File::open(path).map(BufReader::new);
    let read = open().and_then(|file| Ok((form(name, file)?, open()?)));
    match read {
        Ok((form, file)) => capture.take_stream(source, form, name, file).map(drop),
        Err(error) => capture.lacks(name, &error.to_string()),
    }
}

/// A file of a step as an entry is named; what does not fit is replaced part by part.
fn entry_name(name: &str) -> String {
    if EntryName::new(name).is_ok() {
        return name.to_owned();
    }
    safe_part(name)
}

/// How a file is redacted: JSON by its members where it is some, everything else as text.
fn form(name: &str, mut file: impl BufRead) -> io::Result<Form> {
    match Utf8Path::new(name).extension() {
        Some("json") => match serde_json::from_reader::<_, IgnoredAny>(file) {
            Ok(_) => Ok(Form::Json),
            Err(error) if error.is_io() => Err(error.into()),
            Err(_) => Ok(Form::Text),
        },
        Some("jsonl") => {
            let mut line = Vec::new();
            while next_line(&mut file, &mut line)? {
                if !line.is_empty() && serde_json::from_slice::<IgnoredAny>(&line).is_err() {
                    return Ok(Form::Text);
                }
            }
            Ok(Form::JsonLines)
        }
        _ => Ok(Form::Text),
    }
}
