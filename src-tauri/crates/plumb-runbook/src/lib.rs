//! Actions as data: planner, findings, confirmation ladder and gate; pure.
//!
//! An action over selected nodes and one snapshot becomes a [`Plan`]; the plan is examined for
//! [`Finding`]s; [`approve`] and its kin alone turn it into the [`ApprovedPlan`] that the executor
//! accepts. Where a signed roster rules the fleet, that takes the consent of people ([`Approvals`]).

pub mod action;
pub mod approval;
pub mod back;
pub mod consent;
pub mod decisions;
pub mod document;
pub mod dry_run;
pub mod effect;
pub mod finding;
pub mod gate;
mod left_out;
pub mod pins;
pub mod plan;
pub mod readiness;
mod render;
pub mod request;
pub mod rollout;
mod told;
pub mod undo;

pub use action::{Action, shell_word};
pub use approval::{
    ApprovalError, ApprovedPlan, Confirmation, ReviewDue, Rung, approve, approve_at_night,
    approve_signed, is_production, rung,
};
pub use back::Branch;
pub use consent::{Approvals, ConsentTerms, Evidence};
pub use decisions::{Compared, ContentChange, FlipCounts, FlipKind, ReadAs};
pub use dry_run::{DryRun, DryRunNode, Precondition, Readiness, VerifyAnswer};
pub use effect::Effect;
pub use finding::{Finding, FindingCode, Probe, Severity, bundle_of, findings, findings_around};
pub use gate::{Gate, GateCheck, Milli, MilliError};
pub use pins::{PinChange, PinTo, pin_of};
pub use plan::{
    DesiredChange, LeftOut, LeftOutReason, NodePlan, Plan, PlanError, PlanInput, Running,
    SetDifference, Wave, path_on_node, plan,
};
pub use readiness::{
    Checklist, Circumstances, HeldLock, ItemState, Offered, Promotion, Refusing, WayBack,
};
pub use render::blast_lines;
pub use request::{ApprovalRequest, RequestError};
pub use rollout::{FreezeWindow, OnFailure, Rollout, Shape, roll_out, waves};
pub use undo::Undo;
