//! The pack endpoint as its readers see it.

mod contract;
mod following;
mod team;
mod world;
