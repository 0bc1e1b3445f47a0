//! Topics: what a view is made of, announced when it changed.

use serde::Serialize;
use ts_rs::TS;

/// Something stored that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// The list of fleets, or which one is open.
    Shell,
    /// Any node of a fleet.
    Fleet {
        fleet: String,
    },
    Node {
        fleet: String,
        node: String,
    },
    Run {
        id: String,
    },
}
