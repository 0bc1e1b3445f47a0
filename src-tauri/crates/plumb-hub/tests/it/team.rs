//! The hub of a team over HTTP on loopback.

mod access;
mod alerts;
mod client;
mod contract;
mod fleets;
mod packs;
mod replicas;
mod telemetry;
mod tls;
