//! What parent and child say to each other. Both are the same program, so no version is needed.

use std::collections::BTreeSet;

use plumb_decide::{Answer, Question, Reason, RegoSource, Traced};
use plumb_fleet::ids::Digest;
use serde::{Deserialize, Serialize};

/// Parent to child.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(crate) enum Call {
    /// Answered with any number of [`Reply::Parsed`], then one [`Reply::Prepared`] or
    /// [`Reply::Refused`]. The digest is the one of the source, taken once by the parent.
    Prepare { digest: Digest, source: RegoSource },
    /// Answered with one [`Reply::Answer`] per question in order, or one [`Reply::Unknown`].
    Ask { digest: Digest, questions: Vec<Question>, limit_ms: u64 },
    /// Answered with one [`Reply::Outlined`] or [`Reply::Refused`].
    Outline { source: RegoSource },
}

/// The same calls, as the parent writes them.
#[derive(Debug, Serialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(crate) enum CallToWrite<'a> {
    Prepare { digest: Digest, source: &'a RegoSource },
    Ask { digest: Digest, questions: &'a [&'a Question], limit_ms: u64 },
    Outline { source: &'a RegoSource },
}

/// Child to parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The first frame: what holds the child in.
    Ready {
        guards: Guards,
    },
    /// So many modules, in the order of the source, are parsed; each time more.
    Parsed {
        modules: usize,
    },
    Prepared {
        refused_builtins: Vec<String>,
    },
    Refused {
        reason: Reason,
    },
    Answer {
        answer: Answer,
        /// Definitions of a telling policy that held.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        held: BTreeSet<usize>,
    },
    Outlined {
        traced: Traced,
    },
    /// A policy with this digest was never prepared, or made room for others.
    Unknown,
}

/// What holds a child in, each tried out by the child before it reads anything. All are there on
/// Linux; elsewhere some are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    pub memory: bool,
    pub processor_time: bool,
    pub no_core_dump: bool,
    pub no_files: bool,
    pub no_network: bool,
    pub no_processes: bool,
    /// Only the listed calls of the system work.
    pub system_calls: bool,
}

impl Guards {
    pub(crate) const fn none() -> Self {
        Self {
            memory: false,
            processor_time: false,
            no_core_dump: false,
            no_files: false,
            no_network: false,
            no_processes: false,
            system_calls: false,
        }
    }

    pub fn all(self) -> bool {
        self.memory
            && self.processor_time
            && self.no_core_dump
            && self.no_files
            && self.no_network
            && self.no_processes
            && self.system_calls
    }
}
