//! Use cases over real agents on loopback and real files.

mod certificates;
mod consent;
mod fleet;
mod interrupted;
mod journals;
mod locks;
mod notifications;
mod offline;
mod refused;
mod rollouts;
mod rosters;
mod runs;
mod sharing;
mod strict;
mod undo;
mod verification;
mod world;
