//! `runbook`: the library, and runs that lead a person from symptom to verified end.

mod answers;
mod check;
mod drive;
mod occasion;
mod record;
mod request;
mod sign;
mod unfreeze;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use plumb_app::{
    App,
    runbooks::{RunbookRequest, Shelf},
    views::runbook::{
        RehearsalView, RunbookListed, RunbookOrigin, RunbookRunView, RunbookView, RunbookWord,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    answers::Answers,
    check::Check,
    drive::{Asker, drive, transcript},
    occasion::Occasion,
    record::Record,
    request::Request,
    sign::Sign,
    unfreeze::Unfreeze,
};
pub(crate) use self::{check::RunbookCheckDocument, occasion::RunbookOffersDocument};
use crate::{
    args::{ENVELOPE_BYTES_MAX, KeyArgs},
    commands::fleet::read_text,
    confirm,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Runbook {
    /// The runbooks there are, or runs of them
    List(List),
    /// A runbook with its steps, or how a run of one stands
    Show(Show),
    /// Check files: every error with its line and column
    Check(Check),
    /// Run a runbook, step by step
    Run(Run),
    /// Try a runbook against a simulated copy of the fleet, with a fault at every step in turn
    Rehearse(Rehearse),
    /// Go on with a run that was left, with a decision where it waits for one
    Resume(Resume),
    /// Make a runbook of what was done: with parameters, dry runs and ways back
    Record(Record),
    /// Write the request for the approval that a run waits for, to be signed on other machines
    Request(Request),
    /// Sign a runbook with your key, into the file beside it that ends in .sig.json
    Sign(Sign),
    /// Lift the freeze that a run left behind, with a reason that stands in its journal
    Unfreeze(Unfreeze),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The newest runs of runbooks in the fleet
    #[arg(long, conflicts_with = "occasion")]
    runs: bool,
    #[command(flatten)]
    occasion: Occasion,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A runbook of the library, a path to one, or the id of a run
    #[arg(value_name = "RUNBOOK OR RUN")]
    what: String,
}

/// How people are asked.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Take answers from this file (TOML) instead of asking
    #[arg(long, value_name = "FILE")]
    answers: Option<Utf8PathBuf>,
    /// Who answers in this terminal; the operator of this machine otherwise
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// A group whoever answers belongs to, where no signed roster says so; may be repeated
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Consent that somebody signed on another machine with `plumb approve`; may be repeated
    #[arg(long, value_name = "FILE")]
    approval: Vec<String>,
    /// Ask nobody: leave the run open where it waits for a person
    #[arg(long)]
    no_input: bool,
    /// The key that proves who you are, where a signed roster rules the fleet: it signs the start of a run, approvals
    /// of people other than whoever runs it, and answers where the runbook says who may give them
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A runbook of the library, or a path to one
    #[arg(value_name = "RUNBOOK")]
    runbook: String,
    /// A parameter; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A host that its requests may go to; may be repeated
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Folder in which its commands run
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: Utf8PathBuf,
    /// Folder below which its evidence is left
    #[arg(long, value_name = "DIR")]
    artifacts: Option<Utf8PathBuf>,
    /// The phrase that lets a runbook run that nobody vouches for
    #[arg(long, value_name = "PHRASE")]
    accept: Option<String>,
    /// Do not wait until the freeze was announced long enough; say why
    #[arg(long, value_name = "REASON")]
    pass_freeze: Option<String>,
    #[command(flatten)]
    occasion: Occasion,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// A runbook of the library, or a path to one
    #[arg(value_name = "RUNBOOK")]
    runbook: String,
    /// A parameter; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A host that its requests may go to; may be repeated
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
}

/// What becomes of the step at which a run stands still.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Decision {
    /// Do the step once more; only where it reads
    #[arg(long)]
    again: bool,
    /// Leave the step out, where the runbook allows it; say why
    #[arg(long, value_name = "REASON")]
    skip: Option<String>,
    /// A step in doubt did happen; say how you know
    #[arg(long, value_name = "NOTE")]
    happened: Option<String>,
    /// A step in doubt did not happen; say how you know
    #[arg(long, value_name = "NOTE")]
    not_happened: Option<String>,
    /// Take back what was changed; say why
    #[arg(long, value_name = "REASON")]
    roll_back: Option<String>,
    /// Do not wait until the freeze was announced long enough; say why
    #[arg(long, value_name = "REASON")]
    pass_freeze: Option<String>,
    /// Go on after a pause
    #[arg(long)]
    go_on: bool,
    /// End the run where it stands
    #[arg(long)]
    abort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run, by its id
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    decision: Decision,
    #[command(flatten)]
    asked: Asked,
}

/// The runbooks there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunbooksDocument {
    pub(crate) runbooks: Vec<RunbookListed>,
}

/// Runs of runbooks, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunbookRunsDocument {
    pub(crate) runs: Vec<RunbookRunView>,
}

impl Runbook {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::List(list) => list.run(session).await,
            Self::Show(show) => show.run(session).await,
            Self::Check(check) => check.run(session).await,
            Self::Run(run) => run.run(session).await,
            Self::Rehearse(rehearse) => rehearse.run(session).await,
            Self::Resume(resume) => resume.run(session).await,
            Self::Record(record) => record.run(session).await,
            Self::Request(request) => request.run(session).await,
            Self::Sign(sign) => sign.run(session).await,
            Self::Unfreeze(unfreeze) => unfreeze.run(session).await,
        }
    }
}

impl List {
    async fn run(&self, session: Session<'_>) -> Outcome {
        if self.occasion.is_named() {
            return self.occasion.list(session).await;
        }
        if self.runs {
            return session
                .with_fleet(async |app, fleet| {
                    let document = RunbookRunsDocument { runs: app.runbook_runs(fleet).await? };
                    session.out.show(&document, |out| {
                        for run in &document.runs {
                            let state = state_word(run);
                            out.say(format!("{}  {state:<12}{}", run.id, printable(&run.title)));
                        }
                    });
                    Ok(Exit::Fine)
                })
                .await;
        }
        session
            .with_app(async |app| {
                let document = RunbooksDocument { runbooks: app.runbooks().await?.listed() };
                session.out.show(&document, |out| {
                    document.runbooks.iter().for_each(|runbook| line(out, runbook));
                });
                Ok(Exit::Fine)
            })
            .await
    }
}

fn line(out: &Output, runbook: &RunbookListed) {
    let what = match &runbook.problem {
        Some(problem) => out.style.bad(&printable(problem)),
        None => printable(&runbook.title),
    };
    let own = if runbook.origin == RunbookOrigin::Own { "  (own)" } else { "" };
    out.say(format!("{:<36}{:<10}{what}{own}", printable(&runbook.file), runbook.severity));
}

/// The shelf a runbook is taken from, and its file on it.
async fn shelf(app: &App, named: &str) -> Result<(Shelf, String), Failure> {
    let path = Utf8Path::new(named);
    if named.contains(std::path::MAIN_SEPARATOR) || path.is_file() {
        return Ok(app.runbooks_beside(path).await?);
    }
    let has_ending = path.extension() == Some("md");
    let file = if has_ending { named.to_owned() } else { format!("{named}.md") };
    Ok((app.runbooks().await?, file))
}

impl Show {
    async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                // An id of a run has 36 characters and is no name of a file.
                if self.what.len() == 36 && !self.what.contains('.') {
                    let view = app.runbook_run(&self.what).await?;
                    session.out.show(&view, |out| run_shown(out, &view));
                    return Ok(Exit::Fine);
                }
                let (shelf, file) = shelf(app, &self.what).await?;
                let view = shelf.view(&file)?;
                session.out.show(&view, |out| shown(out, &view));
                Ok(Exit::Fine)
            })
            .await
    }
}

fn shown(out: &Output, view: &RunbookView) {
    let listed = &view.runbook;
    out.say(out.style.bold(&printable(&listed.title)));
    if let Some(id) = &view.id {
        out.say(format!("id             {}", printable(id)));
    }
    if let Some(scope) = &view.scope {
        out.say(format!("scope          {}", printable(scope)));
    }
    out.say(format!("component      {}", printable(&listed.component)));
    out.say(format!("severity       {}", listed.severity));
    out.say(format!("on-call scope  {}", printable(&listed.on_call_scope)));
    out.say(format!("run by         {}", printable(&listed.owner)));
    if !listed.approvals.is_empty() {
        out.say(format!("approved by    {}", printable(&listed.approvals.join(" and "))));
    }
    out.say(format!("last updated   {}", listed.last_updated));
    if let Some(check) = &listed.doctor_check {
        out.say(format!("doctor check   {}", printable(check)));
    }
    for symptom in &view.symptoms {
        out.say(format!("symptom        {}", printable(symptom)));
    }
    for (what, impact) in &view.impact {
        out.say(format!("impact         {}: {}", printable(what), printable(impact)));
    }
    if let Some(trace) = &view.trace {
        out.say(format!("came from      {}", printable(trace)));
    }
    for parameter in &view.parameters {
        let default = parameter.default.as_ref().map(|value| format!(" [{value}]"));
        let default = default.unwrap_or_default();
        out.say(format!(
            "asks           {}: {}{default}",
            parameter.name,
            printable(&parameter.ask)
        ));
    }
    for step in &view.steps {
        let phase = step.phase.as_deref().unwrap_or_default();
        let mark = if step.mutates { "!" } else { " " };
        let title = printable(&step.title);
        out.say(format!("{mark} {:<20}{:<10}{phase:<15}{title}", step.id, step.kind));
    }
}

/// A run, step by step, and what it waits for.
fn run_shown(out: &Output, view: &RunbookRunView) {
    out.say(out.style.bold(&printable(&view.title)));
    let signed = view.signature.as_ref().map(|start| format!(", {}", start.sentence));
    out.say(printable(&format!("run by {}{}", view.operator, signed.unwrap_or_default())));
    transcript(out, view, &mut BTreeMap::new(), true);
    ended(out, view);
}

pub(super) fn state_word(view: &RunbookRunView) -> String {
    serde_json::to_value(view.state)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// How a run stands, in a few lines.
pub(super) fn ended(out: &Output, view: &RunbookRunView) {
    let word = state_word(view);
    let reason = view.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    out.say(printable(&format!("{word}{reason}")));
    for bypassed in &view.bypassed {
        out.say(out.style.bad(&printable(bypassed)));
    }
    for waiting in &view.waiting {
        let whom = if waiting.groups.is_empty() {
            String::new()
        } else {
            format!(" from {}", waiting.groups.join(" and "))
        };
        let what = format!("waits at {}{whom}: {}", waiting.step, waiting.text);
        out.say(printable(what.lines().next().unwrap_or_default()));
    }
    if let Some(until) = view.frozen_until_ms {
        let at = jiff::Timestamp::from_millisecond(until).unwrap_or_default();
        out.say(out.style.bad(&format!("the fleet is frozen; to be lifted by {at}")));
    }
    out.say(format!("evidence: {}", printable(&view.artifacts)));
    if let Some(dashboard) = view.dashboard.as_ref().filter(|_| view.ended_at_ms.is_none()) {
        out.say(format!("figures: {}", printable(dashboard)));
    }
    if view.ended_at_ms.is_none() {
        out.say(out.style.faint(&format!("go on with: plumb runbook resume {}", view.id)));
    }
}

impl Run {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let answers = self.asked.read()?;
        session
            .with_fleet(async |app, fleet| {
                let (shelf, runbook) = shelf(app, &self.runbook).await?;
                let known = self.occasion.parameters(session, app, (fleet, &runbook)).await?;
                let mut request = RunbookRequest {
                    runbook,
                    parameters: known,
                    hosts: self.allow_host.iter().chain(&answers.hosts).cloned().collect(),
                    folder: self.folder.clone(),
                    artifacts: self.artifacts.clone(),
                    accept: self.accept.clone(),
                    key: Some(self.asked.key.choice(app)?),
                };
                request.parameters.extend(answers.parameters.clone());
                request.parameters.extend(pairs(&self.set)?);
                let asker = self.asked.asker(session, app, answers.clone())?;
                let asker = Asker { starts: true, ..asker };
                asker.parameters(&shelf.view(&request.runbook)?, &mut request.parameters);
                let mut prepared = app.prepare_runbook(fleet, &shelf, &request).await?;
                if let Some(phrase) = prepared.phrase.clone() {
                    session.out.note(format!(
                        "{} is no runbook that came with the program, and nobody of the roster \
                         signed it. Read it first: plumb runbook show {}",
                        request.runbook, self.runbook
                    ));
                    let typed = asker.line(&format!("Type {phrase} to let it run:"));
                    request.accept = typed;
                    prepared = app.prepare_runbook(fleet, &shelf, &request).await?;
                }
                let title = prepared.title().to_owned();
                session.out.note(session.out.style.bold(&printable(&title)));
                let run = app.start_runbook(prepared).await?;
                let word =
                    self.pass_freeze.clone().map(|reason| RunbookWord::PassFreeze { reason });
                Ok(finish(session, &drive(session, run, &asker, word).await?))
            })
            .await
    }
}

/// Parameters as they are typed.
fn pairs(set: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |pair: &String| {
        let wrong =
            || Failure::usage(format!("{pair:?} is no NAME=VALUE"), "for example node=gw-1");
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        Ok((name.to_owned(), value.to_owned()))
    };
    set.iter().map(pair).collect()
}

impl Rehearse {
    async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let (shelf, runbook) = shelf(app, &self.runbook).await?;
                let request = RunbookRequest {
                    runbook,
                    parameters: pairs(&self.set)?,
                    hosts: self.allow_host.iter().cloned().collect(),
                    ..RunbookRequest::default()
                };
                session.look(app, fleet, None).await?;
                let prepared = app.prepare_runbook(fleet, &shelf, &request).await?;
                let view = app.rehearse_runbook(&prepared).await?;
                session.out.show(&view, |out| rehearsed(out, &view));
                Ok(Exit::fine_if(view.green))
            })
            .await
    }
}

fn rehearsed(out: &Output, view: &RehearsalView) {
    out.say(out.style.bold(&printable(&view.title)));
    for run in &view.runs {
        let answers = run.answers.iter().map(|(step, said)| format!("{step} = {said}"));
        let what: Vec<String> = run.faults.iter().cloned().chain(answers).collect();
        let what = if what.is_empty() { "all is well".to_owned() } else { what.join(", ") };
        let line = format!("{:<12} {what}", run.came_to);
        match &run.problem {
            None => out.say(printable(&line)),
            Some(problem) => out.say(out.style.bad(&printable(&format!("{line}: {problem}")))),
        }
    }
    for step in &view.never_reached {
        out.say(out.style.bad(&format!("no run reached {step}")));
    }
    if !view.left_out.is_empty() {
        out.say(format!("left out by the parameters: {}", view.left_out.join(", ")));
    }
    let runs = view.runs.len();
    if view.cut_off {
        let line = format!("there is more to try than {runs} runs: split it into several");
        out.say(out.style.bad(&line));
    }
    let word = if view.green { "green" } else { "not green" };
    out.say(format!("{word} after {runs} runs"));
}

impl Resume {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let answers = self.asked.read()?;
        session
            .with_app(async |app| {
                let stands = app.runbook_run(&self.run).await?;
                let word = self.decision.word(&stands)?;
                let asker = self.asked.asker(session, app, answers.clone())?;
                let by = asker.by(&stands);
                let (ending, first) = match word {
                    Some(word) if word.ends_it() => (Some((by.as_str(), word)), None),
                    word => (None, word),
                };
                let run = app.resume_runbook(&self.run, ending).await?;
                Ok(finish(session, &drive(session, run, &asker, first).await?))
            })
            .await
    }
}

impl Decision {
    /// The word for the step at which the run stands still.
    fn word(&self, view: &RunbookRunView) -> Result<Option<RunbookWord>, Failure> {
        let step = || {
            view.waiting.first().map(|waiting| waiting.step.clone()).ok_or_else(|| {
                Failure::usage("the run waits for no decision", "resume it without one")
            })
        };
        Ok(Some(if self.again {
            RunbookWord::Again { step: step()? }
        } else if let Some(reason) = &self.skip {
            RunbookWord::Skip { step: step()?, reason: reason.clone() }
        } else if let Some(note) = &self.happened {
            RunbookWord::Settle { step: step()?, happened: true, note: note.clone() }
        } else if let Some(note) = &self.not_happened {
            RunbookWord::Settle { step: step()?, happened: false, note: note.clone() }
        } else if let Some(reason) = &self.roll_back {
            RunbookWord::RollBack { reason: reason.clone() }
        } else if let Some(reason) = &self.pass_freeze {
            RunbookWord::PassFreeze { reason: reason.clone() }
        } else if self.go_on {
            RunbookWord::Resume
        } else if self.abort {
            RunbookWord::Abort
        } else {
            return Ok(None);
        }))
    }
}

impl Asked {
    fn read(&self) -> Result<Answers, Failure> {
        self.answers.as_deref().map_or_else(|| Ok(Answers::default()), Answers::read)
    }

    fn asker<'a>(
        &'a self,
        session: Session<'a>,
        app: &App,
        answers: Answers,
    ) -> Result<Asker<'a>, Failure> {
        let by = self.by.clone();
        let signs = self.key.file.is_some() || self.key.name.is_some();
        let key = signs.then(|| self.key.choice(app)).transpose()?;
        // All of them, before anything is done: a path that is mistyped is found here.
        let read = |file: &String| Ok((file.clone(), read_text(file, ENVELOPE_BYTES_MAX)?));
        let approvals: Result<_, Failure> = self.approval.iter().map(read).collect();
        Ok(Asker {
            out: session.out,
            answers,
            by,
            groups: &self.group,
            key,
            approvals: approvals?,
            interactive: confirm::is_interactive() && !self.no_input,
            starts: false,
        })
    }
}

fn finish(session: Session<'_>, view: &RunbookRunView) -> Exit {
    session.out.show(view, |out| ended(out, view));
    Exit::fine_if(view.state == plumb_app::views::runbook::RunbookRunState::Succeeded)
}
