//! One adapter per node API.

pub(crate) mod agent;
pub(crate) mod loose;
pub(crate) mod opa;
pub(crate) mod open_reload;
pub(crate) mod reload;
