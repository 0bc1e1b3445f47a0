//! A pack that passed every check, and the seam to the engine.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use plumb_bundle::{Bundle, PolicyPack};
use plumb_fleet::Digest;

use super::verify::VerificationReport;

/// A pack whose digest, signature, structure and name were checked. Only the fetcher makes one.
#[derive(Debug, Clone)]
pub struct VerifiedPack {
    pub(crate) id: String,
    pub(crate) etag: Option<String>,
    pub(crate) pack: Arc<PolicyPack>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) report: VerificationReport,
    pub(crate) correlation: String,
}

impl VerifiedPack {
    /// The name it was asked for by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the tar.
    pub fn digest(&self) -> Digest {
        self.pack.digest().0
    }

    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Its files, unpacked in memory.
    pub fn pack(&self) -> &Arc<PolicyPack> {
        &self.pack
    }

    /// Its modules as policies, with version and content digest.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Every check that was made.
    pub fn report(&self) -> &VerificationReport {
        &self.report
    }

    /// The id of the fetch it came by.
    pub fn correlation(&self) -> &str {
        &self.correlation
    }
}

/// Somebody who brings a pack into force.
pub trait Activate: Send + Sync + fmt::Debug {
    /// Compiles, probes and swaps, and returns once the engine answers by the pack. On a refusal, and
    /// when the future is dropped before it is done, what was in force before still is.
    fn activate<'a>(&'a self, pack: &'a VerifiedPack) -> BoxFuture<'a, Result<Activated, Refused>>;

    /// What this node is told to run, in words that change when that does; nothing when anything.
    fn wants(&self) -> Option<String> {
        None
    }

    /// Says why a sound pack is not what this node should run, as under a pin; then it is neither
    /// stored nor activated.
    fn accepts(&self, _pack: &VerifiedPack) -> Result<(), Refused> {
        Ok(())
    }
}

/// The engine answers by the pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activated {
    /// What the engine says about it, for the log.
    pub detail: Option<String>,
}

/// The engine did not take the pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    pub reason: String,
}
