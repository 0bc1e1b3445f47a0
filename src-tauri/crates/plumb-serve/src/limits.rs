//! Every limit of a server's connections, each with its reason.

use std::time::Duration;

/// A client that needs longer for its headers only holds the connection open.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for requests in flight before it cuts them.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after `accept` failed for want of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Names looked at in a client certificate; a workload has one or two.
pub(crate) const NAMES_MAX: usize = 8;
