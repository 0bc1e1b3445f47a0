//! Limits of the executor.

use std::time::Duration;

/// Nodes changed at the same time: enough for two hundred nodes in seconds, few enough for one laptop.
pub const NODES_AT_ONCE: usize = 32;
/// First wait between two looks at nodes that have not arrived yet.
pub const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(200);
/// Longest wait between two looks.
pub const LOOK_AGAIN_MAX: Duration = Duration::from_secs(2);
/// How long a look at a node stands for how it is before it is changed.
pub const LOOK_HOLDS: Duration = Duration::from_secs(30);
/// How long a node that does not answer is asked again before it counts as failed: one lost answer
/// says nothing, and a dead node holds nobody up.
pub const SILENT_BEFORE: Duration = Duration::from_secs(3);
/// Orders waiting for the run to take them.
pub const ORDERS_MAX: usize = 16;
