//! Every store is held to the same behaviour; then each to its own faults.

mod backend;
mod conformance;
mod crashes;
mod following;
mod gated;
mod interleavings;
mod postgres;
mod storms;
mod world;
