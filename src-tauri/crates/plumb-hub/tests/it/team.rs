//! The hub of a team over HTTP on loopback.

mod access;
mod client;
mod contract;
mod fleets;
mod packs;
mod telemetry;
