//! The gate: the only way from a plan to something the executor accepts.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::PlanHash;
use plumb_trust::{
    approval::{Act, Consent, Nonce, REASON_BYTES_MAX, Standing},
    roster::Rule,
};
use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    consent::{Approvals, standing_sentence},
    finding::{Finding, Severity},
    plan::{NodePlan, Plan},
    undo::Undo,
};

/// Environments in which a phrase must be typed.
const PRODUCTION: [&str; 2] = ["production", "prod"];
/// How soon a rollback that was started without approvals must be reviewed.
const REVIEW_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// The rung of the confirmation ladder a plan stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "level", rename_all = "snake_case")]
pub enum Rung {
    /// One node that has a way back: start at once, offer the exact undo.
    Undo,
    /// Reversible on many nodes, or another desired version: a dialog with the blast radius.
    Dialog,
    /// Production, or not reversible: type the phrase.
    Typed { phrase: String },
}

/// Whether a fleet of this environment is production, however the word is written.
pub fn is_production(environment: &str) -> bool {
    PRODUCTION.iter().any(|name| name.eq_ignore_ascii_case(environment.trim()))
}

/// Names the rung of a plan. The phrase is `fleet count`, for example `prod-eu 42`.
pub fn rung(plan: &Plan) -> Rung {
    let count = blast_radius(plan);
    let irreversible = plan.targets().any(|target| matches!(target.undo, Undo::Impossible { .. }));
    // The word of the fleet file is not less strict than that of the signed roster.
    let ruled = plan.consent.as_ref().map_or("", |terms| terms.rule.as_str());
    if is_production(&plan.environment) || is_production(ruled) || irreversible {
        return Rung::Typed { phrase: format!("{} {count}", plan.fleet) };
    }
    let leads_back = |target: &NodePlan| target.undo.is_possible();
    if count <= 1 && plan.desired.is_none() && plan.targets().all(leads_back) {
        Rung::Undo
    } else {
        Rung::Dialog
    }
}

/// How many nodes a plan is about: those it touches, or those whose desired version it changes when
/// they are more. Nodes without a pin of their own are pinned here, with no effect on any of them.
fn blast_radius(plan: &Plan) -> usize {
    let touched = plan.targets().count();
    let all = touched + plan.left_out.len();
    let pinned = match &plan.desired {
        None => 0,
        Some(change) => change.nodes.as_ref().map_or(all, Vec::len),
    };
    let lifted = plan.pins.as_ref().map_or(0, |pins| match pins.fleet {
        // Every node without a pin of its own follows the fleet's; the fleet is more than one.
        Some(_) => all.max(2),
        None => pins.nodes.len(),
    });
    touched.max(pinned).max(lifted)
}

/// What an operator gave to start a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Hash of the plan that was shown.
    pub seen: PlanHash,
    /// The phrase that was typed, where one was asked for.
    pub typed: Option<String>,
    pub operator: String,
}

/// Why a plan may not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    #[error("the plan changed since it was shown")]
    Changed,
    #[error("the plan does nothing")]
    Empty,
    #[error("{}: {first}", forbidding(*count))]
    Fatal { count: usize, first: String },
    #[error("the phrase {phrase:?} must be typed")]
    Phrase { phrase: String },
    #[error("the plan takes signed approvals under the rule of {rule}")]
    Unsigned { rule: String },
    #[error("a signed roster rules the fleet {fleet}, and the plan was made without it")]
    NoTerms { fleet: plumb_fleet::FleetId },
    #[error("{}", standing_sentence(standing))]
    NoConsent { standing: Box<Standing> },
    #[error("it may not start without approvals: {reason}")]
    NotAtNight { reason: &'static str },
}

fn forbidding(count: usize) -> String {
    match count {
        1 => "a finding forbids it".to_owned(),
        _ => format!("{count} findings forbid it, the first"),
    }
}

/// A plan that passed the gate. There is no other way to one than the functions of this module.
///
/// ```compile_fail
/// let approved = plumb_runbook::ApprovedPlan {
///     plan: todo!(),
///     operator: String::new(),
///     consent: None,
///     review: None,
///     spends: Default::default(),
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan {
    plan: Plan,
    operator: String,
    consent: Option<Consent>,
    review: Option<ReviewDue>,
    spends: BTreeSet<Nonce>,
}

/// A rollback that was started without approvals, and by when somebody else must have looked at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewDue {
    pub reason: String,
    pub due_at: Timestamp,
}

impl ApprovedPlan {
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The consent it was started with, where a signed roster rules its fleet.
    pub const fn consent(&self) -> Option<&Consent> {
        self.consent.as_ref()
    }

    /// Nonces of what was signed for it: no other run may use them.
    pub const fn spends(&self) -> &BTreeSet<Nonce> {
        &self.spends
    }

    /// Set when it was started without approvals.
    pub const fn review(&self) -> Option<&ReviewDue> {
        self.review.as_ref()
    }
}

/// Opens the gate for exactly the plan that was shown, in a fleet that no signed roster rules.
pub fn approve(
    plan: Plan,
    findings: &[Finding],
    confirmation: &Confirmation,
) -> Result<ApprovedPlan, ApprovalError> {
    check(&plan, findings, confirmation)?;
    if let Some(terms) = &plan.consent {
        return Err(ApprovalError::Unsigned { rule: terms.rule.clone() });
    }
    let operator = confirmation.operator.clone();
    Ok(ApprovedPlan { plan, operator, consent: None, review: None, spends: BTreeSet::new() })
}

/// Opens the gate for exactly the plan that was shown and that the people of the roster consented to,
/// with exactly these targets, bundles, dry run and readiness. Every warning must be acknowledged in
/// each approval.
pub fn approve_signed(
    plan: Plan,
    findings: &[Finding],
    confirmation: &Confirmation,
    approvals: &Approvals<'_>,
) -> Result<ApprovedPlan, ApprovalError> {
    check(&plan, findings, confirmation)?;
    let judged = approvals.judge(&plan, findings)?;
    let Standing::Consented(consent) = judged.standing else {
        return Err(ApprovalError::NoConsent { standing: Box::new(judged.standing) });
    };
    let operator = confirmation.operator.clone();
    let spends = consent.nonces().clone();
    Ok(ApprovedPlan { plan, operator, consent: Some(consent), review: None, spends })
}

/// Opens the gate for a rollback to last-known-good without approvals, at the hours in which the rule
/// allows it. Whoever asks must have signed the request, as for approvals: a person of the roster, for
/// exactly this plan, in time, and for one run. The plan is marked with the reason and with the review
/// that is due; what somebody refused does not start so.
pub fn approve_at_night(
    plan: Plan,
    findings: &[Finding],
    confirmation: &Confirmation,
    approvals: &Approvals<'_>,
    reason: &str,
) -> Result<ApprovedPlan, ApprovalError> {
    check(&plan, findings, confirmation)?;
    let rule = approvals.rule(&plan)?;
    night_allows(&plan, rule, reason, approvals)?;
    let spends = requests(&plan, findings, approvals)?;
    let due_at = approvals.now + REVIEW_WITHIN;
    let review = Some(ReviewDue { reason: reason.trim().to_owned(), due_at });
    let operator = confirmation.operator.clone();
    Ok(ApprovedPlan { plan, operator, consent: None, review, spends })
}

/// Nonces of the requests that whoever asks signed for a plan.
fn requests(
    plan: &Plan,
    findings: &[Finding],
    approvals: &Approvals<'_>,
) -> Result<BTreeSet<Nonce>, ApprovalError> {
    let judged = approvals.judge(plan, findings)?;
    match judged.standing {
        // Only a requester who signed gets as far as either.
        Standing::Missing { .. } | Standing::Consented(_) => {}
        standing => return Err(ApprovalError::NoConsent { standing: Box::new(standing) }),
    }
    let signed = judged.counted.iter().filter(|one| *one.act() == Act::Request);
    Ok(signed.map(|one| one.document().nonce).collect())
}

fn night_allows(
    plan: &Plan,
    rule: &Rule,
    reason: &str,
    approvals: &Approvals<'_>,
) -> Result<(), ApprovalError> {
    let refused = |reason| Err(ApprovalError::NotAtNight { reason });
    let Some(night) = rule.night_rollback else {
        return refused("the rule has no such hours");
    };
    if plan.action != (Action::Rollback { to: None }) {
        return refused("only a rollback to last-known-good may");
    }
    if approvals.roster.is_expired(approvals.now) {
        return refused("the roster expired; get the newest one");
    }
    if !night.is_open(approvals.now) {
        return refused("it is outside the hours of the rule");
    }
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return refused("say why, in at most 2,000 bytes");
    }
    Ok(())
}

/// What every plan must pass, whoever consents.
fn check(
    plan: &Plan,
    findings: &[Finding],
    confirmation: &Confirmation,
) -> Result<(), ApprovalError> {
    if plan.hash() != confirmation.seen {
        return Err(ApprovalError::Changed);
    }
    if plan.is_empty() {
        return Err(ApprovalError::Empty);
    }
    let mut fatal = findings.iter().filter(|finding| finding.severity == Severity::Fatal);
    if let Some(first) = fatal.next() {
        let node = first.node.as_ref().map(|node| format!("{node} ")).unwrap_or_default();
        return Err(ApprovalError::Fatal {
            count: 1 + fatal.count(),
            first: format!("{node}{}", first.message),
        });
    }
    if let Rung::Typed { phrase } = rung(plan)
        && confirmation.typed.as_deref() != Some(phrase.as_str())
    {
        return Err(ApprovalError::Phrase { phrase });
    }
    Ok(())
}
