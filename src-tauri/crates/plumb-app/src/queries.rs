//! Read use cases: the store and nothing else.

pub mod alerts;
pub mod approvals;
pub mod bundles;
pub mod charts;
pub mod credentials;
pub mod doctor;
pub mod drift;
pub mod events;
pub mod evidence;
pub mod fleet;
pub mod history;
pub mod incidents;
pub mod journal;
pub mod kept;
pub mod kept_approvals;
pub mod moments;
pub mod node;
pub(crate) mod reloads;
pub(crate) mod rollouts;
pub mod runs;
pub mod settings;
pub mod shell;
pub(crate) mod verification;
pub mod versions;
