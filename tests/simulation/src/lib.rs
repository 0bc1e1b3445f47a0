//! A fleet, its consoles and everything that goes wrong between them, from one seed.
//!
//! The executor under test is the real one. Network, nodes, disks, clocks and people are simulated:
//! time is tokio's paused time, chance comes from the seed, and one thread does everything, so that a
//! seed tells the same story each time.

pub mod chaos;
pub mod checker;
pub mod console;
pub mod fleet;
pub mod network;
pub mod pins;
pub mod scenario;
mod story;
mod undo;

pub use console::{CrashPoint, Defect};
pub use network::Fault;
pub use story::{Failure, Told, simulate, simulate_crash};
