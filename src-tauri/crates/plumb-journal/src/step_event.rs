//! What can happen to a step of a runbook.

use jiff::Timestamp;
use plumb_fleet::PlanHash;
use plumb_runbook::document::StepEffect;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that happened to a step, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum StepEvent {
    /// Its condition does not hold, or somebody left it out with a reason.
    Skipped {
        reason: String,
        by: Option<String>,
    },
    /// Intent: this is about to be asked of the world, or of people.
    Started {
        attempt: u32,
        effect: StepEffect,
    },
    /// The steps it leads to, by the number of the arm; a step without arms has one.
    Taken {
        arm: u32,
        title: String,
    },
    /// What is about to be frozen was announced; it begins then.
    Announced {
        until: Timestamp,
    },
    /// The freeze holds until then, unless it is lifted.
    Frozen {
        until: Timestamp,
    },
    Unfrozen,
    /// Somebody lifted the freeze by hand: its run was over, or nobody carried it out any more.
    Lifted {
        by: String,
        reason: String,
    },
    /// The freeze should have been lifted by now.
    Overdue,
    /// The action came to this plan, and waits to be confirmed.
    Planned {
        plan: PlanHash,
        summary: String,
        phrase: Option<String>,
    },
    /// Somebody confirmed exactly that plan; it is about to be carried out.
    Confirmed {
        plan: PlanHash,
        by: String,
    },
    /// It was not carried out, and waits to be confirmed again.
    NotCarried {
        reason: String,
    },
    /// Consent of one group; signed where a roster rules the fleet.
    Approved {
        group: String,
        by: String,
        /// A DSSE envelope over [`RunbookConsent`](crate::RunbookConsent).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        envelope: Option<String>,
    },
    /// A figure beside it left its limits; it is stopped.
    Breached {
        monitor: String,
        detail: String,
    },
    Finished {
        outcome: StepOutcome,
        detail: String,
        /// What later conditions see of it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        result: Value,
        /// Who gave the answer, where a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// A DSSE envelope over [`RunbookAnswer`](crate::RunbookAnswer), where whoever gave it had to sign.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        envelope: Option<String>,
    },
    /// What was in doubt, as somebody found it.
    Settled {
        happened: bool,
        by: String,
        note: String,
    },
    /// Somebody wants it done once more; it only reads.
    Again {
        by: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Succeeded,
    Failed,
    /// It failed before anything was asked of the world: there is nothing to take back.
    NotBegun,
    /// It may or may not have happened; it is not done again.
    InDoubt,
}
