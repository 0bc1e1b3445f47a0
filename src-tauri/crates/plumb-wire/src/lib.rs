//! The wire contracts of agent, pack endpoint and alerts; only types.
//!
//! Agents outlive consoles: answers may grow fields, so readers ignore what they do not know;
//! requests are strict, so that a newer console learns at once that an older agent cannot do it.

pub mod alerts;
pub mod hub;
pub mod packs;
pub mod v1;
