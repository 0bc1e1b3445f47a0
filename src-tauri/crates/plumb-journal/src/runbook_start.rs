//! The start of a run of a runbook, signed by whoever starts it.

use jiff::Timestamp;
use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_trust::{
    dsse::{Predicate, Statement, Subject},
    roster::PersonId,
};
use serde::{Deserialize, Serialize};

/// What is signed. The subject is the plan of the run, which holds the texts of its documents and all values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookStart {
    pub fleet: FleetId,
    pub run: RunId,
    /// The person of the roster whose key signs.
    pub by: PersonId,
    pub at: Timestamp,
}

impl Predicate for RunbookStart {
    const TYPE: &'static str = "https://plumbline.invalid/runbook-start/v1";
}

impl RunbookStart {
    pub fn statement(self, plan: PlanHash) -> Statement<Self> {
        Statement { subject: vec![Subject::new("plan", plan.0)], predicate: self }
    }
}
