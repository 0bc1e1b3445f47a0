//! Use cases over real agents on loopback and real files.

mod certificates;
mod consent;
mod fleet;
mod interrupted;
mod journals;
mod notifications;
mod offline;
mod rollouts;
mod runs;
mod sharing;
mod undo;
mod verification;
mod world;
