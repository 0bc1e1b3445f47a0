//! Read bundle formats under limits, digest them, check their structure, diff their meaning; pure.

pub mod bundle;
pub mod canonical;
pub mod diff;
pub mod field_rule;
pub mod formats;
pub mod json;
pub mod limits;
pub mod lint;
pub mod text_diff;

#[doc(hidden)]
pub mod fuzz;

pub use bundle::{BaseDocument, Bundle, BundleError, Expiry, Format, Metadata};
pub use formats::{
    archive::ArchiveError,
    opa_archive::OpaArchive,
    pack::PolicyPack,
    signed_json::{Effect, SignedJson, StructureError},
};
