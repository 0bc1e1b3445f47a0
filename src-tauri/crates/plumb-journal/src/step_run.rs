//! What the events of one step of a runbook come to.

use jiff::Timestamp;
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};

use crate::step_event::{StepEvent, StepOutcome};

/// What is known of a step from the journal alone. It has the same size after any number of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    pub phase: StepPhase,
    /// When it was started last.
    pub attempt: u32,
    /// Events until now.
    pub events: u32,
    /// When the newest of them happened.
    pub at: Timestamp,
    /// SHA-256 over the one before and the canonical JSON of the newest event, so that no word of any of them is
    /// another one without this being another.
    pub told: Digest,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    /// Something was said of it before it was started.
    Waiting,
    Started,
    Skipped,
    /// It came to a plan, which waits to be confirmed.
    Planned,
    /// The plan is carried out.
    Confirmed,
    Succeeded,
    Failed,
    /// It may or may not have happened.
    InDoubt,
}

impl StepPhase {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Started => "started",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
            Self::Confirmed => "confirmed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::InDoubt => "in doubt",
        }
    }
}

impl StepRun {
    pub(crate) const fn new(at: Timestamp) -> Self {
        let told = Digest::from_bytes([0; 32]);
        Self { phase: StepPhase::Waiting, attempt: 0, events: 0, at, told }
    }

    /// Takes in the next event.
    pub(crate) fn take(&mut self, event: &StepEvent, at: Timestamp) {
        let text = serde_json_canonicalizer::to_string(event).expect("an event always serialises");
        self.told = Digest::of(format!("{}\n{text}", self.told).as_bytes());
        self.events = self.events.saturating_add(1);
        self.at = at;
        self.phase = match event {
            StepEvent::Skipped { .. } => StepPhase::Skipped,
            StepEvent::Started { attempt, .. } => {
                self.attempt = *attempt;
                StepPhase::Started
            }
            StepEvent::Planned { .. } | StepEvent::NotCarried { .. } => StepPhase::Planned,
            StepEvent::Confirmed { .. } => StepPhase::Confirmed,
            StepEvent::Finished { outcome, .. } => match outcome {
                StepOutcome::Succeeded => StepPhase::Succeeded,
                StepOutcome::Failed | StepOutcome::NotBegun => StepPhase::Failed,
                StepOutcome::InDoubt => StepPhase::InDoubt,
            },
            StepEvent::Settled { happened: true, .. } => StepPhase::Succeeded,
            StepEvent::Settled { happened: false, .. } => StepPhase::Failed,
            StepEvent::Again { .. } => StepPhase::Waiting,
            StepEvent::Taken { .. }
            | StepEvent::Announced { .. }
            | StepEvent::Frozen { .. }
            | StepEvent::Unfrozen
            | StepEvent::Lifted { .. }
            | StepEvent::Overdue
            | StepEvent::Approved { .. }
            | StepEvent::Breached { .. } => self.phase,
        };
    }
}
