//! Use cases over real agents on loopback and real files.

mod certificates;
mod company;
mod consent;
mod fleet;
mod gates;
mod interrupted;
mod journals;
mod offline;
mod proof;
mod rollouts;
mod runs;
mod sharing;
mod undo;
mod verification;
mod world;
