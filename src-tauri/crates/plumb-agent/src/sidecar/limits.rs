//! Every limit of the sidecar, each with its reason.

use std::time::Duration;

/// Below the 30 s a fetcher gives an activation, with the return to the former pack after it.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// How long the return to the former pack is waited for before that is said; it goes on after that.
pub(super) const RETURN_TIMEOUT: Duration = Duration::from_secs(8);
/// How long an OPA that was away the last time is waited for: a fetcher that starts tries up to four
/// packs, one after the other, and tries again later anyway.
pub(super) const REACH_AGAIN: Duration = Duration::from_secs(1);
/// One request to OPA; one that takes longer is tried again within the deadline.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the status: a status is 50 to 100 kB.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts to reach an OPA that is away.
pub(super) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// A failure that may be that of an earlier bundle counts when it stands for so long: OPA tries a
/// bundle that failed again after 0.1 s.
pub(super) const DOUBT: Duration = Duration::from_millis(1_500);
/// A held request is let go this often while an old error is to be cleared.
pub(super) const NUDGE_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether OPA still has what was put there: an OPA that restarts is empty.
pub(super) const PRESENCE_PAUSE: Duration = Duration::from_secs(2);

/// Longest status that is read.
pub(super) const STATUS_BYTES_MAX: usize = 8 << 20;
/// Longest module with its syntax tree, which is some thirty times its text.
pub(super) const MODULE_BYTES_MAX: usize = 64 << 20;
/// Longest document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// Longest answer to a probe or of an error.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters of a text of OPA that are shown.
pub(super) const TEXT_CHARS_MAX: usize = 400;
/// Errors of one status that are kept.
pub(super) const ERRORS_MAX: usize = 8;

/// Longest time a request for the bundle is held: what proxies allow.
pub(super) const HOLD_MAX: Duration = Duration::from_mins(1);
/// OPA holds one connection; somebody who looks by hand another.
pub(super) const CONNECTIONS_MAX: usize = 16;

/// Packages that are asked for where there is no file of probes.
pub(super) const PACKAGES_PROBED_MAX: usize = 8;
/// The journal holds the former modules and documents.
pub(super) const JOURNAL_BYTES_MAX: usize = 256 << 20;
