//! Use cases over real agents on loopback and real files.

mod fleet;
mod offline;
mod runs;
mod sharing;
mod world;
