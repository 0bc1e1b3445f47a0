//! Reviews of rollbacks that were started at night without approvals: listed until they are given.

use plumb_fleet::RunId;
use plumb_runbook::consent::bound;
use plumb_store::approvals::OpenReview;
use plumb_trust::{
    approval::{Act, ApprovalDraft, ChangeWindow, Expected, verify_review},
    roster::Roster,
};

use crate::{
    actions::{
        approve::{owner_of, role_of, sign},
        rosters::fleet_id,
    },
    app::App,
    error::{AppError, Code},
    personal_keys::KeyChoice,
    views::approvals::ReviewView,
};

impl App {
    /// Reviews of a fleet that are due, the most urgent first.
    pub async fn open_reviews(&self, fleet: &str) -> Result<Vec<ReviewView>, AppError> {
        let mut conn = self.record().read().await?;
        let open = plumb_store::approvals::open_reviews(&mut conn, &fleet_id(fleet)?).await?;
        let now = self.now();
        Ok(open
            .into_iter()
            .map(|one| ReviewView {
                run: one.run.to_string(),
                plan: one.plan.to_string(),
                operator: one.operator,
                reason: one.reason,
                due_at: one.due_at.to_string(),
                overdue: one.due_at <= now,
            })
            .collect())
    }

    /// Signs the review of a run and keeps it. Whoever asked for the run cannot give it.
    pub async fn review_run(
        &self,
        fleet: &str,
        run: &str,
        note: &str,
        role: Option<&str>,
        key: &KeyChoice,
    ) -> Result<(), AppError> {
        let fleet = fleet_id(fleet)?;
        let roster = self.ruling_roster(&fleet).await?;
        let open = {
            let mut conn = self.record().read().await?;
            plumb_store::approvals::open_reviews(&mut conn, &fleet).await?
        };
        let id: Option<RunId> = run.parse().ok();
        let due = open.into_iter().find(|one| Some(one.run) == id).ok_or_else(|| {
            let message = format!("no review of run {run:?} is due");
            AppError::new(Code::NotFound, message, "list them: plumb approvals list")
        })?;
        let envelope = self.signed_review(&roster, &due, note, role, key).await?;
        let expected = self.reviewed(&roster, &due).await?;
        let review =
            verify_review(&envelope, &roster, &expected, self.now()).map_err(|refusal| {
                let message = format!("the review does not count: {refusal}");
                AppError::new(Code::Invalid, message, "somebody else must look at the run")
            })?;
        let mut record = self.record().write().await?;
        plumb_store::approvals::add(&mut record, &self.kept(&review, &envelope)).await?;
        plumb_store::approvals::give_review(&mut record, due.run, review.payload()).await?;
        record.commit().await?;
        self.announce([crate::topics::Topic::fleet(&fleet)]);
        Ok(())
    }

    /// What a review is about: the plan of the run, under the roster that holds when it is looked at.
    async fn reviewed(&self, roster: &Roster, due: &OpenReview) -> Result<Expected, AppError> {
        let plan = self.kept_plan(due.run, due.plan).await?;
        let current = self.current(plan.fleet.as_str()).await?;
        let (_, evidence, spent) = self.signed_for(&plan, &current, None, self.now()).await?;
        let mut bound = bound(&plan, &evidence).ok_or_else(|| {
            let message = format!("the plan of run {} takes no approvals", due.run);
            AppError::new(Code::Invalid, message, "nothing has to be reviewed")
        })?;
        bound.roster = roster.reference();
        Ok(Expected { bound, warnings: std::collections::BTreeSet::new(), spent })
    }

    async fn signed_review(
        &self,
        roster: &Roster,
        due: &OpenReview,
        note: &str,
        role: Option<&str>,
        key: &KeyChoice,
    ) -> Result<Vec<u8>, AppError> {
        let expected = self.reviewed(roster, due).await?;
        let key = self.personal_key(key).await?;
        let person = owner_of(roster, key.public())?;
        let environment = expected.bound.environment.clone();
        let role = role_of(roster, &person, role, &environment)?;
        let now = self.now();
        let draft = ApprovalDraft {
            bound: expected.bound,
            act: Act::Review { note: note.to_owned() },
            person,
            role,
            acknowledged: std::collections::BTreeSet::new(),
            window: ChangeWindow { not_before: now, not_after: now },
            issued_at: now,
            expires_at: now + jiff::SignedDuration::from_hours(24),
        };
        sign(draft, &key).map(|(envelope, _)| envelope)
    }
}
