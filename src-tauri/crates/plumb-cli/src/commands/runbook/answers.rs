//! Answers from a file, for runs that nobody sits beside.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde::Deserialize;

use crate::exit::Failure;

/// Largest file of answers.
const BYTES_MAX: u64 = 1024 * 1024;

/// What is said to a run, by the ids of its steps.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Answers {
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) hosts: BTreeSet<String>,
    /// Answers to questions.
    #[serde(rename = "answers")]
    pub(super) said: BTreeMap<String, String>,
    /// Notes of what somebody saw or announced.
    pub(super) attest: BTreeMap<String, String>,
    /// The phrase of a plan, or yes where none has to be typed.
    pub(super) confirm: BTreeMap<String, String>,
    pub(super) approvals: Vec<Approval>,
    /// Why a step that failed is left out, where the runbook allows it.
    pub(super) skip: BTreeMap<String, String>,
}

/// Consent of one group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    pub(super) step: String,
    pub(super) group: String,
    pub(super) by: String,
}

impl Answers {
    pub(super) fn read(path: &Utf8Path) -> Result<Self, Failure> {
        let bad = |error: &dyn std::fmt::Display| {
            let hint =
                "tables: parameters, answers, attest, confirm, skip; lists: hosts, approvals";
            Failure::usage(format!("{path}: {error}"), hint)
        };
        let size = path.metadata().map_err(|error| bad(&error))?.len();
        if size > BYTES_MAX {
            return Err(bad(&format!("answers have at most {BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| bad(&error))?;
        toml::from_str(&text).map_err(|error| bad(&error))
    }
}
