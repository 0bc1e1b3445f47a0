//! What becomes of an alert: states, dedupe, triage cooldown, incidents, routing, roles and release gates.
//!
//! Every function takes what is known and the time, and answers with a [`Decided`]: the new value, and why. Who keeps
//! the values, and under which lock, is a store's matter; the rules are here once, for every store.

mod alert;
mod conversion;
mod dedupe;
mod detect;
mod explain;
mod ids;
mod incident;
mod life;
pub mod limits;
mod policy;
mod postmortem;
mod retention;
mod roles;
mod routing;
mod slo;
mod tentative;
mod triage;
mod why;

pub use alert::{Alert, Counts, Draft, Labels, Life, Outcome, Rejection, Severity, State, Status};
pub use conversion::{ConversionTerms, Converted, Linked, convert};
pub use dedupe::{Ingested, Spread, ingest, spread};
pub use detect::{
    DetectionRule, Disagreement, LeftFreeze, SWEEPS, Sweep, detect, lifted, over, quiet_sources,
};
pub use explain::{Explained, explain};
pub use ids::{AlertRef, IncidentRef, RefError};
pub use incident::{
    Appended, BypassKind, BypassReason, Closing, Frozen, Incident, IncidentEvent, IncidentState,
    TimelineEntry,
};
pub use life::{Acknowledgement, Caller, Failure, Lease};
pub use policy::PolicyError;
pub use postmortem::draft as postmortem_draft;
pub use retention::{Retention, RetentionPolicy};
pub use roles::{Denied, Entitlement, RoleMatrix};
pub use routing::{Defaults, ExpectedSource, Route, RoutingPolicy};
pub use slo::{
    Breach, GateMode, GateRequest, GateVerdict, Measured, ReleaseGates, SloPolicy, judge,
};
pub use tentative::{Reconciled, TentativeClaim};
pub use triage::{SignatureState, TriageDecision, Triaged, decide as decide_triage, triage};
pub use why::{Decided, Refusal, Why};
