//! The built program against servers on loopback, once for people and once for programs.

mod acting;
mod approvals;
mod bundles;
mod certificates;
mod contract;
mod crashes;
mod durability;
mod evaluation_process;
mod evidence;
mod examples;
mod fleets;
#[cfg(target_os = "linux")]
mod hostile;
mod hub;
mod impact;
mod journals;
mod looks;
mod reading;
mod recorded;
mod recorder;
mod rollouts;
mod runbooks;
mod schema;
mod serving;
mod strict;
mod trusting;
mod world;
