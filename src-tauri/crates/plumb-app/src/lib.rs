//! Use cases: queries, actions, background tasks; wires adapters to ports.

pub mod error;
pub mod topics;
pub mod views;
