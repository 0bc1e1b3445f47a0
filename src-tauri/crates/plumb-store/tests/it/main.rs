//! The store on temporary files, through all migrations.

mod approvals;
mod contents;
mod heads;
mod horizon;
mod journal;
mod limits;
mod opening;
mod proof;
mod properties;
mod queries;
mod record;
mod reloads;
mod snapshots;
mod support;
