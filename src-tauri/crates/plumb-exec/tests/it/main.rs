//! Runs against nodes that answer well, badly, late or not at all.

mod peers;
mod pins;
mod rollouts;
mod runs;
mod steps;
