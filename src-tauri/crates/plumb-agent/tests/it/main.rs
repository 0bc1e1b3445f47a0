//! The agent as its clients see it, over HTTP on loopback.

mod documented;
mod world;
