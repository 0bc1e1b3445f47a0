//! The gate: the only way from a plan to something the executor accepts.

use plumb_fleet::PlanHash;
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, Severity},
    plan::{NodePlan, Plan},
    undo::Undo,
};

/// Environments in which a phrase must be typed.
const PRODUCTION: [&str; 2] = ["production", "prod"];

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
    if is_production(&plan.environment) || irreversible {
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
}

fn forbidding(count: usize) -> String {
    match count {
        1 => "a finding forbids it".to_owned(),
        _ => format!("{count} findings forbid it, the first"),
    }
}

/// A plan that passed the gate. Signed approvals join here; there is no other constructor.
///
/// ```compile_fail
/// let approved = plumb_runbook::ApprovedPlan { plan: todo!(), operator: String::new() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan {
    plan: Plan,
    operator: String,
}

impl ApprovedPlan {
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn operator(&self) -> &str {
        &self.operator
    }
}

/// Opens the gate for exactly the plan that was shown.
pub fn approve(
    plan: Plan,
    findings: &[Finding],
    confirmation: &Confirmation,
) -> Result<ApprovedPlan, ApprovalError> {
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
    if let Rung::Typed { phrase } = rung(&plan)
        && confirmation.typed.as_deref() != Some(phrase.as_str())
    {
        return Err(ApprovalError::Phrase { phrase });
    }
    Ok(ApprovedPlan { plan, operator: confirmation.operator.clone() })
}
