//! The agent as its clients see it, over HTTP on loopback.

mod access;
mod alerts;
mod bundles;
mod documented;
mod durability;
mod field;
mod load;
mod metrics;
mod own_api;
mod world;
