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
/// Orders waiting for the run to take them.
pub const ORDERS_MAX: usize = 16;
