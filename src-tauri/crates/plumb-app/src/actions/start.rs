//! From a plan that was shown to a run: check again, open the gate, carry out, prove.

use std::sync::Arc;

use plumb_exec::{Given, Left, Lock as _, Order, Orders, Setting, carry_out, desk};
use plumb_fleet::{PlanHash, RunId};
use plumb_journal::{Body, Bypass, Entry, Outcome};
use plumb_runbook::{Action, ApprovalError, ApprovedPlan, Confirmation, Plan, findings_around};
use plumb_store::runs::KeptRun;
use plumb_trust::{
    approval::{REASON_BYTES_MAX, Standing},
    dsse::SigningKey,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    actions::{approve::Way, kept::on_terms_of, run_lock::Locks, submit::Submission},
    app::{ActiveRun, App, FleetState, Loaded},
    error::{AppError, Code, chain},
    ids::{self, new_id, run_id},
    personal_keys::KeyChoice,
    ports::{effects::FleetEffects, journal::StoreJournal, lock::FleetLock},
    topics::Topic,
    views::run::RunView,
};

impl App {
    /// Starts the plan that was shown under this hash. A plan that would come out differently now is
    /// refused with the difference; so is one whose phrase was not typed, or that takes consent and has
    /// not all of it.
    pub async fn start_run(
        &self,
        fleet: &str,
        plan_hash: &str,
        typed: Option<&str>,
    ) -> Result<RunView, AppError> {
        Box::pin(self.start_by(fleet, plan_hash, (typed, None), Way::Approved)).await
    }

    /// The same for a plan that passes a safeguard over, as a forced load does: it takes the reason.
    pub async fn start_run_because(
        &self,
        fleet: &str,
        plan_hash: &str,
        typed: Option<&str>,
        reason: &str,
    ) -> Result<RunView, AppError> {
        Box::pin(self.start_by(fleet, plan_hash, (typed, Some(reason)), Way::Approved)).await
    }

    /// The one or the other: with a reason where somebody typed one.
    pub async fn start_here(
        &self,
        fleet: &str,
        plan_hash: &str,
        typed: Option<&str>,
        reason: Option<&str>,
    ) -> Result<RunView, AppError> {
        self.writable(fleet)?;
        Box::pin(self.start_by(fleet, plan_hash, (typed, reason), Way::Approved)).await
    }

    /// Starts a rollback to last-known-good without approvals, at the hours of the rule, with the reason.
    /// Whoever asks signs the request with this key, and a signed review is due afterwards.
    pub async fn start_run_at_night(
        &self,
        fleet: &str,
        plan_hash: &str,
        typed: Option<&str>,
        reason: &str,
        key: &KeyChoice,
    ) -> Result<RunView, AppError> {
        self.request_approval(plan_hash, None, key).await?;
        Box::pin(self.start_by(fleet, plan_hash, (typed, Some(reason)), Way::AtNight(reason))).await
    }

    async fn start_by(
        &self,
        fleet: &str,
        plan_hash: &str,
        (typed, reason): (Option<&str>, Option<&str>),
        way: Way<'_>,
    ) -> Result<RunView, AppError> {
        let hash = ids::plan_hash(plan_hash)?;
        let _until_it_is_known = self.on_network()?;
        let (state, loaded) = self.loaded(fleet)?;
        // One that was started is told as that, and not as a run under way.
        self.prepared(hash)?;
        // Held before anything is decided: whoever asks for the same plan twice at once starts it once.
        let run = new_id(self.now());
        let locks = self.take_locks(run, &state.name)?;
        let prepared = self.prepared(hash)?;
        self.not_run_yet(&prepared.plan).await?;
        if prepared.plan.consent.is_some() {
            self.collect_before_start(&loaded, &prepared.plan).await;
            // What was signed for is looked at once more, before anything is decided by it.
            self.found_again(&prepared.plan).await?;
        }
        let current = self.current(fleet).await?;
        let plan = self.plan_now(&current, &prepared.request).await?;
        let plan = on_terms_of(&prepared.plan, plan);
        if plan.hash() != hash {
            let shown = difference(&prepared.plan, &plan);
            let message = format!("the fleet changed since this plan was shown: {shown}");
            return Err(AppError::new(
                Code::Outdated,
                message,
                "look at the new plan, then start that",
            ));
        }
        let assessment = current.assess(self.now());
        let around = self.circumstances(&plan, &prepared.back).await?;
        let input = current.plan_input(&assessment);
        let findings = findings_around(&plan, &prepared.probes, &around, input, self.now());
        let confirmation = Confirmation {
            seen: hash,
            typed: typed.map(str::to_owned),
            operator: self.0.options.operator.clone(),
        };
        let opened = self.open_gate(&current, plan, &findings, &confirmation, way).await?;
        let approved = opened.map_err(|error| refused(&error))?;
        let bypasses = bypasses(&approved, reason)?;
        let lock = self.lease(run, &loaded, approved.plan()).await?;
        // A plan that was started has to be made again to be started again.
        self.forget_prepared(hash);
        let begun = self.begin((run, locks), (state, loaded), approved, bypasses, &lock).await;
        if begun.is_err() {
            lock.release().await;
        }
        let launch = begun?;
        self.launch(launch, None);
        self.run_view(run).await
    }

    /// Waits until a run of this process has ended.
    pub async fn finished(&self, run: &str) -> Result<RunView, AppError> {
        let id = run_id(run)?;
        let done = {
            let runs = self.0.runs.lock().expect("no panic while runs are held");
            runs.get(&id).map(|active| active.done.clone())
        };
        if let Some(mut done) = done {
            // An error means that the run's task is gone, which is an end, too.
            let _ = done.wait_for(|done| *done).await;
        }
        self.run_view(id).await
    }

    /// Asks a run of this process to stop between two effects.
    pub fn abort_run(&self, run: &str) -> Result<(), AppError> {
        let cancel = run.parse::<RunId>().ok().and_then(|id| {
            let runs = self.0.runs.lock().expect("no panic while runs are held");
            runs.get(&id).map(|active| active.cancel.clone())
        });
        match cancel {
            Some(cancel) => {
                cancel.cancel();
                Ok(())
            }
            None => Err(AppError::new(
                Code::Busy,
                "this run is not carried out by this program, or it has ended",
                "abort it where it was started",
            )),
        }
    }

    async fn begin(
        &self,
        (run, locks): (RunId, Locks),
        (state, loaded): (Arc<FleetState>, Loaded),
        approved: ApprovedPlan,
        bypasses: Vec<(Bypass, String)>,
        lock: &Arc<FleetLock>,
    ) -> Result<Launch, AppError> {
        let now = self.now();
        let key = self.signer(run).await;
        {
            let mut record = self.record().write().await?;
            let (hash, operator) = (approved.plan().hash(), approved.operator());
            plumb_store::runs::insert(&mut record, run, hash, &state.name, operator, now).await?;
            if let Some(key) = &key {
                self.keep_key(&mut record, key).await?;
            }
            let nonces = approved.spends().iter().map(ToString::to_string);
            plumb_store::approvals::spend(&mut record, run, nonces).await?;
            if let Some(review) = approved.review() {
                let (reason, due_at) = (review.reason.as_str(), review.due_at);
                plumb_store::approvals::owe_review(&mut record, run, &state.name, reason, due_at)
                    .await?;
            }
            record.commit().await?;
        }
        let (entries, lock) = (Vec::new(), Arc::clone(lock));
        Ok(Launch { run, key, state, loaded, approved, bypasses, entries, lock, _locks: locks })
    }

    /// Carries a run out in the background; it is known from now on. An order that is given first is taken
    /// before anything else is done.
    pub(super) fn launch(&self, launch: Launch, first: Option<Order>) -> Option<Given> {
        let run = launch.run;
        let (done, ended) = watch::channel(false);
        let (desk, orders) = desk();
        let first = first.map(|order| desk.put(order));
        let cancel = CancellationToken::new();
        let rollout = launch.approved.plan().rollout.is_some();
        let active = ActiveRun { cancel: cancel.clone(), desk: Some(desk), rollout, done: ended };
        self.0.runs.lock().expect("no panic while runs are held").insert(run, active);
        let app = self.clone();
        self.0.tasks.spawn(async move {
            let carried = app.carry_out(&launch, orders, &cancel);
            let (ended, ()) = tokio::join!(carried, app.tell_hub(&launch.loaded));
            app.tell_hub(&launch.loaded).await;
            let fleet = launch.state.name.clone();
            app.0.runs.lock().expect("no panic while runs are held").remove(&run);
            // Only now may another pick it up.
            drop(launch);
            // Whoever waits looks at the store next, so everything is stored by now.
            let _ = done.send(true);
            app.announce([Topic::run(run), Topic::fleet(&fleet)]);
            // A command ends with its run; whoever wants a certificate of it asks for one.
            if ended && app.0.options.sweep_on_period {
                app.certify_later(run).await;
            }
        });
        first
    }

    /// Whether it came to its end; a rollout may stay open.
    async fn carry_out(&self, launch: &Launch, orders: Orders, cancel: &CancellationToken) -> bool {
        let Launch { run, key, state, loaded, approved, bypasses, entries, .. } = launch;
        let run = *run;
        let operator = self.0.options.operator.clone();
        let submission = self.hand_in(run, approved, loaded).await.unwrap_or_else(|error| {
            // Nodes that ask for it say so, and take nothing.
            error!(%run, error = %error.message, "the plan was handed to no node");
            Submission::default()
        });
        let (app, state, loaded) = (self.clone(), state.clone(), loaded.clone());
        let name = loaded.fleet.name.clone();
        let (lock, plan) = (Arc::clone(&launch.lock), approved.plan());
        let keeping = self.keep_answers(run, &loaded).await.map(Arc::new);
        let loaded = match &keeping {
            Some(keeping) => Loaded { pool: loaded.pool.tapped(keeping.tap()), ..loaded },
            None => loaded,
        };
        let handler = FleetEffects::new(app, state, loaded, &operator, submission, lock, plan);
        let (journal, writer) =
            StoreJournal::with(self.clone(), run, (entries, key.clone()), keeping.clone());
        let writer = self.0.tasks.spawn(writer);
        let setting = Setting {
            handler: &handler,
            journal: &journal,
            clock: &self.0.options.clock,
            lock: &*launch.lock,
            cancel,
            orders,
            entries,
            operator: &operator,
            bypasses: bypasses.clone(),
        };
        let result = carry_out(run, approved, setting).await;
        drop(journal);
        if let Err(error) = writer.await {
            error!(%run, error = %chain(&error), "the writer of the journal ended badly");
        }
        drop(handler);
        if let Some(keeping) = keeping.and_then(Arc::into_inner) {
            // What came is on disk before the run counts as ended.
            let _ = tokio::task::spawn_blocking(move || keeping.end()).await;
        }
        let ended = match result {
            Ok(Left::Ended(outcome)) => {
                if let Err(error) = self.conclude(run, outcome, key.clone()).await {
                    error!(%run, error = %error.message, "the end of the run was not recorded");
                }
                true
            }
            // It stays open, to be picked up from its journal.
            Ok(Left::Open) => false,
            Err(error) => {
                error!(%run, error = %chain(&error), "run stopped");
                return false;
            }
        };
        if let Err(error) = self.refresh_desired(&name).await {
            error!(%run, error = %error.message, "desired versions not read again");
        }
        ended
    }

    /// What follows the end that a journal has: what the run took back is refused, then it counts as
    /// ended. Where that cannot be recorded, the next sweep does it.
    pub(crate) async fn conclude(
        &self,
        run: RunId,
        outcome: Outcome,
        key: Option<Arc<SigningKey>>,
    ) -> Result<(), AppError> {
        self.refuse_after(run, key).await?;
        self.end_run(run, outcome).await
    }

    /// Notes in the record that a run has ended.
    pub(crate) async fn end_run(&self, run: RunId, outcome: Outcome) -> Result<(), AppError> {
        let mut record = self.record().write().await?;
        plumb_store::runs::finish(&mut record, run, self.now(), outcome.name()).await?;
        record.commit().await?;
        Ok(())
    }

    /// A run that the record holds.
    pub(crate) async fn kept_run(&self, run: RunId) -> Result<KeptRun, AppError> {
        let mut conn = self.record().read().await?;
        plumb_store::runs::get(&mut conn, run).await?.ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("there is no run {run}"),
                "list the runs of the fleet",
            )
        })
    }

    /// The plan that a run was started with.
    pub(crate) async fn kept_plan(&self, run: RunId, hash: PlanHash) -> Result<Plan, AppError> {
        let mut conn = self.record().read().await?;
        let plan = plumb_store::plans::get(&mut conn, hash).await?.ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("the plan of run {run} is not kept"),
                "list the runs of the fleet",
            )
        })?;
        serde_json::from_str(&plan.document).map_err(|error| unreadable(run, &error))
    }

    /// The plan and the journal of a run.
    pub(crate) async fn run_record(&self, run: RunId) -> Result<(Plan, Vec<Entry>), AppError> {
        Ok((self.plan_of_run(run).await?, self.journal_of(run).await?))
    }

    /// The plan of a run of nodes.
    pub(crate) async fn plan_of_run(&self, run: RunId) -> Result<Plan, AppError> {
        let kept = self.kept_run(run).await?;
        self.kept_plan(run, kept.plan).await
    }

    /// The events of a run, of nodes or of a runbook.
    pub(crate) async fn journal_of(&self, run: RunId) -> Result<Vec<Entry>, AppError> {
        let mut conn = self.record().read().await?;
        let rows = plumb_store::journal::events(&mut conn, run).await?;
        let entries: Result<Vec<Entry>, _> = rows
            .into_iter()
            .map(|row| {
                serde_json::from_str::<Body>(&row.body).map(|body| Entry { body, hash: row.hash })
            })
            .collect();
        entries.map_err(|error| unreadable(run, &error))
    }

    pub(crate) async fn run_ids(&self, fleet: &str, limit: usize) -> Result<Vec<RunId>, AppError> {
        let state = self.state(fleet)?;
        let mut conn = self.record().read().await?;
        let runs = plumb_store::runs::list(&mut conn, &state.name, limit).await?;
        Ok(runs.into_iter().map(|run| run.id).collect())
    }
}

/// A run that is about to be carried out.
pub(super) struct Launch {
    pub(super) run: RunId,
    pub(super) key: Option<Arc<SigningKey>>,
    pub(super) state: Arc<FleetState>,
    pub(super) loaded: Loaded,
    pub(super) approved: ApprovedPlan,
    /// Safeguards that were passed over so that this could begin, each with its reason.
    pub(super) bypasses: Vec<(Bypass, String)>,
    /// What its journal holds already.
    pub(super) entries: Vec<Entry>,
    /// The deployment lock, taken already.
    pub(super) lock: Arc<FleetLock>,
    /// Given back with it.
    pub(super) _locks: Locks,
}

pub(crate) fn unreadable(run: RunId, error: &serde_json::Error) -> AppError {
    AppError::new(
        Code::Other,
        format!("the record of run {run} does not read back: {error}"),
        "verify the journal",
    )
}

pub(super) fn refused(error: &ApprovalError) -> AppError {
    let (code, hint) = match error {
        ApprovalError::Changed => (Code::Outdated, "look at the new plan, then start that"),
        ApprovalError::Empty => (Code::Invalid, "nothing has to be done"),
        ApprovalError::Fatal { .. } => {
            (Code::Invalid, "mend what the findings name, or leave those nodes out")
        }
        ApprovalError::Phrase { .. } => (Code::Confirmation, "type the phrase exactly as shown"),
        ApprovalError::Unsigned { .. } | ApprovalError::NoTerms { .. } => {
            (Code::Outdated, "look at the new plan, then ask for approvals of that")
        }
        ApprovalError::NoConsent { standing }
            if matches!(**standing, Standing::OtherRule { .. }) =>
        {
            (Code::Outdated, "plan again, and ask for approvals of that")
        }
        ApprovalError::NoConsent { standing } if matches!(**standing, Standing::Refused { .. }) => {
            (Code::Invalid, "whoever said no may still approve; or make another plan")
        }
        ApprovalError::NoConsent { .. } => {
            (Code::Invalid, "ask those who may approve, and add their approvals")
        }
        ApprovalError::NotAtNight { .. } => (Code::Invalid, "ask for approvals"),
    };
    AppError::new(code, error.to_string(), hint)
}

/// Safeguards that a plan which passed the gate leaves out from the start. Each takes a reason.
fn bypasses(
    approved: &ApprovedPlan,
    reason: Option<&str>,
) -> Result<Vec<(Bypass, String)>, AppError> {
    let mut bypasses = Vec::new();
    if let Some(review) = approved.review() {
        bypasses.push((Bypass::Approvals, review.reason.clone()));
    }
    if matches!(approved.plan().action, Action::Sync { force: true }) {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let Some(reason) = reason.filter(|reason| reason.len() <= REASON_BYTES_MAX) else {
            let message = "what runs already is loaded again by force, and nobody says why";
            let hint = "say it in at most 2,000 bytes: --reason TEXT; it stands in the journal";
            return Err(AppError::new(Code::Confirmation, message, hint));
        };
        bypasses.push((Bypass::Force, reason.to_owned()));
    }
    Ok(bypasses)
}

/// What differs between the plan that was shown and the plan as it would be now, in a sentence.
pub(crate) fn difference(shown: &Plan, now: &Plan) -> String {
    let names = |plan: &Plan| {
        plan.targets().map(|target| target.node.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    let (before, after) = (names(shown), names(now));
    let list = |nodes: Vec<&plumb_fleet::NodeId>| {
        nodes.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (gone, new): (Vec<_>, Vec<_>) =
        (before.difference(&after).collect(), after.difference(&before).collect());
    let changed: Vec<_> = shown
        .targets()
        .filter(|target| now.targets().any(|other| other.node == target.node && other != *target))
        .map(|target| &target.node)
        .collect();
    let mut parts = Vec::new();
    for (word, nodes) in [("no longer", gone), ("now also", new), ("otherwise", changed)] {
        if !nodes.is_empty() {
            parts.push(format!("{word}: {} ({})", nodes.len(), list(nodes)));
        }
    }
    if !parts.is_empty() {
        parts.join("; ")
    } else if shown.left_out != now.left_out {
        "other nodes are left out".to_owned()
    } else {
        "pins, waves, gates or terms of consent are others".to_owned()
    }
}
