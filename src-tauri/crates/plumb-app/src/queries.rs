//! Read use cases: the store and nothing else.

pub mod drift;
pub mod fleet;
pub mod node;
pub mod runs;
pub mod settings;
pub mod shell;
