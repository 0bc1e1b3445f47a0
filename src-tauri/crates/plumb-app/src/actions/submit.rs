//! Plans handed to agents that verify approvals by themselves, before their first change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use plumb_clients::{HttpPool, Now, Signed, put_signed, submit_plan};
use plumb_fleet::{Node, NodeId, RunId, snapshot::REQUIRES_APPROVAL};
use plumb_runbook::{ApprovedPlan, Plan};
use plumb_wire::v1::PlanSubmission;

use crate::{
    app::{App, Loaded},
    current::Current,
    error::AppError,
};

/// Agents that are handed a plan at the same time: each gets the whole of it.
const SUBMISSIONS_AT_ONCE: usize = 8;
/// How long an agent may take to read and judge a plan of the largest fleet.
const SUBMISSION_DEADLINE: Duration = Duration::from_secs(30);

/// What is handed in for one run, and who has not taken it.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    document: Option<PlanSubmission>,
    roster: Vec<u8>,
    not_taken: Mutex<BTreeMap<NodeId, String>>,
}

impl Submission {
    /// Hands the plan in again where it was not taken; the error says why it is not.
    pub(crate) async fn taken_by(
        &self,
        pool: &HttpPool,
        node: &Node,
        now: &Now,
    ) -> Result<(), String> {
        let missing = {
            let not_taken = self.not_taken.lock().unwrap_or_else(PoisonError::into_inner);
            not_taken.contains_key(&node.id)
        };
        if !missing {
            return Ok(());
        }
        self.hand_in(pool, node, now).await?;
        self.not_taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&node.id);
        Ok(())
    }

    async fn hand_in(&self, pool: &HttpPool, node: &Node, now: &Now) -> Result<(), String> {
        let Some(document) = &self.document else { return Ok(()) };
        if !self.roster.is_empty() {
            // An agent with a newer roster says so, and judges by that.
            let put =
                put_signed(pool, node, Signed::Roster, &self.roster, SUBMISSION_DEADLINE, now);
            let _ = put.await;
        }
        submit_plan(pool, node, document, SUBMISSION_DEADLINE, now)
            .await
            .map_err(|failure| format!("did not take the plan: {}", failure.message))
    }
}

/// Nodes of a plan that say that they verify approvals themselves.
pub(crate) fn enforcing(plan: &Plan, current: &Current) -> BTreeSet<NodeId> {
    let requires = |node: &NodeId| {
        current.report(node).is_some_and(|report| report.config.contains_key(REQUIRES_APPROVAL))
    };
    plan.targets().map(|target| target.node.clone()).filter(requires).collect()
}

impl App {
    /// Hands an approved plan to every node of it that verifies approvals, all before the first effect, so
    /// that a window that closes while the run goes on closes for none of them.
    pub(crate) async fn hand_in(
        &self,
        run: RunId,
        approved: &ApprovedPlan,
        loaded: &Loaded,
    ) -> Result<Submission, AppError> {
        let plan = approved.plan();
        let current = self.current(plan.fleet.as_str()).await?;
        let nodes = enforcing(plan, &current);
        if nodes.is_empty() {
            return Ok(Submission::default());
        }
        let (envelopes, evidence, _) =
            self.signed_for(plan, &current, Some(run), self.now()).await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let document = PlanSubmission {
            plan: text(plan.canonical_bytes()),
            envelopes: envelopes.into_iter().map(text).collect(),
            evidence: serde_json::to_value(evidence).expect("evidence always serialises"),
            operator: approved.operator().to_owned(),
            night_reason: approved.review().map(|review| review.reason.clone()),
        };
        let roster = {
            let mut conn = self.record().read().await?;
            plumb_store::rosters::newest(&mut conn, &plan.fleet).await?.map(|kept| kept.envelope)
        };
        let submission = Submission {
            document: Some(document),
            roster: roster.unwrap_or_default(),
            not_taken: Mutex::default(),
        };
        let now = self.wall();
        let asked: Vec<_> = nodes
            .iter()
            .filter_map(|id| loaded.fleet.nodes.get(id))
            .map(|node| {
                let (submission, now) = (&submission, now.clone());
                async move { (node.id.clone(), submission.hand_in(&loaded.pool, node, &now).await) }
            })
            .collect();
        let answers: Vec<(NodeId, Result<(), String>)> =
            stream::iter(asked).buffer_unordered(SUBMISSIONS_AT_ONCE).collect().await;
        let not_taken =
            answers.into_iter().filter_map(|(node, answer)| Some((node, answer.err()?)));
        *submission.not_taken.lock().unwrap_or_else(PoisonError::into_inner) = not_taken.collect();
        Ok(submission)
    }
}
