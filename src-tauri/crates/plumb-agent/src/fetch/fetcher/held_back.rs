//! What the registry offers and is not to be run here: asked about, and not downloaded at every look.

use plumb_fleet::Digest;

use super::worker::Worker;
use crate::fetch::{decide::Held, failure::FetchFailure};

/// A pack that is not asked for again while the registry offers no other.
#[derive(Debug)]
pub(super) struct HeldBack {
    /// What this node was told to run when it came.
    pub(super) wants: Option<String>,
    pub(super) reason: String,
}

impl Worker {
    /// The ETag of the next request.
    pub(super) fn condition(&mut self) -> Option<String> {
        let wants = self.shared.activate.wants();
        if self.held_back.as_ref().is_some_and(|held_back| held_back.wants != wants) {
            // What was not to be run then may be now.
            self.run_everything();
        }
        self.memory.condition(&self.pace, self.shared.elapsed()).map(str::to_owned)
    }

    /// Remembers a pack that is not to be run here, so that it does not come at every look.
    pub(super) fn hold_back(&mut self, digest: Digest, etag: Option<String>, reason: &str) {
        self.memory.held_back = Some(Held { digest, etag });
        let wants = self.shared.activate.wants();
        self.held_back = Some(HeldBack { wants, reason: reason.to_owned() });
    }

    fn run_everything(&mut self) {
        self.memory.held_back = None;
        self.held_back = None;
    }

    /// This pack answers from now on.
    pub(super) fn holds(&mut self, digest: Digest, etag: Option<String>) {
        self.run_everything();
        self.memory.held = Some(Held { digest, etag });
    }

    /// What was remembered of a pack that was taken back.
    pub(super) fn was_taken_back(&self, digest: Digest) -> Option<FetchFailure> {
        let found = self.taken_back.iter().find(|taken_back| taken_back.digest == digest)?;
        Some(FetchFailure::TakenBack { reason: found.reason.clone() })
    }
}
