//! Runs of runbooks that this program carries out while people look at them and say their word.

use std::{collections::BTreeSet, sync::Arc};

use camino::Utf8PathBuf;
use plumb_exec::{StepsState, fold_steps};
use plumb_fleet::RunId;
use plumb_journal::{Entry, OfRun};
use plumb_runbook::document::{Compiled, Document, RunbookPlan, StepKind, parse};
use plumb_store::runbooks::KeptRehearsal;

use super::{
    artifacts,
    figures::Figures,
    library::{Shelf, digest_of},
    rehearse::asked_within,
    run::{RunbookRun, view},
    start::RunbookRequest,
    starter::is_signed,
};
use crate::{
    actions::consent::{choice, named},
    app::App,
    error::{AppError, Code, chain},
    ids::run_id,
    topics::Topic,
    views::{
        consent::KeyRequest,
        runbook::{
            LibraryRow, RehearsalView, RunbookAsked, RunbookBegun, RunbookCarried, RunbookPage,
            RunbookRunPage, RunbookStanding, RunbookWord,
        },
    },
};

impl App {
    /// Every runbook there is, and who vouches for it. Only front matter is read.
    pub async fn library(&self, fleet: &str) -> Result<Vec<LibraryRow>, AppError> {
        let shelf = self.runbooks().await?;
        let name = self.state(fleet)?.name.clone();
        let mut rows = Vec::new();
        for runbook in shelf.listed() {
            let standing = self.standing(&name, &shelf, &runbook.file).await?;
            rows.push(LibraryRow { runbook, standing });
        }
        Ok(rows)
    }

    /// A runbook, opened. Opening never runs anything of it.
    pub async fn open_runbook(&self, fleet: &str, file: &str) -> Result<RunbookPage, AppError> {
        let shelf = self.runbooks().await?;
        let name = self.state(fleet)?.name.clone();
        let standing = self.standing(&name, &shelf, file).await?;
        let runbook = shelf.view(file)?;
        let documents = shelf.documents(file)?;
        let parsed: Vec<_> = documents.values().filter_map(|text| parse(text).ok()).collect();
        let hosts: BTreeSet<String> = parsed.iter().flat_map(Document::hosts).collect();
        let newest = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::rehearsal(&mut conn, &name, file).await?
        };
        let outdated =
            newest.as_ref().is_some_and(|newest| newest.documents != digest_of(&documents));
        let front = plumb_runbook::document::parse_front(&shelf.get(file)?.text).ok();
        let (_, loaded) = self.loaded(name.as_str())?;
        let kinds = || parsed.iter().flat_map(|document| &document.steps).map(|step| &step.kind);
        let roster = self.roster_of(&name).await?;
        Ok(RunbookPage {
            runbook,
            standing,
            hosts: hosts.into_iter().collect(),
            folder: self.runbook_folder().to_string(),
            rehearsal: newest.as_ref().map(read_rehearsal).transpose()?,
            rehearsal_outdated: outdated,
            rehearsed_within_h: front
                .and_then(|front| {
                    asked_within(&loaded.fleet, &front, kinds().any(StepKind::mutates))
                })
                .map(|(hours, _)| hours),
            signed: roster.is_some_and(|roster| is_signed(&roster, &name, kinds())),
        })
    }

    /// Where commands run when nobody names another folder.
    fn runbook_folder(&self) -> Utf8PathBuf {
        self.0.options.data_dir.join("runbook-folder")
    }

    fn asked_runbook(&self, asked: &RunbookAsked) -> Result<RunbookRequest, AppError> {
        let folder = match asked.folder.as_deref().map(str::trim).filter(|path| !path.is_empty()) {
            Some(path) => named(path)?,
            None => self.runbook_folder(),
        };
        if folder == self.runbook_folder() {
            std::fs::create_dir_all(&folder).map_err(|error| {
                let message = format!("{folder} cannot be made: {error}");
                AppError::new(Code::Other, message, "look at the folder's rights and disk")
            })?;
        }
        Ok(RunbookRequest {
            runbook: asked.runbook.clone(),
            parameters: asked.parameters.clone(),
            hosts: asked.hosts.iter().cloned().collect(),
            folder,
            artifacts: None,
            accept: asked.accept.clone(),
            key: asked.key.clone().map(choice).transpose()?,
        })
    }

    /// Starts a runbook and keeps it here, for people to say their word; or tells what has to be typed
    /// first.
    pub async fn begin_runbook(
        &self,
        fleet: &str,
        asked: &RunbookAsked,
    ) -> Result<RunbookBegun, AppError> {
        let _until_it_is_held = self.on_network()?;
        let shelf = self.runbooks().await?;
        let request = self.asked_runbook(asked)?;
        let prepared = self.prepare_runbook(fleet, &shelf, &request).await?;
        if let Some(phrase) = prepared.phrase {
            return Ok(RunbookBegun::Phrase { phrase });
        }
        let run = self.start_runbook(prepared).await?;
        Ok(RunbookBegun::Started { run: self.hold(run) })
    }

    /// Rehearses a runbook with these values. Nothing is sent anywhere.
    pub async fn rehearse_asked(
        &self,
        fleet: &str,
        asked: &RunbookAsked,
    ) -> Result<RehearsalView, AppError> {
        let shelf = self.runbooks().await?;
        let request = self.asked_runbook(asked)?;
        let prepared = self.prepare_runbook(fleet, &shelf, &request).await?;
        let view = self.rehearse_runbook(&prepared).await?;
        self.announce([Topic::Fleet { fleet: fleet.to_owned() }]);
        Ok(view)
    }

    /// Goes on with a run that another program left, and keeps it here.
    pub async fn pick_up_runbook(&self, run: &str) -> Result<RunbookRunPage, AppError> {
        let _until_it_is_held = self.on_network()?;
        let taken = self.resume_runbook(run, None).await?;
        self.hold(taken);
        self.runbook_run_page(run).await
    }

    /// Tells a run that goes on here somebody's word; durable when this returns. Without a name it is whoever
    /// uses this program, and the groups are those they say they belong to. One that nobody carries out is taken up
    /// for a word that ends it.
    pub async fn tell_runbook(
        &self,
        run: &str,
        by: Option<&str>,
        groups: &[String],
        word: RunbookWord,
    ) -> Result<RunbookRunPage, AppError> {
        let me = self.0.options.operator.clone();
        let by = by.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&me);
        match self.held(run) {
            Ok(held) => held.say(by, groups, word, None).await?,
            Err(_) if word.ends_it() => {
                let _until_it_is_held = self.on_network()?;
                self.hold(self.resume_runbook(run, Some((by, word))).await?);
            }
            Err(error) => return Err(error),
        }
        self.runbook_run_page(run).await
    }

    /// Signs somebody's word, consent or an answer, and tells it the run.
    pub async fn sign_runbook_word(
        &self,
        run: &str,
        word: RunbookWord,
        key: KeyRequest,
    ) -> Result<RunbookRunPage, AppError> {
        let me = self.0.options.operator.clone();
        self.held(run)?.say(&me, &[], word, Some(&choice(key)?)).await?;
        self.runbook_run_page(run).await
    }

    /// A run with its monitors and its evidence, wherever it is carried out.
    pub async fn runbook_run_page(&self, run: &str) -> Result<RunbookRunPage, AppError> {
        let id = run_id(run)?;
        let (plan, of, entries) = self.runbook_record(id).await?;
        let compiled = plan.compile().map_err(|error| {
            AppError::new(Code::Other, chain(&error), "look at it with plumb runbook show")
        })?;
        let held = self.held(run).ok();
        let carried = match &held {
            Some(_) => RunbookCarried::Here,
            None if self.owns_run(id) => RunbookCarried::Elsewhere,
            None => RunbookCarried::Nobody,
        };
        let state = fold_steps(&entries);
        let barred = if carried == RunbookCarried::Nobody {
            self.barred(id, (&plan, &compiled), &entries, &state).await?
        } else {
            None
        };
        let alive = carried != RunbookCarried::Nobody;
        let signatures = self.signatures(id, &plan, &state).await?;
        let parts = (&plan, &compiled);
        let mut told = view(id, parts, (&state, &signatures), &of.artifacts, alive);
        if let Ok((_, loaded)) = self.loaded(plan.fleet.as_str()) {
            told.dashboard = Self::dashboard_url(&loaded, id, &compiled);
        }
        told.journal_events = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let figures = held.map_or_else(Figures::default, |held| held.figures.clone());
        let monitors = figures.monitors(&compiled, &state);
        let evidence = if let Some(opened) = self.in_evidence() {
            let (place, files) = opened.kept_files(id);
            told.artifacts = place;
            files
        } else {
            let folder = Utf8PathBuf::from(&of.artifacts);
            let reading = tokio::task::spawn_blocking(move || artifacts::kept(&folder));
            reading.await.map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
        };
        Ok(RunbookRunPage {
            run: told,
            carried,
            barred,
            me: self.0.options.operator.clone(),
            ruled: self.roster_of(&plan.fleet).await?.is_some(),
            monitors,
            evidence,
        })
    }

    /// Why a run that nobody carries out goes on no more, but to its end.
    async fn barred(
        &self,
        run: RunId,
        (plan, compiled): (&RunbookPlan, &Compiled),
        entries: &[Entry],
        state: &StepsState,
    ) -> Result<Option<String>, AppError> {
        if state.outcome.is_some() || entries.is_empty() || self.in_evidence().is_some() {
            return Ok(None);
        }
        let of = OfRun { fleet: &plan.fleet, run, plan: compiled.hash };
        Ok(self.may_go_on(of, compiled, state).await.err().map(|error| error.message))
    }

    fn held(&self, run: &str) -> Result<Arc<RunbookRun>, AppError> {
        let id = run_id(run)?;
        let held = self.0.runbook_runs.lock().expect("no panic while runs are held");
        held.get(&id).cloned().ok_or_else(|| {
            let message = format!("this program does not carry out run {run}");
            AppError::new(Code::NotFound, message, "pick it up first")
        })
    }

    /// Keeps a run until it ends, and announces what changes.
    fn hold(&self, run: RunbookRun) -> String {
        let (id, fleet) = (run.run, run.plan.fleet.clone());
        let mut told = run.told.clone();
        let mut held = self.0.runbook_runs.lock().expect("no panic while runs are held");
        held.insert(id, Arc::new(run));
        drop(held);
        self.announce([Topic::run(id), Topic::fleet(&fleet)]);
        let app = self.clone();
        self.0.tasks.spawn(async move {
            // Whoever tells is dropped with the run.
            while told.changed().await.is_ok() {
                app.announce([Topic::run(id)]);
            }
            app.forget(id);
            app.announce([Topic::run(id), Topic::fleet(&fleet)]);
        });
        id.to_string()
    }

    fn forget(&self, run: RunId) {
        self.0.runbook_runs.lock().expect("no panic while runs are held").remove(&run);
    }

    /// The program ends: runs stay open in their journals, and what is under way is waited for.
    pub(crate) fn let_runbooks_go(&self) {
        let held = self.0.runbook_runs.lock().expect("no panic while runs are held");
        held.values().for_each(|run| run.let_go());
    }

    /// Who vouches for the bytes of one document.
    async fn standing(
        &self,
        fleet: &plumb_fleet::FleetId,
        shelf: &Shelf,
        file: &str,
    ) -> Result<RunbookStanding, AppError> {
        let text = &shelf.get(file)?.text;
        if super::library::is_shipped(text) {
            return Ok(RunbookStanding::Shipped);
        }
        let by = self.signer_of(fleet, shelf, file, text).await?;
        Ok(by.map_or(RunbookStanding::Unknown, |by| RunbookStanding::Signed { by }))
    }
}

fn read_rehearsal(kept: &KeptRehearsal) -> Result<RehearsalView, AppError> {
    serde_json::from_str(&kept.report).map_err(|error| {
        let message = format!("the newest rehearsal cannot be read: {error}");
        AppError::new(Code::Other, message, "rehearse the runbook again")
    })
}
