//! Freezes that were left behind: found, told, and lifted by hand.

use plumb_alert::LeftFreeze;
use plumb_exec::Journal as _;
use plumb_fleet::{FleetId, RunId};
use plumb_journal::{Event, StepEvent};
use plumb_store::runbooks::KeptFreeze;

use crate::{
    app::App,
    error::{AppError, Code, chain},
    ids::run_id,
    ports::journal::StoreJournal,
    topics::Topic,
    views::runbook::RunbookRunView,
};

impl App {
    /// Freezes of a fleet that nobody is going to lift: their run is over, its program died, or the lease ran
    /// out. One whose run waits for people within its lease is none.
    pub(crate) async fn freezes_left(&self, fleet: &FleetId) -> Result<Vec<LeftFreeze>, AppError> {
        let held = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::in_force(&mut conn, fleet).await?
        };
        let mut left = Vec::new();
        for held in held {
            let why = match self.why_left(&held).await {
                Ok(None) => continue,
                Ok(Some(why)) => why,
                // One of which nobody knows how its run stands hides none of the others.
                Err(error) => format!("how its run stands cannot be read: {}", error.message),
            };
            let KeptFreeze { run, step, reason, since, until } = held;
            left.push(LeftFreeze { run: run.to_string(), step, reason, since, until, why });
        }
        Ok(left)
    }

    async fn why_left(&self, held: &KeptFreeze) -> Result<Option<String>, AppError> {
        if let Some(end) = self.kept_run(held.run).await?.end {
            let how = end.outcome.replace('_', " ");
            return Ok(Some(format!("its run ended at {} ({how}) and did not lift it", end.at)));
        }
        if self.is_left_behind(&held.run.to_string()) {
            return Ok(Some("the program that carried its run out was killed".to_owned()));
        }
        Ok((held.until < self.now())
            .then(|| "its run did not lift it in time, and goes on or waits".to_owned()))
    }

    /// The phrase that lifts the freezes of a run by hand; an error says why they are not lifted so.
    pub async fn unfreeze_phrase(&self, run: &str) -> Result<String, AppError> {
        let run = run_id(run)?;
        let fleet = self.may_lift(run).await?;
        Ok(format!("unfreeze {fleet}"))
    }

    /// Lifts the freezes that a run left behind. Who did and why stands in the journal of the run.
    pub async fn unfreeze(
        &self,
        run: &str,
        typed: &str,
        reason: &str,
    ) -> Result<RunbookRunView, AppError> {
        let run = run_id(run)?;
        let fleet = self.may_lift(run).await?;
        let phrase = format!("unfreeze {fleet}");
        if typed != phrase {
            let message = format!("the phrase {phrase:?} must be typed");
            let hint = "while it is frozen nothing else changes the fleet: be sure that nobody relies on it";
            return Err(AppError::new(Code::Confirmation, message, hint));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            let hint = "say why it is lifted; it stands in the journal";
            return Err(AppError::new(Code::Invalid, "a reason must be given", hint));
        }
        let Some(lock) = self.own_run(run) else { return Err(carried_out(run)) };
        // Read again now that nobody else lifts them.
        let (fleet, held) = self.freezes_of(run).await?;
        let by = self.lifter(&fleet).await?;
        let lifted = |held: &KeptFreeze| Event::Step {
            step: held.step.clone(),
            happened: StepEvent::Lifted { by: by.clone(), reason: reason.to_owned() },
        };
        self.journal_again(run, held.iter().map(lifted).collect()).await?;
        let mut record = self.record().write().await?;
        for held in &held {
            plumb_store::runbooks::lift(&mut record, run, &held.step, self.now()).await?;
        }
        record.commit().await?;
        lock.done();
        self.announce([Topic::run(run), Topic::fleet(&fleet)]);
        self.runbook_run(&run.to_string()).await
    }

    /// The fleet of a run whose freezes may be lifted by hand: all of them were left behind.
    async fn may_lift(&self, run: RunId) -> Result<FleetId, AppError> {
        let (fleet, held) = self.freezes_of(run).await?;
        if self.loaded(fleet.as_str()).is_ok_and(|(_, loaded)| loaded.fleet.read_only) {
            let message = format!("fleet {fleet} is read-only");
            return Err(AppError::new(
                Code::Invalid,
                message,
                "lift it where the fleet may be changed",
            ));
        }
        self.lifter(&fleet).await?;
        if self.owns_run(run) {
            return Err(carried_out(run));
        }
        for held in &held {
            if self.why_left(held).await?.is_none() {
                let message = format!(
                    "run {run} waits for people within its lease, which ends at {}: nobody left its freeze behind",
                    held.until
                );
                let hint =
                    format!("roll it back or give it up: plumb runbook resume {run} --abort");
                return Err(AppError::new(Code::Invalid, message, hint));
            }
        }
        Ok(fleet)
    }

    /// Who lifts by hand: a person of the roster, where one rules the fleet.
    async fn lifter(&self, fleet: &FleetId) -> Result<String, AppError> {
        match self.roster_of(fleet).await? {
            Some(roster) => Ok(self.requester(&roster)?.to_string()),
            None => Ok(self.me()),
        }
    }

    /// The freezes of a run that hold, and its fleet.
    async fn freezes_of(&self, run: RunId) -> Result<(FleetId, Vec<KeptFreeze>), AppError> {
        let fleet = self.kept_run(run).await?.fleet;
        let mut held = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::in_force(&mut conn, &fleet).await?
        };
        held.retain(|held| held.run == run);
        if held.is_empty() {
            let message = format!("run {run} holds no freeze");
            let hint = "list the runs with theirs: plumb runbook list --runs";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        Ok((fleet, held))
    }

    /// Adds events to the journal of a run that nobody carries out.
    async fn journal_again(&self, run: RunId, events: Vec<Event>) -> Result<(), AppError> {
        let (_, _, entries) = self.runbook_record(run).await?;
        // The program may have died before the row was written: what is told already is not told twice. That the
        // journal does not tell of the freeze hinders nothing, since it may have died before that, too.
        let told = |step: &str| {
            entries.iter().any(|entry| {
                matches!(&entry.body.event, Event::Step { step: of, happened: StepEvent::Lifted { .. } } if of == step)
            })
        };
        let open = |event: &Event| match event {
            Event::Step { step, .. } => !told(step),
            _ => true,
        };
        let events: Vec<Event> = events.into_iter().filter(open).collect();
        if events.is_empty() {
            return Ok(());
        }
        let key = self.signer_again(run).await?;
        let (journal, writer) = StoreJournal::new(self.clone(), run, &entries, key);
        let writing = async move {
            let written = journal.append(events).await;
            drop(journal);
            written
        };
        let (written, ()) = tokio::join!(writing, writer);
        written.map_err(|error| AppError::new(Code::Other, chain(&error), "look at the disk"))
    }
}

fn carried_out(run: RunId) -> AppError {
    let message = format!("run {run} is carried out now, and lifts its freeze itself");
    AppError::new(Code::Busy, message, "wait for it, roll it back, or end that program first")
}
