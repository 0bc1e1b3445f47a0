//! Throw-away certificate authority, transparency logs and timestamp authority, for demo and tests.
//!
//! It issues Sigstore bundles of every kind the verifier reads, and can break exactly one thing in
//! them ([`Fault`]), so that each check has a case which fails for that reason alone. It shares no
//! code with the verifier: what it issues follows the published formats.

pub mod fault;
pub mod pki;
pub mod recipe;

mod authority;
mod evidence;
mod log;
mod merkle;
mod timestamp;

pub use fault::Fault;
pub use pki::Pki;
pub use recipe::{Content, Issued, LogKind, Material, Recipe, Version};

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("a key or certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    #[error("a structure could not be encoded: {0}")]
    Encoding(#[from] der::Error),
    #[error("{time} is outside the years a certificate can name")]
    Time { time: jiff::Timestamp },
}
