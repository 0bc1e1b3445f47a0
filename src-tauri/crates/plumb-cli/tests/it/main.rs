//! The built program against servers on loopback, once for people and once for programs.

mod acting;
mod approvals;
mod bundles;
mod contract;
mod evaluation_process;
mod examples;
mod fleets;
mod journals;
mod looks;
mod reading;
mod schema;
mod serving;
mod trusting;
mod world;
