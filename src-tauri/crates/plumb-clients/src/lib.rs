//! Outbound HTTP: one adapter per node API; wire in, domain out.
//!
//! Whatever a node sends, `observe` gives a value: a report, or a failure with a sentence.

mod content;
pub mod credentials;
mod error;
mod escape;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod hub;
pub mod limits;
pub mod node;
mod nodes;
mod once;
pub mod operations;
pub mod prometheus;
pub mod sweep;

pub use credentials::{
    CredentialError, KeySafe, KeySafeError, Keyring, KeyringStatus, TokenSource,
};
pub use escape::{escape, escape_bytes};
pub use http::{HttpPool, Now, wall_clock};
pub use node::observe;
pub use operations::{Attempt, Operation, Outcome, PlanStep, perform};
pub use sweep::{SweepEnd, SweepOptions, SweepResult, sweep};
