//! SQLite: migrations, query files, one module per table.
//!
//! Two files: `cache.sqlite` may be rebuilt from the nodes, `record.sqlite` may not be lost ([`Kind`]). A store function
//! takes `&mut SqliteConnection`; the use case owns the transaction: [`Database::read`] for a consistent view,
//! [`Database::write`] for changes, which are nothing until [`WriteTransaction::commit`].
//!
//! Moments of our own clock are kept to the millisecond, moments that nodes, bundles and journals tell exactly.
//!
//! Every query file is checked when this crate is built, against what `.sqlx` says of it. After a change of a query or a
//! migration, `./prepare.sh` writes `.sqlx` anew.

pub mod approvals;
pub mod catalogue;
pub mod certificates;
pub mod contents;
pub mod db;
pub mod desired;
pub mod dry_runs;
pub mod error;
pub mod fleets;
pub mod heads;
pub mod history;
pub mod horizon;
pub mod imported_certificates;
pub mod installation;
pub mod journal;
pub mod plans;
pub mod quiet;
pub mod readiness;
pub mod refused;
pub mod reloads;
pub mod retention;
pub mod rosters;
pub mod runbooks;
pub mod runs;
pub mod snapshots;
pub mod states;
pub mod sweeps;

mod intern;
mod report;
mod value;

pub use db::{Database, Kind, Notice, Opened, ReadTransaction, WriteTransaction};
pub use error::StoreError;
pub use horizon::Horizon;
pub use journal::JournalRow;
pub use snapshots::SweepMeta;
pub use sqlx::SqliteConnection;
