//! One file per way of deciding.

pub mod first_match;
pub mod rego;
