//! Implementations of the executor's ports.

pub mod clock;
pub(crate) mod effects;
pub(crate) mod hub;
pub(crate) mod journal;
pub(crate) mod keeping;
pub(crate) mod lock;
mod words;
