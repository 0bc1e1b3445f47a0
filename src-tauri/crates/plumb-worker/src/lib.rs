//! Spawn, limit and replace the process that evaluates policies of others.
//!
//! Rego of others can hold an evaluator up, end its process or take all memory, and no guard inside
//! the process stops that. So this program starts itself again as a child that does nothing else:
//! no environment, no files, no network, little memory, little time. What ends the child is the
//! answer to the one question it was working on; the next question gets the next child.

mod call;
pub mod child;
mod follower;
mod frame;
pub mod limits;
mod pool;
mod process;

pub use call::Guards;
pub use follower::Follower;
pub use pool::{Passed, PoolOptions, WorkerPool};
pub use process::{ProcessLimits, Program, Told};
