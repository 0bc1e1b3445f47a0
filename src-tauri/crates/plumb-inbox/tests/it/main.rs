//! Every store is held to the same behaviour; then each to its own faults.

mod conformance;
mod world;
