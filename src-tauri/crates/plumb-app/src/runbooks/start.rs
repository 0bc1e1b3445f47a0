//! From a runbook and its values to a run, and on from where another program left one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_exec::{
    Left, StepDesk, StepOrder, StepOrders, StepSetting, StepsState, fold_steps, perform_steps,
    step_desk, steps::obey_step,
};
use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_journal::{Entry, Event, OfRun, Outcome};
use plumb_runbook::document::{Compiled, RunbookPlan, RunbookPlanError, Trusted, Values};
use plumb_store::runbooks::OfRunbook;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    artifacts::{new_folder, swept},
    command::end_left_behind,
    dashboard::Shown,
    figures::Figures,
    handler::World,
    library::Shelf,
    run::{RunbookRun, unwanted, view, wish},
    starter::Starter,
};
use crate::{
    app::{App, Loaded},
    error::{AppError, Code, chain},
    ids::{new_id, run_id},
    personal_keys::KeyChoice,
    ports::{journal::StoreJournal, keeping::Keeping},
    topics::Topic,
    views::runbook::{RunbookRunView, RunbookWord},
};

/// Runs of runbooks in one list.
const RUNS_LISTED_MAX: usize = 100;

/// What somebody wants to run.
#[derive(Debug, Clone, Default)]
pub struct RunbookRequest {
    pub runbook: String,
    pub parameters: Values,
    /// Hosts that its requests may go to.
    pub hosts: BTreeSet<String>,
    /// Folder in which commands run; relative paths of the runbook begin here.
    pub folder: Utf8PathBuf,
    /// Folder below which the evidence is left; beside the record where none is named.
    pub artifacts: Option<Utf8PathBuf>,
    /// The phrase that lets documents run that nobody vouches for.
    pub accept: Option<String>,
    /// The key of whoever starts it, where people have to approve what it does.
    pub key: Option<KeyChoice>,
}

/// A runbook that can be run, or needs one more word.
#[derive(Debug, Clone)]
pub struct PreparedRunbook {
    pub(super) plan: RunbookPlan,
    pub(super) compiled: Compiled,
    pub(super) request: RunbookRequest,
    /// The phrase that has to be typed first, where nobody vouches for its documents.
    pub phrase: Option<String>,
}

impl PreparedRunbook {
    pub fn title(&self) -> &str {
        &self.compiled.front.title.value
    }

    pub fn steps(&self) -> usize {
        self.compiled.steps.len()
    }
}

impl App {
    /// Reads a runbook with its values; nothing is done.
    pub async fn prepare_runbook(
        &self,
        fleet: &str,
        shelf: &Shelf,
        request: &RunbookRequest,
    ) -> Result<PreparedRunbook, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let documents = shelf.documents(&request.runbook)?;
        let (trusted, phrase) = match self.trusted(&state.name, shelf, &documents).await? {
            Ok(trusted) => (trusted, None),
            Err(phrase) if request.accept.as_ref() == Some(&phrase) => {
                (Trusted::Accepted { by: self.me() }, None)
            }
            Err(phrase) => (Trusted::Harmless, Some(phrase)),
        };
        let plan = RunbookPlan {
            format: RunbookPlan::FORMAT,
            fleet: state.name.clone(),
            environment: loaded.fleet.environment.clone(),
            runbook: request.runbook.clone(),
            documents,
            parameters: request.parameters.clone(),
            hosts: request.hosts.clone(),
            trusted,
            made_at: self.now(),
        };
        let compiled = plan.compile().map_err(|error| unplanned(&error))?;
        Ok(PreparedRunbook { plan, compiled, request: request.clone(), phrase })
    }

    /// Starts a runbook. Whoever drops the run's desk leaves it to itself.
    pub async fn start_runbook(&self, prepared: PreparedRunbook) -> Result<RunbookRun, AppError> {
        self.is_rehearsed(&prepared).await?;
        let PreparedRunbook { plan, compiled, request, phrase } = prepared;
        if let Some(phrase) = phrase {
            let message = format!(
                "nobody vouches for this runbook: it did not come with the program, and no key of the \
                 roster signed it; {phrase:?} has to be typed"
            );
            let hint = "read it, then type the phrase, or have it signed";
            return Err(AppError::new(Code::Confirmation, message, hint));
        }
        let (_, loaded) = self.loaded(plan.fleet.as_str())?;
        if loaded.fleet.read_only {
            let message = format!("fleet {} is read-only", plan.fleet);
            return Err(AppError::new(Code::Invalid, message, "rehearse it instead"));
        }
        let run = new_id(self.now());
        let of = OfRun { fleet: &plan.fleet, run, plan: compiled.hash };
        let starter = self.starter(of, &compiled, request.key.as_ref()).await?;
        let name = compiled.front.artifacts.as_ref().map_or_else(
            || plan.runbook.trim_end_matches(".md").to_owned(),
            |folder| folder.value.clone(),
        );
        let root = request.artifacts.clone();
        let root = root.unwrap_or_else(|| self.0.options.data_dir.join("artifacts")).join(name);
        let folder = request.folder.canonicalize_utf8().map_err(|error| {
            let message = format!("{} is no folder: {error}", request.folder);
            AppError::new(Code::Invalid, message, "name the folder in which its commands run")
        })?;
        let artifacts = new_folder(&root, self.now()).map_err(|error| {
            let message = format!("no folder for evidence below {root}: {error}");
            AppError::new(Code::Other, message, "look at the folder's rights and disk")
        })?;
        let of = OfRunbook {
            runbook: plan.runbook.clone(),
            title: compiled.front.title.value.clone(),
            folder: folder.to_string(),
            artifacts: artifacts.to_string(),
        };
        self.keep_runbook_run(run, &plan, &of, &starter.operator).await?;
        self.perform_runbook(run, (plan, compiled), of, Vec::new(), starter).await
    }

    async fn keep_runbook_run(
        &self,
        run: RunId,
        plan: &RunbookPlan,
        of: &OfRunbook,
        operator: &str,
    ) -> Result<(), AppError> {
        let (hash, now) = (plan.hash(), self.now());
        let document = String::from_utf8(plan.canonical_bytes()).expect("a plan is JSON");
        let mut record = self.record().write().await?;
        plumb_store::plans::insert(&mut record, hash, &plan.fleet, now, &document).await?;
        plumb_store::runs::insert(&mut record, run, hash, &plan.fleet, operator, now).await?;
        plumb_store::runbooks::insert(&mut record, run, of).await?;
        record.commit().await?;
        Ok(())
    }

    /// Goes on with a run that another program left, from its journal. Where somebody says that it ends (to
    /// abort it, or to roll it back), nothing is done before that word is heard.
    pub async fn resume_runbook(
        &self,
        run: &str,
        ending: Option<(&str, RunbookWord)>,
    ) -> Result<RunbookRun, AppError> {
        let run = run_id(run)?;
        let (plan, of, entries) = self.runbook_record(run).await?;
        let compiled = plan.compile().map_err(|error| unplanned(&error))?;
        let stands = fold_steps(&entries);
        if let Some(outcome) = stands.outcome {
            self.cleared_up(run, &compiled, outcome).await?;
            let message = format!("run {run} has ended");
            return Err(AppError::new(Code::Invalid, message, "start the runbook anew"));
        }
        let of_start = OfRun { fleet: &plan.fleet, run, plan: compiled.hash };
        let first = ending.map(|(by, word)| ends(by, word)).transpose()?;
        if entries.is_empty() {
            self.may_begin_unsigned(of_start, &compiled).await?;
        } else if first.is_none() {
            self.may_go_on(of_start, &compiled, &stands).await?;
        }
        let again = Starter { operator: self.me(), signed: None, first };
        self.perform_runbook(run, (plan, compiled), of, entries, again).await
    }

    async fn perform_runbook(
        &self,
        run: RunId,
        (plan, compiled): (RunbookPlan, Compiled),
        of: OfRunbook,
        entries: Vec<Entry>,
        starter: Starter,
    ) -> Result<RunbookRun, AppError> {
        let lock = self.own_run(run).ok_or_else(|| carried_elsewhere(run))?;
        // Read again now that nobody else writes it.
        let entries = if entries.is_empty() { entries } else { self.runbook_record(run).await?.2 };
        let outputs = self.0.options.data_dir.join("runbook-runs").join(run.to_string());
        let within = self.0.options.left_gone_within;
        tidied(&outputs, Utf8Path::new(&of.artifacts), within).await?;
        let (_, loaded) = self.loaded(plan.fleet.as_str())?;
        let key = self.signer_again(run).await?;
        let (desk, orders) = step_desk();
        let stands = fold_steps(&entries);
        heard_first(starter.first.as_ref(), &desk, &compiled, &stands)?;
        let (tell, told) = watch::channel(once_it_goes_on(stands, &starter, self.now()));
        let cancel = CancellationToken::new();
        let figures = Figures::default();
        let dashboard = Self::dashboard_url(&loaded, run, &compiled);
        let (shown, at) = (Shown::new(self, &loaded, run, &compiled), loaded.clone());
        let keeping = self.keep_answers(run, &loaded).await.map(Arc::new);
        let loaded = match &keeping {
            Some(keeping) => Loaded { pool: loaded.pool.tapped(keeping.tap()), ..loaded },
            None => loaded,
        };
        let world = World {
            app: self.clone(),
            figures: figures.clone(),
            run,
            fleet: plan.fleet.to_string(),
            shown,
            loaded,
            heard: keeping.clone(),
            compiled: compiled.clone(),
            folder: Utf8PathBuf::from(&of.folder),
            artifacts: Utf8PathBuf::from(&of.artifacts),
            outputs,
            secrets: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
        };
        let (journal, writer) =
            StoreJournal::with(self.clone(), run, (&entries, key), keeping.clone());
        let writer = self.0.tasks.spawn(writer);
        world.shown.go_on(&tell.borrow());
        let app = self.clone();
        self.0.tasks.spawn(async move { app.remove_left_dashboards(&at).await });
        let (app, ending) = (self.clone(), cancel.clone());
        let parts = (plan.clone(), compiled.clone());
        let task = self.0.tasks.spawn(async move {
            let setting = Performing { world, journal, orders, tell, entries, starter };
            let left = app.carry_out_runbook(run, &parts, setting, &ending).await;
            written(run, writer, keeping).await;
            // A run that could not be carried on stays one that a program left.
            if left.is_ok() {
                lock.done();
            }
            app.announce([Topic::run(run), Topic::fleet(&parts.0.fleet)]);
            left
        });
        let (app, artifacts, desk) = (self.clone(), of.artifacts, Some(desk));
        Ok(RunbookRun {
            app,
            run,
            plan,
            compiled,
            artifacts,
            figures,
            dashboard,
            desk,
            told,
            cancel,
            task,
        })
    }

    async fn carry_out_runbook(
        &self,
        run: RunId,
        (plan, compiled): &(RunbookPlan, Compiled),
        performing: Performing,
        cancel: &CancellationToken,
    ) -> Result<Left, AppError> {
        let Performing { world, journal, orders, tell, entries, starter } = performing;
        let setting = StepSetting {
            handler: &world,
            journal: &journal,
            clock: &self.0.options.clock,
            cancel,
            orders,
            entries: &entries,
            operator: &starter.operator,
            signed: starter.signed.as_ref(),
            told: &tell,
        };
        let left = perform_steps(run, (plan, compiled), setting).await;
        drop(journal);
        world.shown.ended().await;
        let left = left.map_err(|error| {
            AppError::new(Code::Other, chain(&error), "look at the disk, then resume the run")
        })?;
        if let Left::Ended(outcome) = left {
            self.cleared_up(run, compiled, outcome).await?;
        }
        Ok(left)
    }

    /// What is left to do once the journal of a run has its end; doing it again changes nothing.
    async fn cleared_up(
        &self,
        run: RunId,
        compiled: &Compiled,
        outcome: Outcome,
    ) -> Result<(), AppError> {
        let kept = self.kept_run(run).await?;
        if kept.end.is_none() {
            self.end_run(run, outcome).await?;
        }
        let fleet = kept.fleet;
        // A fleet that was taken off the list leaves its dashboards to expire.
        if let Ok((_, loaded)) = self.loaded(fleet.as_str()) {
            self.remove_dashboard(&loaded, run, compiled).await;
        }
        Ok(())
    }

    /// The plan, the folders and the journal of a run of a runbook.
    pub(crate) async fn runbook_record(
        &self,
        run: RunId,
    ) -> Result<(RunbookPlan, OfRunbook, Vec<Entry>), AppError> {
        let (plan, of) = self.runbook_plan(run).await?;
        Ok((plan, of, self.journal_of(run).await?))
    }

    /// The plan and the folders of a run of a runbook.
    pub(crate) async fn runbook_plan(
        &self,
        run: RunId,
    ) -> Result<(RunbookPlan, OfRunbook), AppError> {
        let kept = self.kept_run(run).await?;
        let mut conn = self.record().read().await?;
        let of = plumb_store::runbooks::get(&mut conn, run).await?;
        let plan = plumb_store::plans::get(&mut conn, kept.plan).await?;
        let (Some(of), Some(plan)) = (of, plan) else {
            let message = format!("run {run} is none of a runbook");
            return Err(AppError::new(
                Code::Invalid,
                message,
                "list them: plumb runbook list --runs",
            ));
        };
        let unreadable = |error: &serde_json::Error| {
            let message = format!("the record of run {run} cannot be read: {error}");
            AppError::new(Code::Other, message, "verify its journal: plumb journal verify")
        };
        let plan: RunbookPlan =
            serde_json::from_str(&plan.document).map_err(|error| unreadable(&error))?;
        Ok((plan, of))
    }

    /// The hash of a plan as it is kept, made again of what it says: of nodes, or of a runbook.
    pub(crate) async fn hash_of_kept_plan(
        &self,
        run: RunId,
        hash: PlanHash,
    ) -> Result<PlanHash, AppError> {
        let of_runbook = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::get(&mut conn, run).await?.is_some()
        };
        if of_runbook {
            return Ok(self.runbook_record(run).await?.0.hash());
        }
        Ok(self.kept_plan(run, hash).await?.hash())
    }

    /// How a run of a runbook stands.
    pub async fn runbook_run(&self, run: &str) -> Result<RunbookRunView, AppError> {
        self.runbook_run_view(run_id(run)?).await
    }

    async fn runbook_run_view(&self, run: RunId) -> Result<RunbookRunView, AppError> {
        let (plan, of) = self.runbook_plan(run).await?;
        let compiled = plan.compile().map_err(|error| unplanned(&error))?;
        let (mut state, mut events) = (StepsState::default(), 0_u32);
        self.each_event(run, |entry| {
            state.apply(&entry.body.event, entry.body.at);
            events = events.saturating_add(1);
        })
        .await?;
        let alive = self.owns_run(run);
        let signatures = self.signatures(run, &plan, &state).await?;
        let parts = (&plan, &compiled);
        let mut view = view(run, parts, (&state, &signatures), &of.artifacts, alive);
        if let Ok((_, loaded)) = self.loaded(plan.fleet.as_str()) {
            view.dashboard = Self::dashboard_url(&loaded, run, &compiled);
        }
        view.journal_events = events;
        Ok(view)
    }

    /// The newest runs of runbooks of a fleet.
    pub async fn runbook_runs(&self, fleet: &str) -> Result<Vec<RunbookRunView>, AppError> {
        let name: FleetId = self.state(fleet)?.name.clone();
        let runs = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::list(&mut conn, &name, RUNS_LISTED_MAX).await?
        };
        let mut views = Vec::new();
        for run in runs {
            views.push(self.runbook_run_view(run.run.id).await?);
        }
        Ok(views)
    }
}

fn carried_elsewhere(run: RunId) -> AppError {
    let message = format!("run {run} is carried out elsewhere");
    AppError::new(Code::Busy, message, "wait for its end, or end that program")
}

/// How a run will stand once it goes on: nobody is asked about what another program left.
fn once_it_goes_on(mut stands: StepsState, starter: &Starter, now: Timestamp) -> StepsState {
    if stands.started_at.is_some() {
        stands.apply(&Event::RunResumed { by: starter.operator.clone() }, now);
    }
    stands
}

/// Waits until journal and answers are on disk: before that no run counts as ended.
async fn written(run: RunId, writer: JoinHandle<()>, keeping: Option<Arc<Keeping>>) {
    if let Err(error) = writer.await {
        error!(%run, error = %chain(&error), "the writer of the journal ended badly");
    }
    if let Some(keeping) = keeping.and_then(Arc::into_inner) {
        let _ = tokio::task::spawn_blocking(move || keeping.end()).await;
    }
}

/// Lays down what is said before anything is done, where it will be obeyed.
fn heard_first(
    first: Option<&StepOrder>,
    desk: &StepDesk,
    compiled: &Compiled,
    stands: &StepsState,
) -> Result<(), AppError> {
    let Some(first) = first else { return Ok(()) };
    let obeyed = obey_step(first, compiled, stands);
    obeyed.and_then(|_| desk.lay_down(first.clone())).map_err(|error| unwanted(&error))
}

/// A word that ends a run or takes it back.
fn ends(by: &str, word: RunbookWord) -> Result<StepOrder, AppError> {
    if !word.ends_it() {
        let message = "this word does not end a run";
        return Err(AppError::new(Code::Invalid, message, "resume it, then say it"));
    }
    Ok(StepOrder { by: by.to_owned(), groups: BTreeSet::new(), what: wish(word)? })
}

/// Ends and removes what a killed program left of a run. For whoever has its lock.
async fn tidied(
    outputs: &Utf8Path,
    artifacts: &Utf8Path,
    within: Duration,
) -> Result<(), AppError> {
    let (outputs, artifacts) = (outputs.to_owned(), artifacts.to_owned());
    let tidying = tokio::task::spawn_blocking(move || {
        let alive = end_left_behind(&outputs, within);
        if alive.is_empty() {
            swept(&artifacts);
        }
        alive
    });
    let again = "resume the run again";
    let alive = tidying.await.map_err(|error| AppError::new(Code::Other, chain(&error), again))?;
    if alive.is_empty() {
        return Ok(());
    }
    let processes = alive.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("what a killed program left is still at work: process {processes}");
    Err(AppError::new(Code::Busy, message, "wait for its end or end it, then resume the run"))
}

/// What a task takes with it.
struct Performing {
    world: World,
    journal: StoreJournal,
    orders: StepOrders,
    tell: watch::Sender<StepsState>,
    entries: Vec<Entry>,
    starter: Starter,
}

fn unplanned(error: &RunbookPlanError) -> AppError {
    let hint = match error {
        RunbookPlanError::Host { .. } => "list it with --allow-host, if its requests may go there",
        RunbookPlanError::NoValue { .. } | RunbookPlanError::Value { .. } => {
            "give it with --set NAME=VALUE"
        }
        _ => "check the runbook: plumb runbook check FILE",
    };
    AppError::new(Code::Invalid, error.to_string(), hint)
}
