//! What is asked of a policy node.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// May this capability be used, in this context?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub capability_id: String,
    #[serde(default = "empty")]
    pub context: Value,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Request {
    /// A request without context.
    pub fn new(capability_id: impl Into<String>) -> Self {
        Self { capability_id: capability_id.into(), context: empty() }
    }

    /// The same request in a context.
    #[must_use]
    pub fn with_context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }
}
