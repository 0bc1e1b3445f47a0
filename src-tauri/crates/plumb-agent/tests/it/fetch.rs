//! Packs from a registry: what is taken, what is refused, and what answers meanwhile.

mod agent;
mod deaths;
mod faults;
mod following;
mod hour;
pub(crate) mod registry;
mod sigstore;
pub(crate) mod sim;
mod store;
pub(crate) mod world;
