//! Perform an approved plan; defines the ports it needs.

pub mod execute;
pub mod limits;
pub mod ports;
pub mod proof;

pub use execute::execute;
pub use ports::{Clock, EffectHandler, Journal, JournalError, Observation};
pub use proof::standing;
