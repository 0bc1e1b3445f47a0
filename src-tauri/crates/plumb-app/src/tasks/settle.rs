//! Runs whose program ended in the middle: what was in doubt is settled by looking, never by sending again.

use plumb_exec::{Journal as _, pins_changed, standing};
use plumb_fleet::{FleetId, RunId, Snapshot};
use plumb_journal::{Entry, Event, NodePhase, Outcome, RunState, fold};
use plumb_runbook::{Branch, NodePlan, Plan};
use tracing::{info, warn};

use crate::{
    app::{App, Loaded},
    error::{AppError, Code, chain},
    ports::{effects::observation, journal::StoreJournal, lock::FleetLock},
    topics::Topic,
};

impl App {
    /// Ends runs of a fleet that nobody carries out any more, with what a sweep saw of their nodes.
    pub(crate) async fn settle_interrupted(
        &self,
        loaded: &Loaded,
        snapshot: &Snapshot,
    ) -> Result<(), AppError> {
        for run in self.unfinished_runs(&loaded.fleet.name).await? {
            // Whoever holds the lock carries it out; whoever takes it here settles it alone.
            let Some(lock) = self.own_run(run) else { continue };
            match self.settle(run, loaded, snapshot).await {
                Ok(()) => lock.done(),
                Err(error) => warn!(%run, error = %error.message, "interrupted run not settled"),
            }
        }
        Ok(())
    }

    async fn unfinished_runs(&self, fleet: &FleetId) -> Result<Vec<RunId>, AppError> {
        let mut conn = self.record().read().await?;
        let unfinished = plumb_store::runs::unfinished(&mut conn).await?;
        Ok(unfinished.into_iter().filter(|run| run.fleet == *fleet).map(|run| run.id).collect())
    }

    /// Journals what is seen of nodes in doubt, and the end.
    async fn write_end(
        &self,
        run: RunId,
        plan: &Plan,
        entries: &[Entry],
        snapshot: &Snapshot,
    ) -> Result<Outcome, AppError> {
        let state = fold(entries);
        let in_doubt = |target: &&NodePlan| {
            let phase = state.nodes.get(&target.node).map(|node| node.phase);
            matches!(phase, Some(NodePhase::Acting | NodePhase::Accepted | NodePhase::InDoubt))
        };
        let mut events = Vec::from_iter(self.settled_pins(plan, &state).await?);
        events.extend(plan.targets().filter(in_doubt).map(|target| seen(target, snapshot)));
        events.push(Event::RunEnded { outcome: Outcome::Interrupted });
        let key = self.signer_again(run).await?;
        let (journal, writer) = StoreJournal::new(self.clone(), run, entries, key);
        let writing = async move {
            let written = journal.append(events).await;
            drop(journal);
            written
        };
        let (written, ()) = tokio::join!(writing, writer);
        written.map_err(|error| AppError::new(Code::Other, chain(&error), "look at the disk"))?;
        Ok(Outcome::Interrupted)
    }

    /// What came of an intent to change pins of the console: they stand in the same record as the journal.
    async fn settled_pins(&self, plan: &Plan, state: &RunState) -> Result<Option<Event>, AppError> {
        let Some(pins) = plan.pins_after().filter(|_| state.pins_pending) else { return Ok(None) };
        Ok(Some(if self.pins_stand(&plan.fleet, &pins).await? {
            pins_changed(plan, false, pins)
        } else {
            let reason = "the program ended before they were changed".to_owned();
            Event::PinsUnchanged { reason }
        }))
    }

    async fn settle(
        &self,
        run: RunId,
        loaded: &Loaded,
        snapshot: &Snapshot,
    ) -> Result<(), AppError> {
        let (plan, entries) = self.run_record(run).await?;
        let state = fold(&entries);
        // A rollout is carried on from its journal by whoever decides to, so it is not given up.
        if plan.rollout.is_some() && state.started_at.is_some() && state.outcome.is_none() {
            return Ok(());
        }
        // Where the journal has its end, only the row was left open.
        let outcome = match state.outcome {
            Some(outcome) => outcome,
            None => self.write_end(run, &plan, &entries, snapshot).await?,
        };
        self.conclude(run, outcome, None).await?;
        // Its program is gone, and would keep the next one out for as long as its lease lasts.
        match FleetLock::new(self.clone(), loaded.clone(), run, &plan).await {
            Ok(lock) => lock.give_back().await,
            Err(error) => warn!(%run, %error, "its lease at the hub ends by itself"),
        }
        info!(%run, outcome = outcome.name(), "interrupted run settled");
        self.announce([Topic::run(run)]);
        Ok(())
    }
}

/// What the sweep saw of a node, compared with what the plan promised.
fn seen(target: &NodePlan, snapshot: &Snapshot) -> Event {
    let node = target.node.clone();
    match observation(snapshot.nodes.get(&target.node)) {
        Err(_) => Event::NodeProven {
            node,
            version: None,
            content: None,
            arrived: false,
            detail: "does not answer; what it runs is not known".to_owned(),
            branch: Branch::Forward,
        },
        Ok(seen) => {
            let (arrived, detail) = match standing(target, &seen) {
                Ok(shown) => (true, shown),
                Err(missing) => (false, format!("{missing}, planned was {}", target.after)),
            };
            Event::NodeProven {
                node,
                version: seen.version,
                content: seen.content,
                arrived,
                detail,
                branch: Branch::Forward,
            }
        }
    }
}
