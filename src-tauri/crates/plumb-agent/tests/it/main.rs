//! The agent as its clients see it, over HTTP on loopback, and its embedded engine.

mod access;
mod bundles;
mod documented;
mod durability;
mod engine;
mod field;
mod load;
mod own_api;
mod world;
