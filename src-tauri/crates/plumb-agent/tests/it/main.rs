//! The agent as its clients see it, over HTTP on loopback.

mod access;
mod bundles;
mod documented;
mod durability;
mod fetch;
mod field;
mod load;
mod own_api;
mod world;
