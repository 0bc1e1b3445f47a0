//! Every limit of the fetcher, each with its reason.

use std::time::Duration;

/// Time for a connection; a registry that needs longer is down.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pieces of an answer.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for a whole answer beyond what it was asked to be held: 64 MB at 10 Mbit/s.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// What a long poll asks for: below the minute after which proxies cut idle requests.
pub(crate) const LONG_POLL_WAIT: Duration = Duration::from_secs(50);
/// Longest attestation. A Sigstore bundle is 5 to 20 kB.
pub(crate) const ATTESTATION_BYTES_MAX: usize = 1 << 20;
/// Longest ETag that is kept and sent back.
pub(crate) const ETAG_BYTES_MAX: usize = 256;
/// Longest line of an event stream.
pub(crate) const EVENT_LINE_BYTES_MAX: usize = 16 << 10;
/// An event stream that says nothing for so long is gone; the hub comments every 15 s.
pub(crate) const EVENT_SILENCE_MAX: Duration = Duration::from_mins(1);
/// Header fields and their bytes: an inline attestation is the largest.
pub(crate) const HEADER_BYTES_MAX: u32 = 64 << 10;
pub(crate) const HEADERS_MAX: usize = 64;

/// Jobs that wait for the one before them; more pushes mean the same: look again.
pub(crate) const QUEUE_MAX: usize = 8;
/// Alerts that wait for their receiver; what does not fit is counted and logged.
pub(crate) const ALERTS_MAX: usize = 64;
/// The field demands a reload within 30 s (R162).
pub(crate) const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Packs kept beside the active one.
pub(crate) const LKG_PACKS_MAX: usize = 3;
/// Packs remembered not to be taken again; a registry offers one at a time.
pub(crate) const TAKEN_BACK_MAX: usize = 16;
/// The file that remembers them, with reasons of at most so many characters.
pub(crate) const TAKEN_BACK_BYTES_MAX: usize = 256 << 10;
pub(crate) const TAKEN_BACK_REASON_MAX: usize = 2_000;
/// A stored pack: the tar, its attestation, and a header.
pub(crate) const RECORD_BYTES_MAX: usize =
    plumb_bundle::limits::ARCHIVE_BYTES_MAX + ATTESTATION_BYTES_MAX + RECORD_HEADER_BYTES_MAX;
pub(crate) const RECORD_HEADER_BYTES_MAX: usize = 64 << 10;
/// One write to the disk, so that a full disk is noticed early.
pub(crate) const WRITE_BYTES: usize = 1 << 20;
/// The audit log is set aside at this size and the one before it is dropped: some weeks of polling.
pub(crate) const AUDIT_BYTES_MAX: u64 = 8 << 20;

/// Shortest and longest interval: below, a registry is hammered; above, a day is stale.
pub(crate) const INTERVAL_S_MIN: u64 = 1;
pub(crate) const INTERVAL_S_MAX: u64 = 86_400;
