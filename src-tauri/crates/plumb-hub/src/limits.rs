//! Every limit of the hub, each with its reason.

use std::time::Duration;

/// Packs of one folder; a fleet has a handful.
pub(crate) const PACKS_MAX: usize = 256;
/// Files looked at in the folder: every pack with some dozen attestations of earlier ones.
pub(crate) const FILES_MAX: usize = 20_000;
/// Longest attestation. A Sigstore bundle is 5 to 20 kB.
pub(crate) const ATTESTATION_BYTES_MAX: u64 = 1 << 20;
/// Longest attestation that travels in a header: common proxies refuse 8 kB of headers.
pub(crate) const INLINE_BYTES_MAX: usize = 6 << 10;
/// Longest a request is held for `Prefer: wait`; idle connections live about a minute in most proxies.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(55);
/// A comment this often keeps an event stream open through proxies.
pub(crate) const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Requests that wait and event streams at once: one for each node of a large fleet.
pub(crate) const WAITERS_MAX: usize = 12_000;
/// Open connections.
pub(crate) const CONNECTIONS_MAX: usize = 16_384;
/// A publisher writes and renames within this time; one look for all of it.
pub(crate) const SETTLE: Duration = Duration::from_millis(50);
/// The folder is looked at this often, also where nothing tells of changes (network file systems).
pub(crate) const RESCAN: Duration = Duration::from_secs(5);
