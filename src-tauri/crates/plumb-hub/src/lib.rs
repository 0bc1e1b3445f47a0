//! The service a fleet asks for its policy packs: the read part of the pack endpoint.
//!
//! A folder holds `<packId>.tar` and, for each tar, `<sha256 of the tar>.sigstore.json`. Because the
//! attestation is named by what it vouches for, and put there first, a pack and an attestation that
//! do not belong together are never served, however they are replaced.

mod access;
pub mod admin;
mod alerts;
mod api;
mod audit;
mod conditional;
mod desired;
mod error;
mod extract;
mod folder;
mod hub;
mod identity;
mod limits;
mod packs;
mod policies;
mod problem;
mod rates;
mod refused;
mod registry;
mod retention;
mod routes;
mod scope;
mod serve;
mod served;
mod state;
mod storage;

pub use error::HubError;
pub use folder::{PackFolder, build, publish};
pub use hub::{Clock, TeamHub, TeamOptions, serve_team};
pub use packs::{Packs, router};
pub use plumb_alert::{Retention, RetentionPolicy, RoleMatrix};
pub use plumb_inbox::{
    Durability, PostgresSettings, Settings as AlertSettings, backend::BACKEND_VARIABLE,
};
pub use plumb_wire::hub as wire;
pub use policies::Policies;
pub use rates::Rate;
pub use serve::{HubConfig, RunningHub, serve_packs};
pub use state::{StateError, StatePlace};
pub use storage::PackStorage;

/// The digest a version is known by: SHA-256 of its bytes, in hex.
pub fn digest(bytes: &[u8]) -> String {
    plumb_fleet::Digest::of(bytes).to_string()
}
