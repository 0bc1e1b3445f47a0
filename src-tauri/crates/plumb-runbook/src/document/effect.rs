//! What a step asks the world for, spelled out: values are filled in, nothing is left to decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ParameterType,
    steps::{
        action::Waves,
        capture::CaptureFrom,
        http::Method,
        query::{Decimal, Source},
    },
};
use crate::action::Action;

/// One thing a step wants done. Whoever performs it adds nothing to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub enum StepEffect {
    /// An action on nodes: planned, confirmed and carried out as any other action is.
    Act {
        action: Action,
        nodes: String,
        waves: Option<Waves>,
    },
    Doctor {
        check: String,
    },
    Query {
        source: Source,
        query: String,
        min: Option<Decimal>,
        max: Option<Decimal>,
    },
    Http {
        method: Method,
        url: String,
        headers: BTreeMap<String, String>,
        body: Option<String>,
        timeout_s: u32,
    },
    Run {
        argv: Vec<String>,
        environment: BTreeMap<String, String>,
        folder: Option<String>,
        timeout_s: u32,
        output_bytes_max: u32,
        /// It changes nothing.
        reads_only: bool,
    },
    Wait {
        seconds: u32,
    },
    Freeze {
        reason: String,
        announced_h: u32,
        lease_s: u32,
    },
    /// The freeze of that step is lifted.
    Unfreeze {
        step: String,
    },
    Announce {
        to: String,
        text: String,
    },
    Ask {
        ask: String,
        #[serde(rename = "type", default, skip_serializing_if = "ParameterType::is_text")]
        of: ParameterType,
        choices: Vec<String>,
        who: Option<String>,
        until_s: u32,
    },
    Attest {
        what: String,
        who: Option<String>,
        until_s: u32,
    },
    Approve {
        what: String,
        groups: Vec<String>,
        until_s: u32,
    },
    Capture {
        from: CaptureFrom,
        into: String,
    },
    /// Other steps of the plan: an arm, several side by side, or those of another runbook.
    Steps,
}

impl StepEffect {
    /// What a person, and not the world, has to give.
    pub const fn is_for_people(&self) -> bool {
        matches!(
            self,
            Self::Ask { .. } | Self::Attest { .. } | Self::Approve { .. } | Self::Announce { .. }
        )
    }

    /// Whether it changes anything outside the run.
    pub const fn mutates(&self) -> bool {
        match self {
            Self::Act { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::Announce { .. } => true,
            Self::Http { method, .. } => !matches!(method, Method::Get | Method::Head),
            Self::Run { reads_only, .. } => !*reads_only,
            _ => false,
        }
    }

    /// Doing it a second time comes to the same as doing it once, so it may be repeated after a crash.
    pub const fn is_idempotent(&self) -> bool {
        matches!(self, Self::Freeze { .. } | Self::Unfreeze { .. } | Self::Capture { .. })
    }

    /// The words as a person may read them; for a command its arguments as a shell would read them back.
    pub fn sentence(&self) -> String {
        match self {
            Self::Act { action, nodes, .. } => format!("{} on {nodes}", action.title()),
            Self::Doctor { check } => format!("ask the doctor for {check}"),
            Self::Query { query, .. } => format!("query {query}"),
            Self::Http { method, url, .. } => format!("{} {url}", method.name()),
            Self::Run { argv, .. } => {
                let words: Vec<String> = argv.iter().map(|word| crate::shell_word(word)).collect();
                words.join(" ")
            }
            Self::Wait { seconds } => format!("wait {seconds} s"),
            Self::Freeze { reason, .. } => format!("freeze: {reason}"),
            Self::Unfreeze { .. } => "lift the freeze".to_owned(),
            Self::Announce { to, text } => format!("tell {to}: {text}"),
            Self::Ask { ask, .. } => ask.clone(),
            Self::Attest { what, .. } => format!("attest that {what}"),
            Self::Approve { what, groups, .. } => {
                format!("approval of {what} by {}", groups.join(" and "))
            }
            Self::Capture { into, .. } => format!("keep {into}"),
            Self::Steps => "go on with its steps".to_owned(),
        }
    }
}
