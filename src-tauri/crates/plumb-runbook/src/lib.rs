//! Actions as data: planner, findings, confirmation ladder and gate; pure.
//!
//! An action over selected nodes and one snapshot becomes a [`Plan`]; the plan is examined for
//! [`Finding`]s; [`approve`] alone turns it into the [`ApprovedPlan`] that the executor accepts.

pub mod action;
pub mod approval;
pub mod finding;
pub mod plan;
mod render;

pub use action::{Action, shell_word};
pub use approval::{ApprovalError, ApprovedPlan, Confirmation, Rung, approve, is_production, rung};
pub use finding::{Finding, FindingCode, Probe, Severity, findings};
pub use plan::{
    DesiredChange, Effect, LeftOut, LeftOutReason, NodePlan, Plan, PlanError, PlanInput, Running,
    Undo, Wave, blast_lines, path_on_node, plan,
};
