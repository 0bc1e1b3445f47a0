//! Limits on what is read of an archive to show it, each with its reason. The limits on the archive itself are those of
//! `plumb-evidence`; nesting of JSON ends at the 128 levels of its parser.

/// Bytes of all entries that are read to show it: it is kept in memory while it is open, and the 10,000 nodes of the
/// largest capture, with 70,000 events and 200,000 changes, have a quarter of it.
pub(super) const READ_BYTES_MAX: u64 = 1 << 30;
/// Lines of one entry: a capture takes 200,000 changes of nodes at most.
pub(super) const LINES_MAX: usize = 1_000_000;
/// Events of all runs together: one of 10,000 nodes writes 70,000.
pub(super) const EVENTS_MAX: usize = 1_000_000;
/// Contents with their policies: a capture takes 200.
pub(super) const CONTENTS_MAX: usize = 1_000;
/// Public keys: those of consoles and people that signed something.
pub(super) const KEYS_MAX: usize = 1_000;
/// Plans that wait for consent: a console lists twenty.
pub(super) const REQUESTS_MAX: usize = 100;
/// Answers of one node that are shown.
pub(super) const ANSWERS_MAX: usize = 64;
/// Entries of which lines did not read that are listed one by one.
pub(super) const UNREAD_MAX: usize = 100;
