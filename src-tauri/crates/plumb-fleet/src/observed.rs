//! A value with where it came from and when (invariant 4).

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A value, the document it was read from, and the moment it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed<T> {
    pub value: T,
    /// Path of the document, for example `/readyz`.
    pub source: Arc<str>,
    /// When we read it, by our clock.
    pub at: Timestamp,
}

impl<T> Observed<T> {
    pub fn new(value: T, source: impl Into<Arc<str>>, at: Timestamp) -> Self {
        Self { value, source: source.into(), at }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        Observed { value: change(self.value), source: self.source, at: self.at }
    }
}
