//! What is wrong with a document, and where.

/// One error of a document. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct DocumentError {
    pub line: u32,
    pub column: u32,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl DocumentError {
    pub(crate) fn new(line: u32, column: u32, what: impl Into<String>) -> Self {
        Self { line, column, what: what.into() }
    }
}
