//! What crosses IPC: plain data in the operator's words, one file per feature.

pub mod convert;
pub mod drift;
pub mod fleet;
pub mod node;
pub mod plan;
pub mod run;
pub mod settings;
pub mod shell;

/// Most rows of one page.
pub const PAGE_ROWS_MAX: u32 = 500;
