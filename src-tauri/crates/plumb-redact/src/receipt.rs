//! What redaction did, as it stands in evidence.

use serde::{Deserialize, Serialize};

use crate::rules::Class;

/// Which rules were on, and how often each of them found something. It tells nothing of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub format: String,
    /// Tokens of receipts with the same name may be compared.
    pub key: String,
    /// Different secrets.
    pub secrets: u64,
    pub rules: Vec<RuleReceipt>,
}

/// One rule that was on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleReceipt {
    pub rule: String,
    pub class: Class,
    /// How many places.
    pub replaced: u64,
}

/// The format that this program writes and reads.
pub const FORMAT: &str = "plumbline-redaction/1";

impl Receipt {
    pub(crate) fn new(key: String, secrets: u64, rules: Vec<RuleReceipt>) -> Self {
        Self { format: FORMAT.to_owned(), key, secrets, rules }
    }

    /// Whether this program knows the format.
    pub fn is_known(&self) -> bool {
        self.format == FORMAT
    }
}
