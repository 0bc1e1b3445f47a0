//! The way to the network that pools share. Once it is cut nothing is sent, and what is under way ends.

use std::sync::{Arc, OnceLock};

use plumb_fleet::{FailureKind, NodeFailure};
use tokio_util::sync::CancellationToken;

use crate::error::failure;

/// Shared by everything that sends. Cheap to clone; cut for all at once, and for good.
#[derive(Debug, Clone, Default)]
pub struct Uplink(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    why: OnceLock<&'static str>,
    cut: CancellationToken,
}

impl Uplink {
    /// Ends what is under way, and refuses what comes, with this reason.
    pub fn cut(&self, why: &'static str) {
        // Whoever came first said why.
        let _ = self.0.why.set(why);
        self.0.cut.cancel();
    }

    /// Why it was cut; nothing while it stands.
    pub fn why_cut(&self) -> Option<&'static str> {
        self.0.why.get().copied()
    }

    /// Refuses where it was cut.
    pub(crate) fn stands(&self) -> Result<(), NodeFailure> {
        self.why_cut().map_or(Ok(()), |why| Err(failure(FailureKind::Policy, why)))
    }

    /// Waits until it is cut, and tells why.
    pub(crate) async fn ended(&self) -> NodeFailure {
        self.0.cut.cancelled().await;
        failure(FailureKind::Policy, self.why_cut().unwrap_or("the network was left"))
    }
}
