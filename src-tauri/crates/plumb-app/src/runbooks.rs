//! Runbooks: the library, what lets a document run, and runs of them in the real world.

mod answer;
mod artifacts;
mod command;
mod consent;
mod dashboard;
mod figures;
mod freezes;
mod handler;
mod held;
mod library;
mod names;
mod nodes;
mod occasions;
mod record;
mod rehearse;
mod run;
mod shipped;
mod signature;
mod start;
mod starter;
pub(crate) mod transcript;

pub use dashboard::DashboardPace;
pub use library::{RunbookText, Shelf};
pub use run::RunbookRun;
pub use signature::RunbookSigned;
pub use start::{PreparedRunbook, RunbookRequest};

/// What front matter and a step block are read as; their schemas are published.
pub use plumb_runbook::document::{FrontMatter, Step};

pub(crate) use artifacts::kept_files;
pub(crate) use consent::ConsentRequest;
pub(crate) use nodes::in_runbook;
pub(crate) use record::{as_steps, asking_step, steps_of};
