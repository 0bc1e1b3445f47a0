//! One file per bundle format.

pub mod archive;
pub mod opa_archive;
pub mod pack;
pub mod signed_json;
