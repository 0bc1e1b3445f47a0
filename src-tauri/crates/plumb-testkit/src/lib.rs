//! Dev-only: fixed clock, seeded ids, throw-away keys, builders for integration tests.

pub mod builders;
pub mod clock;
pub mod company;
pub mod grafana;
pub mod ids;
pub mod mutate;
pub mod peer;
#[cfg(unix)]
pub mod postgres;
