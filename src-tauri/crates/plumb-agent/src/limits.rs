//! Every limit of the agent, each with its reason.

use std::time::Duration;

/// Body of an ordinary request: a path or a setting.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;
/// Body of `POST /rules` and of a test evaluation of [`plumb_wire::v1::EVALUATE_REQUESTS_MAX`] cases.
pub(crate) const LARGE_BODY_BYTES_MAX: usize = 4 << 20;
/// A 64 MB bundle from a slow disk takes seconds; a request that takes longer is stuck.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Open connections of one agent; a console holds one, a load test some hundreds.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;

/// Length of the documented history (R229).
pub(crate) const RING_ENTRIES: usize = 10;
/// Entries of the full history at hand; the file keeps more.
pub(crate) const HISTORY_ENTRIES_MAX: usize = 10_000;
/// Jobs for the history and store writer; a disk that is this far behind loses entries, counted.
pub(crate) const KEEPER_QUEUE_MAX: usize = 256;
/// The history file is set aside at this size and the one before it is dropped.
pub(crate) const HISTORY_FILE_BYTES_MAX: u64 = 16 << 20;
/// The state file holds a pin, three settings and two bundle names.
pub(crate) const STATE_BYTES_MAX: u64 = 64 << 10;
/// Plans whose run is remembered, oldest forgotten first: years of changes to one node.
pub(crate) const PLANS_MAX: usize = 1_024;
/// Of the file of those: a line has a hash, a run's id of at most 64 bytes and a time.
pub(crate) const PLANS_BYTES_MAX: u64 = 512 << 10;
/// A roster of 500 people with eight keys each has under 2 MB.
pub(crate) const ROSTER_BYTES_MAX: usize = 4 << 20;
/// Body of a refused list or a roster, whichever may be longer.
pub(crate) const SIGNED_BODY_BYTES_MAX: usize = 8 << 20;
/// Plans that were approved for this node, oldest forgotten first: what is open at one time, and more.
pub(crate) const APPROVED_MAX: usize = 64;
/// Of the file of those: an effect of this node has some hundred bytes, and a plan a handful of them.
pub(crate) const APPROVED_BYTES_MAX: u64 = 1 << 20;
/// Body of a plan of the largest fleet with its approvals.
pub(crate) const PLAN_BODY_BYTES_MAX: usize = 64 << 20;
/// Log lines at hand.
pub(crate) const LOG_LINES_MAX: usize = 2_000;
/// Longest log line: node-supplied text is cut here.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 2_000;
/// Lines of `GET logs` that gives no limit.
pub(crate) const LOG_LINES_DEFAULT: u32 = 200;
/// Entries of `GET history` that gives no limit.
pub(crate) const HISTORY_ENTRIES_DEFAULT: u32 = 100;

/// Files looked at below the roots.
pub(crate) const BUNDLES_LISTED_MAX: usize = 1_000;
/// Folders below a root that are walked.
pub(crate) const ROOT_DEPTH_MAX: usize = 8;
/// Longest `bundle_path`: POSIX `PATH_MAX`.
pub(crate) const PATH_BYTES_MAX: usize = 4_096;
/// Verifications that run at once besides the reload.
pub(crate) const VERIFICATIONS_MAX: usize = 2;
/// From this size on a bundle is hashed and read on two threads: below, starting one costs more.
pub(crate) const PARALLEL_BYTES_MIN: usize = 256 << 10;
/// Events of the folder watch that wait; more mean the same: look again.
pub(crate) const WATCH_QUEUE_MAX: usize = 64;
/// A writer closes and renames within this time; one reload for all of it.
pub(crate) const WATCH_SETTLE: Duration = Duration::from_millis(150);
/// Named checks whose outcome is remembered; verification knows about two dozen.
pub(crate) const CHECKS_MAX: usize = 64;
/// Alerts that wait for a receiver that is away; there are ten rules, so this is many rounds of all.
pub(crate) const ALERTS_WAITING_MAX: usize = 64;
/// A receiver that takes longer is away.
pub(crate) const ALERT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest delay between two attempts to send, so that a receiver that is back is found soon.
pub(crate) const ALERT_RETRY_MAX: Duration = Duration::from_mins(1);
/// An Alertmanager ends what it has not heard of for five minutes.
pub(crate) const ALERT_REPEAT: Duration = Duration::from_mins(1);
/// Of a receiver's answer; one line of JSON says whether it took the alert.
pub(crate) const ALERT_ANSWER_BYTES_MAX: usize = 4 << 10;
/// Longest polling delay: a day.
pub(crate) const POLL_DELAY_S_MAX: u64 = 86_400;
/// Longest capability id answered.
pub(crate) const CAPABILITY_BYTES_MAX: usize = 1_024;

/// Largest request that is recorded, as JSON; a thousand of them are 8 MB.
pub(crate) const RECORDED_BYTES_MAX: usize = 8 << 10;
/// Longest text that is recorded: what is longer is no word that a policy compares with, but somebody's.
pub(crate) const RECORDED_TEXT_MAX: usize = 256;
/// Members that may be named for masking.
pub(crate) const MASKED_MAX: usize = 100;

/// Stack of a thread that evaluates: accepted bracket depths need a quarter of it unoptimised.
pub(crate) const ENGINE_STACK_BYTES: usize = 32 << 20;
/// Threads that evaluate; more than an agent beside a service is given cores.
pub(crate) const ENGINE_THREADS_MAX: usize = 32;
/// Questions that wait for a thread: at 20 us each a queue of 20 ms, beyond which waiting only
/// makes every answer late.
pub(crate) const ENGINE_QUEUE_MAX: usize = 1_024;
