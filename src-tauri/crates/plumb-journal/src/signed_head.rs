//! What a signature over the head of a journal says, and when one is made.

use jiff::Timestamp;
use plumb_fleet::{Digest, RunId};
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

use crate::{chain::Head, event::Event, step_event::StepEvent};

/// The first events of a run are these: the hash of the newest covers them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalHead {
    /// When the newest event was journalled, so that whoever has the events can tell the statement from
    /// them alone.
    pub at: Timestamp,
    pub events: u64,
    pub hash: Digest,
    pub run: RunId,
}

impl Predicate for JournalHead {
    const TYPE: &'static str = "https://plumbline.invalid/journal-head/v1";
}

impl JournalHead {
    /// The statement that is signed; its subject is the newest event.
    pub fn statement(self) -> Statement<Self> {
        Statement { subject: vec![Subject::new("journal", self.hash)], predicate: self }
    }

    /// SHA-256 of the statement's bytes, as an envelope tells it of its payload.
    pub fn digest(self) -> Digest {
        Digest::of(&self.statement().canonical_bytes())
    }
}

impl Head {
    /// What is said of this head when the newest event was journalled at `at`.
    pub const fn at(&self, at: Timestamp) -> JournalHead {
        JournalHead { at, events: self.seq, hash: self.hash, run: self.run }
    }
}

/// Whether the head is signed after this event: at the start, when nodes were seen to arrive or not,
/// after each wave and whatever stops it, and at the end.
pub const fn is_signed_after(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted { .. }
            | Event::RunbookSigned { .. }
            | Event::NodeProven { .. }
            | Event::WaveStarted { .. }
            | Event::GatePassed { .. }
            | Event::Bypassed { .. }
            | Event::Halted { .. }
            | Event::RollbackStarted { .. }
            | Event::RunEnded { .. }
            | Event::Step {
                happened: StepEvent::Finished { .. }
                    | StepEvent::Approved { .. }
                    | StepEvent::Confirmed { .. }
                    | StepEvent::Frozen { .. }
                    | StepEvent::Lifted { .. }
                    | StepEvent::Settled { .. },
                ..
            }
    )
}
