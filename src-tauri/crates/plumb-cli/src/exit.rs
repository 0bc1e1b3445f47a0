//! How a command ends: exit codes, and failures with what to do about them.

use std::{fmt, process::ExitCode};

use plumb_app::error::{AppError, Code};
use schemars::JsonSchema;
use serde::Serialize;

/// Exit codes, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Fine = 0,
    /// Drift, a failed check, or nodes that did not arrive.
    Drift = 1,
    /// The command was used wrongly, or its input is bad.
    Usage = 2,
    /// Nothing of what was asked could be reached.
    Unreachable = 3,
    /// The confirmation is missing, wrong or refused.
    Confirmation = 4,
    /// An error inside, for example of a file or the keyring.
    Internal = 5,
    /// A journal that holds, but not to its end or not signed to its end.
    Prefix = 6,
}

impl Exit {
    /// `Fine`, or `Drift` where something is not as it should be.
    pub(crate) const fn fine_if(fine: bool) -> Self {
        if fine { Self::Fine } else { Self::Drift }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early, and what to do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// What `--json` prints when a command fails.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorDocument {
    pub(crate) error: Failure,
}

/// What a command gives back.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, hint)
    }

    pub(crate) fn internal(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message, hint)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let exit = match error.code {
            Code::NotFound | Code::Invalid => Exit::Usage,
            Code::Unreachable => Exit::Unreachable,
            Code::Outdated | Code::Confirmation => Exit::Confirmation,
            Code::Busy | Code::Keyring | Code::Other => Exit::Internal,
        };
        Self { exit, message: error.message, hint: error.hint }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(format!("{error:#}"), "look at what the message names")
    }
}
