//! The store on temporary files, through all migrations.

mod opening;
mod reloads;
mod snapshots;
mod support;
