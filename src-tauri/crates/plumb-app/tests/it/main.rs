//! Use cases over real agents on loopback and real files.

mod alerts;
mod asking;
mod certificates;
mod company;
mod consent;
mod decisions;
mod dry_runs;
mod fleet;
mod gates;
mod hub_alerts;
mod interrupted;
mod journals;
mod keys;
mod locks;
mod notifications;
mod offline;
mod proof;
mod refused;
mod rollouts;
mod rosters;
mod runs;
mod sharing;
mod strict;
mod undo;
mod verification;
mod world;
