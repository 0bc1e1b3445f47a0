//! The store on temporary files, through all migrations.

mod opening;
mod support;
