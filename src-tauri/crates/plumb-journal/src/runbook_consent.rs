//! Consent to a run of a runbook: by one person, for one group, at one step of one run.

use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

/// What is signed. The subject is the plan of the run, which holds the texts of its documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookConsent {
    pub fleet: FleetId,
    pub group: String,
    pub run: RunId,
    pub step: String,
}

impl Predicate for RunbookConsent {
    const TYPE: &'static str = "https://plumbline.invalid/runbook-consent/v1";
}

impl RunbookConsent {
    pub fn statement(self, plan: PlanHash) -> Statement<Self> {
        Statement { subject: vec![Subject::new("plan", plan.0)], predicate: self }
    }
}
