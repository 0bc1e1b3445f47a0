//! Why OPA does not decide by a pack, as values.

use std::fmt;

use plumb_bundle::ArchiveError;
use serde::Serialize;

use super::status::OpaFault;

/// Why OPA did not take a pack.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpaFailure {
    #[error("the pack cannot be made into a bundle")]
    Form(#[source] ArchiveError),
    #[error("OPA cannot be reached: {problem}")]
    Unreachable { problem: String },
    #[error("OPA did not answer {what} in time")]
    Late { what: String },
    #[error("OPA is busy: it answered {what} with {status}")]
    Busy { what: String, status: u16 },
    #[error(
        "OPA tells no status, so nobody can know what it decides by: give its configuration a \"status\" section, as in {{\"status\": {{\"prometheus\": true}}}}"
    )]
    NoStatus,
    #[error("OPA wants another token for {what}: see --opa-token-file")]
    Unauthorized { what: String },
    #[error("OPA answered {what} with {status}: {fault}")]
    Refused { what: String, status: u16, fault: Box<OpaFault> },
    #[error("OPA answered {what} with something else than the API says: {problem}")]
    Unexpected { what: String, problem: String },
    #[error("OPA refused the bundle: {0}")]
    Bundle(Box<OpaFault>),
    #[error(
        "OPA never asked for /bundles/{name} at http://{listen} within {limit_s} s: see the help about the OPA sidecar for its configuration"
    )]
    NotAsked { name: String, listen: String, limit_s: u64 },
    #[error(
        "OPA fetched the bundle and did not activate it within {limit_s} s; its newest revision is {revision}"
    )]
    NotActivated { limit_s: u64, revision: String },
    #[error("OPA answers a probe otherwise than it has to: {objection}")]
    Probe { objection: String },
    #[error(
        "{path} is YAML, which cannot be put into OPA: write it as JSON, or use --opa-mode bundle"
    )]
    Yaml { path: String },
    #[error(
        "OPA takes none of the remaining modules one by one; first {first}: use --opa-mode bundle where modules depend on one another"
    )]
    Tangled { first: String },
    #[error(
        "OPA does not have what was just put there: {what}; it restarted, or somebody else writes to it"
    )]
    Lost { what: String },
    #[error("what OPA has cannot be written down before it is changed")]
    Journal(#[source] std::io::Error),
    #[error("an earlier change is still being taken back")]
    StillRestoring,
    #[error("it was given up from outside")]
    Cancelled,
}

impl OpaFailure {
    /// Whether the same request may be answered a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Late { .. } | Self::Busy { .. })
    }

    /// Whether OPA did not answer at all.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether OPA judged the pack, and not only the circumstances.
    pub(super) fn is_judgement(&self) -> bool {
        !self.is_passing()
            && !matches!(self, Self::NotAsked { .. } | Self::NotActivated { .. } | Self::NoStatus)
    }

    /// What OPA itself said, where it said something.
    pub(super) fn fault(&self) -> Option<&OpaFault> {
        match self {
            Self::Bundle(fault) | Self::Refused { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// What answers after a pack was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Return {
    /// OPA was seen to decide as before.
    Answers,
    /// It is offered or written again as soon as OPA answers; that was not seen yet.
    Awaited,
    /// There was nothing before, and OPA said nothing against the pack: it stays on offer.
    Offered,
    /// There was nothing before.
    Nothing,
}

impl fmt::Display for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answers => "the former pack answers",
            Self::Awaited => "OPA was not yet seen to be back at the former pack; that goes on",
            Self::Offered => "there was no pack before, so this one stays on offer",
            Self::Nothing => "there was no pack before",
        })
    }
}
