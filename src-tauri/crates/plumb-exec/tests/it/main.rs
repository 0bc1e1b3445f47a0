//! Runs against nodes that answer well, badly, late or not at all.

mod peers;
mod rollouts;
mod runs;
