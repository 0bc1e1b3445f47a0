//! Policy packs from a registry: ask, check, keep, activate, and stay on last-known-good when any of
//! it goes wrong.
//!
//! The order is fixed and fails closed: conditional GET, SHA-256 against `Digest`, attestation,
//! signature, unpacking under limits, store, activation. Poll, long poll and push feed one queue, and
//! one task works it off, so two reloads never overlap; the lock on the store's folder keeps other
//! processes out.

mod alert;
mod audit;
mod config;
mod decide;
mod digest;
mod disk;
mod failure;
mod fetcher;
mod follow;
mod limits;
mod metrics;
mod pack;
mod sigstore;
mod source;
mod sse;
mod status;
mod store;
mod verify;

pub use alert::{Alert, Severity};
pub use config::{ClientTls, FetchConfig, FetchMode, FetchSettingError};
pub use decide::{Held, Memory, Outcome, Pace, Seen, Step};
pub use digest::{DigestFieldError, read_digest_field};
pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use failure::{Cause, FetchFailure, Stage};
pub use fetcher::{EventSink, FetchError, FetchParts, Fetcher, LogSink};
pub(crate) use fetcher::{FetchHandle, Sound, StoredPack, on_blocking_thread};
pub use pack::{Activate, Activated, Refused, VerifiedPack};
pub use sigstore::SigstoreVerifier;
pub use source::{Answer, Ask, Attestation, HttpSource, PackSource, Pieces, SourceError};
pub(crate) use source::{client, read_body};
pub use status::{ActivePack, Attempt, Ended, FetchEvent, FetchStatus, FetchTrigger};
pub use store::{PackStore, Record, Slot, StoreError, TakenBack};
pub use verify::{NamedCheck, PackVerifier, Refusal, Signed, VerificationReport};
