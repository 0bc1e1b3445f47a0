//! Outbound HTTP: one adapter per node API; wire in, domain out.
//!
//! Whatever a node sends, `observe` gives a value: a report, or a failure with a sentence.

pub mod alert_sources;
mod content;
pub mod credentials;
mod durations;
mod error;
mod escape;
#[doc(hidden)]
pub mod fuzz;
pub mod grafana;
pub mod http;
pub mod hub;
pub mod limits;
pub mod node;
mod nodes;
mod once;
pub mod operations;
pub mod prometheus;
mod prometheus_api;
mod step_http;
pub mod sweep;
mod uplink;

pub use credentials::{
    CredentialError, KeySafe, KeySafeError, Keyring, KeyringStatus, TokenSource,
};
pub use durations::{Durations, decision_durations};
pub use escape::{escape, escape_bytes};
pub use http::{Answerer, HttpPool, Now, Received, Tap, wall_clock};
pub use node::observe;
pub use operations::{
    Attempt, Operation, Outcome, PlanStep, Signed, perform, put_signed, submit_plan,
};
pub use prometheus_api::{QueryError, query as query_prometheus};
pub use step_http::{PlainAnswer, PlainError, PlainRequest, send_plain};
pub use sweep::{SweepEnd, SweepOptions, SweepResult, sweep};
pub use uplink::Uplink;
