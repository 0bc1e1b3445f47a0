//! Where alerts and incidents are kept, and the decisions of `plumb-alert` over them.
//!
//! A store keeps rows ([`AlertStore`], [`Rows`]) and decides nothing; an [`Inbox`] asks `plumb-alert` what becomes of
//! them, in one transaction of the store for each question. There are three stores: SQLite (the default, durable),
//! PostgreSQL (shared by many hubs; its clock decides between claimers) and memory (for tests).

pub mod backend;
mod error;
mod inbox;
mod memory;
mod migrate;
mod postgres;
mod sql;
mod sqlite;
mod store;

pub use backend::{Backend, BackendError, Settings};
pub use error::{InboxError, StoreFailure, Trouble};
pub use inbox::{
    CLAIM_MAX, Changes, ClaimRequest, Claimed, Gate, Inbox, LIST_MAX, RetentionPreview, Since,
};
pub use memory::MemoryStore;
pub use migrate::{Migration, Step};
pub use postgres::{
    PostgresSettings, PostgresStore, commit_failure as postgres_commit_failure,
    failure as postgres_failure, migrate as migrate_postgres,
};
pub use sql::within;
pub use sqlite::SqliteStore;
pub use store::{
    AlertQuery, AlertStore, Clock, Dashboard, Durability, Expiring, IncidentQuery, NoPlace,
    Pending, Place, Rows, SignatureCount, SourceSeen, StatusCount, Tip,
};
