//! An answer or an attestation in a run of a runbook, signed by whoever gives it.

use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

/// What is signed where a step says which group may give it. The subject is the plan of the run, which holds the
/// texts of its documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookAnswer {
    /// The question, or what is attested, as whoever signed read it.
    pub asked: String,
    /// Which attempt of the step asked: what was signed for one answers no other.
    pub attempt: u32,
    pub fleet: FleetId,
    pub group: String,
    pub run: RunId,
    /// The answer, or the note of what was seen.
    pub said: String,
    pub step: String,
}

impl Predicate for RunbookAnswer {
    const TYPE: &'static str = "https://plumbline.invalid/runbook-answer/v1";
}

impl RunbookAnswer {
    pub fn statement(self, plan: PlanHash) -> Statement<Self> {
        Statement { subject: vec![Subject::new("plan", plan.0)], predicate: self }
    }
}
