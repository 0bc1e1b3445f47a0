//! How a plan stands with those who must consent, from what is stored.

use plumb_runbook::{Approvals, Plan, consent::standing_sentence};
use plumb_store::approvals::KeptApproval;
use plumb_trust::{
    approval::{
        Act, ApprovalRefusal, BoundField, Judged, Standing, VerifiedApproval, Voided,
        signed_by_a_person,
    },
    roster::{GroupId, Roster},
};

use crate::{
    actions::dry_run::changed_since,
    app::App,
    error::{AppError, Code},
    ids,
    views::{
        approvals::{ApprovalsView, GivenView, VoidView},
        consent::WaitingPlanView,
    },
};

/// More plans than these wait nowhere; each is judged anew.
pub(crate) const WAITING_MAX: usize = 20;

impl App {
    /// What was given for a plan, what is missing and from whom, and what does not count and why.
    pub async fn approvals_of(&self, plan_hash: &str) -> Result<ApprovalsView, AppError> {
        let hash = ids::plan_hash(plan_hash)?;
        let (plan, kept, asked) = {
            let mut conn = self.record().read().await?;
            let plan = plumb_store::plans::get(&mut conn, hash).await?;
            let kept = plumb_store::approvals::of_plan(&mut conn, hash).await?;
            (plan, kept, plumb_store::approvals::request(&mut conn, hash).await?)
        };
        let plan = plan.ok_or_else(|| {
            let message = format!("there is no plan {}", hash.short());
            AppError::new(Code::NotFound, message, "list approvals with: plumb approvals list")
        })?;
        let plan: Plan = serde_json::from_str(&plan.document).map_err(|error| {
            let message = format!("the kept plan does not read back: {error}");
            AppError::new(Code::Other, message, "plan again")
        })?;
        let roster = self.ruling_roster(&plan.fleet).await?;
        let current = self.current(plan.fleet.as_str()).await?;
        let (envelopes, evidence, spent) =
            self.signed_for(&plan, &current, None, self.now()).await?;
        let asked =
            asked.and_then(|asked| plumb_runbook::ApprovalRequest::read(asked.as_bytes()).ok());
        let findings = asked.map(|asked| asked.findings).unwrap_or_default();
        let approvals = Approvals {
            roster: &roster,
            envelopes: &envelopes,
            evidence: &evidence,
            spent: &spent,
            now: self.now(),
        };
        let judged = approvals.judge(&plan, &findings).map_err(|error| {
            AppError::new(Code::Invalid, error.to_string(), "plan again, then ask for approvals")
        })?;
        let rule = roster.environment_of(&plan.fleet).map(|(_, all)| all.rule.sentence());
        let void = self.void_views(&plan, &roster, &kept, &judged.voided).await?;
        let (missing, may_approve) = missing(&judged);
        Ok(ApprovalsView {
            plan: hash.to_string(),
            fleet: plan.fleet.to_string(),
            rule: rule.unwrap_or_default(),
            consented: matches!(judged.standing, Standing::Consented(_)),
            standing: standing_sentence(&judged.standing),
            given: judged.counted.iter().map(given).collect(),
            missing,
            may_approve,
            void,
        })
    }

    /// Envelopes that do not count for a plan, with what differs. `voided` are places in `kept`.
    pub(crate) async fn void_views(
        &self,
        plan: &Plan,
        roster: &Roster,
        kept: &[KeptApproval],
        voided: &[Voided],
    ) -> Result<Vec<VoidView>, AppError> {
        let mut conn = self.record().read().await?;
        let mut views = Vec::new();
        for one in voided {
            let Some(of) = kept.get(one.index) else { continue };
            let changes = match &one.refusal {
                ApprovalRefusal::Changed { differences }
                    if differences.iter().any(|one| one.field == BoundField::DryRun) =>
                {
                    let signed = signed_by_a_person(&of.envelope, roster, self.now()).ok();
                    let signed = signed.and_then(|signed| signed.document().dry_run);
                    changed_since(&mut conn, plan.hash(), signed, self.now()).await?
                }
                _ => Vec::new(),
            };
            views.push(VoidView {
                person: of.person.clone(),
                act: of.act.clone(),
                code: one.refusal.name().to_owned(),
                reason: one.refusal.to_string(),
                changes,
                payload: of.payload.to_string(),
            });
        }
        Ok(views)
    }

    /// Plans of a fleet about which envelopes are kept, those with the newest first.
    pub async fn approved_plans(&self, fleet: &str) -> Result<Vec<String>, AppError> {
        /// Envelopes looked at; a page of plans has far fewer.
        const ENVELOPES_MAX: usize = 200;
        let fleet = crate::actions::rosters::fleet_id(fleet)?;
        let mut conn = self.record().read().await?;
        let kept = plumb_store::approvals::of_fleet(&mut conn, &fleet, ENVELOPES_MAX).await?;
        let mut plans: Vec<String> = Vec::new();
        for one in kept {
            let plan = one.plan.to_string();
            if !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        Ok(plans)
    }

    /// Plans of a fleet whose request counts and was used by no run, the newest request first.
    pub async fn waiting_plans(&self, fleet: &str) -> Result<Vec<WaitingPlanView>, AppError> {
        let mut waiting = Vec::new();
        for plan in self.approved_plans(fleet).await? {
            if waiting.len() == WAITING_MAX {
                break;
            }
            let approvals = match self.approvals_of(&plan).await {
                Ok(approvals) => approvals,
                // Made for another roster: nobody can consent to it any more.
                Err(error) if error.code == Code::Invalid => continue,
                Err(error) => return Err(error),
            };
            let Some(request) = approvals.given.iter().find(|given| given.act == "request") else {
                continue;
            };
            waiting.push(WaitingPlanView {
                title: self.plan_by_hash(&plan).await?.action.title(),
                requester: request.person.clone(),
                asked_at: request.issued_at.clone(),
                consented: approvals.consented,
                standing: approvals.standing,
                plan,
            });
        }
        Ok(waiting)
    }
}

fn missing(judged: &Judged) -> (Vec<String>, Vec<String>) {
    let Standing::Missing { quorums, may_approve } = &judged.standing else {
        return (Vec::new(), Vec::new());
    };
    let groups = quorums.iter().map(|quorum| {
        let groups: Vec<&str> = quorum.groups.iter().map(GroupId::as_str).collect();
        format!("{} of {}", quorum.count, groups.join(" or "))
    });
    (groups.collect(), may_approve.iter().map(ToString::to_string).collect())
}

fn given(approval: &VerifiedApproval) -> GivenView {
    let document = approval.document();
    GivenView {
        person: document.person.to_string(),
        role: document.role.to_string(),
        act: document.act.name().to_owned(),
        reason: match &document.act {
            Act::Refuse { reason } => Some(reason.clone()),
            Act::Review { note } => Some(note.clone()),
            Act::Request | Act::Approve => None,
        },
        issued_at: document.issued_at.to_string(),
        expires_at: document.expires_at.to_string(),
        payload: approval.payload().to_string(),
        key: approval.key().to_string(),
    }
}
