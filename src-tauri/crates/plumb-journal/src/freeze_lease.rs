//! A freeze as a signed lease: who may change nothing else, why, and by when it has to be lifted.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

/// While it holds, nothing is changed in the fleet but by its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeLease {
    pub fleet: FleetId,
    pub reason: String,
    pub run: RunId,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Predicate for FreezeLease {
    const TYPE: &'static str = "https://plumbline.invalid/freeze-lease/v1";
}

impl FreezeLease {
    /// The statement that is signed; its subject is the plan of the run.
    pub fn statement(self, plan: PlanHash) -> Statement<Self> {
        let digest: Digest = plan.0;
        Statement { subject: vec![Subject::new("plan", digest)], predicate: self }
    }
}
