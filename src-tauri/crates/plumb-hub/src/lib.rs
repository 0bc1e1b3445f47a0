//! The service a fleet asks for its policy packs: the read part of the pack endpoint.
//!
//! A folder holds `<packId>.tar` and, for each tar, `<sha256 of the tar>.sigstore.json`. Because the
//! attestation is named by what it vouches for, and put there first, a pack and an attestation that
//! do not belong together are never served, however they are replaced.

mod error;
mod folder;
mod limits;
mod packs;
mod serve;

pub use error::HubError;
pub use folder::{PackFolder, build, publish};
pub use packs::{Packs, router};
pub use serve::{HubConfig, RunningHub, serve_packs};
