//! Selected nodes that a plan does not touch, and why.

use plumb_fleet::NodeId;
use serde::{Deserialize, Serialize};

/// A selected node that the plan does not touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub node: NodeId,
    pub reason: LeftOutReason,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// Already as wanted.
    AsWanted,
    /// No answer, or an answer that cannot be used.
    NoAnswer,
    /// The node API cannot do it.
    CannotDo,
    /// What it takes is not known: no desired version, no signed bundle, no earlier version.
    NotKnown,
    /// What it would take is refused in this fleet.
    Refused,
}
