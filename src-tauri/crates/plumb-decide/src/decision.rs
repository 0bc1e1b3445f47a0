//! What a policy node answers.

use std::sync::Arc;

use serde::Serialize;

/// An answer. It serialises to exactly what the field's service puts under `decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub allowed: bool,
    pub require_confirmation: bool,
    pub reason: String,
    pub suggested_alternative: Option<String>,
    pub risk_level: Option<String>,
    /// The policy that decided; none when the default did.
    #[serde(skip)]
    pub matched: Option<Matched>,
}

/// The policy behind a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub index: usize,
    pub id: String,
    /// Conditions of that policy that this kind of node does not look at, so the answer may be
    /// wider than its author meant.
    pub ignored_conditions: Vec<Arc<str>>,
}

impl Decision {
    /// The reason given where no policy matches.
    pub const DEFAULT_REASON: &str = "default-allow";

    /// The answer where no policy matches: the field allows.
    pub fn default_allow() -> Self {
        Self {
            allowed: true,
            require_confirmation: false,
            reason: Self::DEFAULT_REASON.to_owned(),
            suggested_alternative: None,
            risk_level: None,
            matched: None,
        }
    }
}
