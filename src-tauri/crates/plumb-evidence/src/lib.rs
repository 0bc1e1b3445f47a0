//! Write, seal, open and verify evidence: one archive that proves a run or a capture.
//!
//! [`Capture`] collects into a folder ([`Draft`]) that holds whenever the program ends, and redacts before
//! a byte is written. [`seal`] makes one signed archive of it. [`Archive`] reads such a file strictly, and
//! [`verify`] tells of each promise whether it is kept.

pub mod archive;
pub mod capture;
pub mod diff;
pub mod draft;
#[doc(hidden)]
pub mod fuzz;
mod instructions;
pub mod journal;
pub mod limits;
pub mod live;
pub mod manifest;
pub mod name;
pub mod proofs;
pub mod raw;
pub mod report;
pub mod rosters;
pub mod seal;
pub mod verify;

pub use archive::{Archive, ArchiveError, Entry, EntryProblem, FileSource, Source};
pub use capture::{Capture, CaptureError};
pub use draft::{Draft, DraftError};
pub use manifest::{About, Evidence, Missing, RunPart, Window};
pub use name::EntryName;
pub use seal::{Prepared, Seal, SealError, Sealed, prepare, seal, seal_prepared};
pub use verify::{CheckName, Finding, Outcome, Trust, Verification, verify};
