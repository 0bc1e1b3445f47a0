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
use plumb_runbook::{Plan, document::RunbookPlan};
use plumb_store::runbooks::OfRunbook;
use serde::de::IgnoredAny;

use super::{
    CaptureRequest, Scope,
    gather::{gap, or_gap, take, take_approvals},
    not_captured,
    raw::RawFile,
    readiness::take_dry_run,
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
            let kept = (request.map.is_some(), &mut *raw);
            let done = match self.is_of_runbook(run).await {
                Ok(true) => self.runbook_evidence(capture, run, kept).await,
                Ok(false) => self.run_evidence(capture, run, kept).await.map(|()| Vec::new()),
                Err(error) => Err(error),
            };
            match done {
                Ok(led_to) => runs.extend(led_to.into_iter().filter(|run| known.insert(*run))),
                Err(error) => gap(capture, &format!("run {run}"), &error)?,
            }
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
                match self.kept_plan(run.id, run.plan).await {
                    Ok(plan) if plan.targets().any(|target| nodes.contains(&target.node)) => {}
                    Ok(_) => continue,
                    Err(error) => {
                        gap(capture, &format!("run {}", run.id), &error)?;
                        continue;
                    }
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

    /// Journal, plan, approvals, request and certificate of a run, as they were signed and hashed. What cannot be read
    /// is left out, and the rest of the run is taken.
    async fn run_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
        (with_map, raw): (bool, &mut Option<RawFile>),
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let row = self.kept_run(run).await?;
        let ran = self.followed_evidence(capture, run).await?;
        let (journal, outcome, started_at) = match &ran {
            Some((journal, ran)) => (*journal, outcome(ran), ran.state.started_at),
            None => (None, row.end.map(|end| end.outcome), None),
        };
        let started_at = started_at.unwrap_or(row.started_at);
        match self.kept_plan(run, row.plan).await {
            Ok(plan) => {
                let (name, bytes) = (of_run(run, "plan.json"), plan.canonical_bytes());
                capture.bound("plan", Form::Json, &name, &bytes).map_err(wrong)?;
                let done = self.consent_evidence(capture, (run, started_at), &plan).await;
                or_gap(capture, &format!("some of the consent to run {run}"), done)?;
            }
            Err(error) => gap(capture, &of_run(run, "plan.json"), &error)?,
        }
        let done = self.certificate_evidence(capture, run).await;
        or_gap(capture, &of_run(run, "certificate.dsse.json"), done)?;
        let done = self.kept_evidence(capture, run, (with_map, raw));
        or_gap(capture, &format!("some answers of nodes to run {run}"), done)?;
        match self.run(&run.to_string()).await {
            Ok(view) => take(capture, "run", &of_run(run, "run.json"), &view).map(drop),
            Err(error) => capture.lacks(&of_run(run, "run.json"), &error.message),
        }
        .map_err(wrong)?;
        capture.run(RunPart { journal, outcome, plan: row.plan, run }).map_err(wrong)
    }

    /// The journal of a run of nodes, and what it comes to; nothing where it does not read, which is listed.
    async fn followed_evidence(
        &self,
        capture: &mut Capture,
        run: RunId,
    ) -> Result<Option<(Option<JournalRef>, Followed)>, AppError> {
        let Some(events) = self.copied(capture, run).await? else { return Ok(None) };
        let mut ran = Followed::empty(run);
        let read = self.up_to(run, events, |entry| ran.take(&entry)).await;
        if let Err(error) = read {
            uncopied(capture, run, &error)?;
            return Ok(None);
        }
        let journal = self.journal_evidence(capture, run, ran.head).await?;
        Ok(Some((journal, ran)))
    }

    /// Copies the journal of a run beside the evidence, and tells its events; nothing where it does not read.
    async fn copied(&self, capture: &mut Capture, run: RunId) -> Result<Option<u64>, AppError> {
        let copy = capture.draft().folder().join(COPY);
        match self.export_journal(&run.to_string(), &copy).await {
            Ok(written) => Ok(Some(written.events)),
            Err(error) => {
                uncopied(capture, run, &error)?;
                Ok(None)
            }
        }
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
        let (plan, of) = self.runbook_plan(run).await?;
        for reference in plan.secret_references() {
            capture.passes_over(&reference);
        }
        let told = match self.copied(capture, run).await? {
            Some(events) => match self.steps_evidence((run, events), &plan, &of, &folder).await {
                Ok(told) => Some(told),
                Err(error) => self.untranscribed(capture, (run, events), &error).await?,
            },
            None => None,
        };
        let (journal, outcome, led_to) = match told {
            Some((ran, led_to)) => {
                let journal = self.journal_evidence(capture, run, ran.head).await?;
                let (said, name) = (folder.join(SAID), of_run(run, "transcript.txt"));
                if said.is_file() {
                    take_file(capture, "transcript", &said, &name).map_err(wrong)?;
                    std::fs::remove_file(&said).map_err(|error| unwritten(&said, &error))?;
                }
                (journal, outcome(&ran), led_to)
            }
            None => (None, self.kept_run(run).await?.end.map(|end| end.outcome), Vec::new()),
        };
        let (name, bytes) = (of_run(run, "runbook.json"), plan.canonical_bytes());
        capture.bound("runbook", Form::Json, &name, &bytes).map_err(wrong)?;
        let name = of_run(run, "runbook-run.json");
        match self.runbook_run(&run.to_string()).await {
            Ok(mut view) => {
                // Where files lie on this machine concerns nobody else.
                view.artifacts.clear();
                take(capture, "runbook run", &name, &view).map_err(wrong)?;
            }
            Err(error) => gap(capture, &name, &error)?,
        }
        file_evidence(capture, run, &of.artifacts).map_err(wrong)?;
        let done = self.kept_evidence(capture, run, (with_map, raw));
        or_gap(capture, &format!("some answers of nodes to run {run}"), done)?;
        let part = RunPart { journal, outcome, plan: plan.hash(), run };
        capture.run(part).map_err(wrong)?;
        Ok(led_to)
    }

    /// Writes down what every step did, from a journal that was copied.
    async fn steps_evidence(
        &self,
        (run, events): (RunId, u64),
        plan: &RunbookPlan,
        of: &OfRunbook,
        folder: &Utf8Path,
    ) -> Result<(Followed, Vec<RunId>), AppError> {
        let mut steps = StepsState::default();
        self.up_to(run, events, |entry| steps.apply(&entry.body.event, entry.body.at)).await?;
        let signatures = self.signatures(run, plan, &steps).await?;
        let said = folder.join(SAID);
        self.transcribed((run, events), (of.title.as_str(), said.as_path()), &signatures).await
    }

    /// What a run came to of which no transcript could be made: its journal is taken all the same. Nothing where that does
    /// not read either.
    async fn untranscribed(
        &self,
        capture: &mut Capture,
        (run, events): (RunId, u64),
        error: &AppError,
    ) -> Result<Option<(Followed, Vec<RunId>)>, AppError> {
        let said = capture.draft().folder().join(SAID);
        if said.is_file() {
            std::fs::remove_file(&said).map_err(|error| unwritten(&said, &error))?;
        }
        gap(capture, &of_run(run, "transcript.txt"), error)?;
        let (mut ran, mut led) = (Followed::empty(run), Vec::new());
        let read = self.up_to(run, events, |entry| {
            led.extend(led_to(&entry));
            ran.take(&entry);
        });
        match read.await {
            Ok(()) => Ok(Some((ran, led))),
            Err(error) => {
                uncopied(capture, run, &error)?;
                Ok(None)
            }
        }
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
            plumb_store::states::list(&mut conn, run).await
        };
        let marks = match marks {
            Ok(marks) => marks,
            Err(error) => {
                gap(capture, &format!("states of run {run}"), &error.into())?;
                Vec::new()
            }
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
        (run, started_at): (RunId, Timestamp),
        plan: &Plan,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let (approvals, asked, dry_run) = {
            let mut conn = self.record().read().await?;
            // The one by which the run was let go; what was found later was of another fleet.
            let dry_run = plumb_store::dry_runs::newest(&mut conn, plan.hash(), started_at).await?;
            let approvals = plumb_store::approvals::of_plan(&mut conn, plan.hash()).await?;
            let asked = plumb_store::approvals::request(&mut conn, plan.hash()).await?;
            (approvals, asked, dry_run)
        };
        take_approvals(capture, &run_folder(run), &approvals).map_err(wrong)?;
        // What nodes answered, and which requests were found to be answered differently: approvals bind both.
        if let Some(found) = dry_run {
            take_dry_run(capture, &run_folder(run), &found).map_err(wrong)?;
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

/// Takes the copy of a journal away that does not read, and says why it is not in the evidence.
fn uncopied(capture: &mut Capture, run: RunId, error: &AppError) -> Result<(), AppError> {
    for name in [COPY, SAID] {
        let path = capture.draft().folder().join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unwritten(&path, &error));
            }
            _ => {}
        }
    }
    gap(capture, &of_run(run, "journal.jsonl"), error)
}

/// Files that steps of a runbook kept, each as it lies there.
fn file_evidence(capture: &mut Capture, run: RunId, folder: &str) -> Result<(), CaptureError> {
    let mut names = BTreeSet::new();
    for kept in kept_files(Utf8Path::new(folder)) {
        let name = entry_name(&kept.name);
        match kept.path {
            // Names that differ only in capitals are one where the archive is unpacked.
            Ok(path) if names.insert(name.to_ascii_lowercase()) => {
                let name = of_run(run, &format!("files/{name}"));
                take_file(capture, "runbook files", &path, &name)?;
            }
            Ok(_) => capture.lacks(&kept.name, "another file has its name")?,
            Err(why) => capture.lacks(&kept.name, &why)?,
        }
    }
    Ok(())
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
