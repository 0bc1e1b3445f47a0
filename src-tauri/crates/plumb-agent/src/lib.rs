//! The service beside a policy engine: verify, store, reload, decide, report.
//!
//! Start one with [`Agent::start`]. It answers as the field's reload service is documented, or in
//! field-compatible mode exactly as it was seen, and below `/v1/agent` what [`plumb_wire::v1`] says.

mod agent;
mod alerts;
mod approved;
mod chain;
mod config;
mod core;
mod decisions;
mod durable;
pub mod engine;
mod error;
pub mod fetch;
mod find;
mod governed;
mod guard;
mod history;
mod keeper;
mod lease;
mod limits;
mod list_source;
mod load;
mod logs;
mod metrics;
mod packs;
mod plans;
mod probe_file;
mod problem;
mod recorded;
mod reload;
mod replay;
mod roots;
mod routes;
mod rules;
mod shape;
pub mod sidecar;
mod stats;
mod sync;
mod tasks;

pub use agent::{Agent, RunningAgent};
pub use alerts::{AlertConfig, AlertKind, AlertRule, AlertSeverity};
pub use config::{
    AgentConfig, BUNDLE_VARIABLE, Clock, Governance, PORT, PackFetching, Polling, TrustKey,
};
pub use error::AgentError;
pub use list_source::ListSource;
pub use load::BundleShare;
pub use metrics::{FetchOutcome, Kind, Metric, PackMetrics, PackOrigin, metrics};
pub use packs::{EmbeddedSettings, PackEngine, TrialLimits};
pub use plumb_serve::TlsConfig;
pub use plumb_wire::v1::{LogLevel, NoBundle};
pub use probe_file::{PROBES_BYTES_MAX, ProbeEntry, ProbeFileError, read_probes};
pub use recorded::Recording;
