//! The agent as its clients see it, over HTTP on loopback, and its embedded engine.

mod access;
mod alerts;
mod approved;
mod bundles;
mod documented;
mod durability;
mod engine;
mod fetch;
mod field;
mod governed;
mod load;
mod lock;
mod metrics;
mod own_api;
mod packs;
mod plans;
mod recorded;
mod sidecar;
mod world;
