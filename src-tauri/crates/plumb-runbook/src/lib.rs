//! Actions as data: planner, findings, confirmation ladder and gate; pure.
//!
//! An action over selected nodes and one snapshot becomes a [`Plan`]; the plan is examined for
//! [`Finding`]s; [`approve`] and its kin alone turn it into the [`ApprovedPlan`] that the executor
//! accepts. Where a signed roster rules the fleet, that takes the consent of people ([`Approvals`]).

pub mod action;
pub mod approval;
pub mod consent;
pub mod effect;
pub mod finding;
pub mod pins;
pub mod plan;
mod render;
pub mod request;
mod told;
pub mod undo;

pub use action::{Action, shell_word};
pub use approval::{
    ApprovalError, ApprovedPlan, Confirmation, ReviewDue, Rung, approve, approve_at_night,
    approve_signed, is_production, rung,
};
pub use consent::{Approvals, ConsentTerms, Evidence};
pub use effect::Effect;
pub use finding::{Finding, FindingCode, Probe, Severity, findings};
pub use pins::{PinChange, PinTo};
pub use plan::{
    DesiredChange, LeftOut, LeftOutReason, NodePlan, Plan, PlanError, PlanInput, Running, Wave,
    blast_lines, path_on_node, plan,
};
pub use request::{ApprovalRequest, RequestError};
pub use undo::Undo;
