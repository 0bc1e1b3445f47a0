//! The built program against servers on loopback, once for people and once for programs.

mod acting;
mod approvals;
mod backfill_kills;
mod backfill_watched;
mod bundles;
mod certificates;
mod contract;
mod crashes;
mod dashboards;
mod durability;
mod evaluation_process;
mod evidence;
mod evidence_live;
mod examples;
mod fleets;
mod freezes;
#[cfg(target_os = "linux")]
mod hostile;
mod hub;
mod impact;
mod journals;
#[cfg(target_os = "linux")]
mod left_behind;
mod looks;
mod object_storage;
mod own_inbox;
mod reading;
mod recorded;
mod recorder;
mod releases;
mod rollouts;
mod runbook_consent;
mod runbook_taken_back;
mod runbook_transcripts;
mod runbooks;
mod schema;
mod serving;
mod stamping;
mod strict;
mod trusting;
mod world;
