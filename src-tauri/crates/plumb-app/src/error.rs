//! The error that crosses IPC: a code only where somebody branches on it, a message, a hint.

use serde::Serialize;
use ts_rs::TS;

/// What went wrong, what it means and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, thiserror::Error)]
#[ts(export_to = "bindings.ts")]
#[error("{message}")]
pub struct AppError {
    pub code: Code,
    pub message: String,
    /// What to do, in one sentence.
    pub hint: String,
}

/// Codes the interfaces branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The thing asked for does not exist (any more).
    NotFound,
    /// The request itself is wrong: exit code 2 on a terminal.
    Invalid,
    /// Something outside did not answer: exit code 3.
    Unreachable,
    /// The plan no longer fits what is stored; make a new one.
    Outdated,
    /// The confirmation does not match.
    Confirmation,
    /// Another window or command owns it now.
    Busy,
    /// The keyring is locked or absent.
    Keyring,
    Other,
}

impl AppError {
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

/// The whole chain of causes in one line, for messages at the edge.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<plumb_store::StoreError> for AppError {
    fn from(error: plumb_store::StoreError) -> Self {
        use plumb_store::StoreError;
        let (code, hint) = match &error {
            StoreError::Full { .. } => (Code::Other, "free space on that disk, then try again"),
            StoreError::Busy { .. } => {
                (Code::Busy, "close the other program that uses the file, then try again")
            }
            StoreError::Damaged { .. } => {
                (Code::Other, "start again: the damaged file is set aside and named")
            }
            StoreError::Newer { .. } => {
                (Code::Other, "use the newer program, or another folder with --data-dir")
            }
            _ => (Code::Other, "look at the file's folder, its rights and its disk"),
        };
        Self::new(code, chain(&error), hint)
    }
}
