//! The audit log: refusals, and what was changed on purpose.

use serde::{Deserialize, Serialize};

use crate::state::{Change, topic::AUDIT};

/// A line as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Audited {
    /// Nobody known, where it is empty.
    pub(crate) who: String,
    pub(crate) role: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) outcome: String,
    pub(crate) detail: String,
}

impl Change {
    /// Writes down who did what, with the change itself.
    pub(crate) fn done(self, by: &str, what: &str, detail: &str) -> Self {
        let entry = Audited {
            who: by.to_owned(),
            path: what.to_owned(),
            outcome: "done".to_owned(),
            detail: detail.to_owned(),
            ..Audited::default()
        };
        self.log(AUDIT, by, &entry)
    }
}
