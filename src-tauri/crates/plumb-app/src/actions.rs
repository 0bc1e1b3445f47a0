//! Use cases that change something, or fetch something on demand.

pub mod credentials;
pub mod enrol;
pub mod fetch;
pub mod prepare;
pub mod start;
