//! A rollout that another program left: picked up from its journal, by what it was approved with.

use plumb_exec::{Order, obey};
use plumb_fleet::RunId;
use plumb_journal::{Event, RunState, fold};
use plumb_runbook::{ApprovedPlan, Confirmation, Plan, Rung, rung};
use plumb_store::runs::KeptRun;
use plumb_trust::approval::{signed_by_a_person, taken_away};

use crate::{
    actions::{
        approve::Way,
        rollout::{unwanted, wish},
        start::{Launch, refused},
    },
    app::App,
    error::{AppError, Code},
    ids::run_id,
    views::{rollout::RunOrder, run::RunView},
};

impl App {
    /// Goes on with a rollout that another program left, from its journal. Where a newer roster took away
    /// what it was approved with, it is only brought back or aborted.
    pub async fn resume_run(&self, run: &str) -> Result<RunView, AppError> {
        Box::pin(self.pick_up(run_id(run)?, None)).await
    }

    /// The same with an order that is taken before anything else is done.
    pub(super) async fn pick_up(
        &self,
        run: RunId,
        order: Option<&RunOrder>,
    ) -> Result<RunView, AppError> {
        let _until_it_is_known = self.on_network()?;
        let kept = self.kept_run(run).await?;
        let (state, loaded) = self.loaded(kept.fleet.as_str())?;
        let locks = self.take_locks(run, &state.name)?;
        // Read once nobody else writes it.
        let (plan, entries) = self.run_record(run).await?;
        let known = fold(&entries);
        if plan.rollout.is_none() || known.started_at.is_none() || known.outcome.is_some() {
            let message = format!("run {run} never began, has ended, or is no rollout");
            return Err(AppError::new(Code::Invalid, message, "plan again"));
        }
        let order = order.map(|order| self.order(order));
        if let Some(order) = &order {
            may_be_ordered(order, &plan, known.clone())?;
        }
        let approved = self.passed_before(&kept, plan).await?;
        let goes_back = known.abort_requested || known.rollback.is_some();
        if !goes_back && !order.as_ref().is_some_and(Order::leads_back) {
            self.still_approved(&kept, approved.plan()).await?;
        }
        let key = self.signer_again(run).await?;
        let lock = self.lease(run, &loaded, approved.plan()).await?;
        // What was passed over when it began stands in its journal.
        let bypasses = Vec::new();
        let launch =
            Launch { run, key, state, loaded, approved, bypasses, entries, lock, _locks: locks };
        if let Some(given) = self.launch(launch, order) {
            given.taken().await.map_err(|error| unwanted(&error))?;
        }
        self.run_view(run).await
    }

    /// A plan that passed the gate when its run was started. It is the same plan, by its hash in the
    /// record and in the journal, and it is not asked again what was asked then.
    async fn passed_before(&self, kept: &KeptRun, plan: Plan) -> Result<ApprovedPlan, AppError> {
        let typed = match rung(&plan) {
            Rung::Typed { phrase } => Some(phrase),
            Rung::Undo | Rung::Dialog => None,
        };
        let operator = self.0.options.operator.clone();
        let confirmation = Confirmation { seen: kept.plan, typed, operator };
        let current = self.current(plan.fleet.as_str()).await?;
        let way = Way::Resumed { run: kept.id, began: kept.started_at };
        let opened = self.open_gate(&current, plan, &[], &confirmation, way).await?;
        opened.map_err(|error| refused(&error))
    }

    /// Refuses to go forward where a newer roster took away a key or a say that a run was started with.
    pub(super) async fn still_approved(&self, kept: &KeptRun, plan: &Plan) -> Result<(), AppError> {
        let Some(terms) = &plan.consent else { return Ok(()) };
        let newest = self.ruling_roster(&plan.fleet).await?;
        if newest.reference().digest == terms.roster {
            return Ok(());
        }
        let named = self.roster_named(&plan.fleet, terms).await?;
        let (envelopes, spent) = {
            let mut conn = self.record().read().await?;
            let envelopes = plumb_store::approvals::of_plan(&mut conn, kept.plan).await?;
            let by_others = plumb_store::approvals::spent(&mut conn, Some(kept.id)).await?;
            let spent = plumb_store::approvals::spent(&mut conn, None).await?;
            (envelopes, &spent - &by_others)
        };
        for envelope in envelopes {
            let counted = signed_by_a_person(&envelope.envelope, &named, kept.started_at);
            let Some(counted) =
                counted.ok().filter(|one| spent.contains(&one.document().nonce.to_string()))
            else {
                continue;
            };
            if let Some(lost) = taken_away(&counted, &newest, self.now()) {
                let (person, version) = (counted.person(), newest.reference().version);
                let message = format!(
                    "it was started with the word of {person}, which version {version} of the roster \
                     takes away: {lost}"
                );
                let hint = format!(
                    "bring it back or abort it: plumb run resume {id} --roll-back REASON, \
                     plumb run abort {id}",
                    id = kept.id
                );
                return Err(AppError::new(Code::Invalid, message, hint));
            }
        }
        Ok(())
    }

    pub(super) fn order(&self, order: &RunOrder) -> Order {
        Order { by: self.0.options.operator.clone(), what: wish(order) }
    }
}

/// An order that would come to nothing is refused before anything goes on.
fn may_be_ordered(order: &Order, plan: &Plan, mut known: RunState) -> Result<(), AppError> {
    let at = known.started_at.unwrap_or_default();
    known.apply(&Event::RunResumed { by: order.by.clone() }, at);
    obey(order, plan, &known).map(drop).map_err(|error| unwanted(&error))
}
