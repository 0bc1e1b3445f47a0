//! How much of a node's answers is read, and for how long; each number with its reason.

use std::time::Duration;

/// One document of a sweep. OPA's status, the largest seen, has 50 to 100 KB.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// One document that holds policies. The field calls a bundle of 10 MB large; OPA adds syntax trees
/// that are several times the text.
pub const POLICIES_BYTES_MAX: usize = 32 << 20;
/// All documents of one node in one observation.
pub const NODE_BYTES_MAX: usize = 40 << 20;
/// All bodies being read at once, over all nodes: what a hostile fleet can make us hold.
pub const READING_BYTES_MAX: usize = 256 << 20;
/// One document shown raw.
pub const RAW_BYTES_MAX: usize = 1 << 20;
/// The answer to an operation; a sentence and some numbers.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Headers of one answer. Real ones have about ten; the bytes of all headers are bounded by hyper
/// (about 400 KB for HTTP/1) and by [`HEADER_BYTES_MAX`] for HTTP/2.
pub const HEADERS_MAX: usize = 64;
pub const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Characters of a node's own words that stand in one message of ours.
pub const EXCERPT_CHARS_MAX: usize = 300;
/// Bytes of an error body that are searched for those words.
pub const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
/// Entries read of a reload history; the documented ring holds ten, our agent answers more.
pub const HISTORY_ENTRIES_MAX: usize = 256;
/// Settings read of a node's configuration.
pub const CONFIG_ENTRIES_MAX: usize = 512;
/// Levels of a configuration that become dotted keys.
pub const CONFIG_DEPTH_MAX: usize = 16;
/// Gaps kept of one report: a node that sends nonsense should not fill the store.
pub const GAPS_MAX: usize = 16;
/// Lines of a node's log in one answer.
pub const LOG_LINES_MAX: usize = 10_000;

/// Distinct contents whose digests are remembered between sweeps.
pub const CONTENTS_MAX: usize = 256;
/// Policies of all remembered contents together, about 100 bytes each.
pub const CONTENTS_POLICIES_MAX: usize = 200_000;
/// Bodies above this are digested on a blocking thread: about 2 ms of parsing.
pub const INLINE_DIGEST_BYTES_MAX: usize = 256 << 10;

/// Longest token; a large JWT has 4 KB.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// How long a token command may run.
pub const TOKEN_COMMAND_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a token is kept that its command printed without an expiry.
pub const TOKEN_COMMAND_TTL: Duration = Duration::from_mins(5);
/// A token is fetched again this long before it expires, so that it does not expire on the way.
pub const TOKEN_EXPIRY_MARGIN: Duration = Duration::from_secs(15);
/// How long the keyring may take; a locked one waits for a person at a password dialog.
pub const KEYRING_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a token from the keyring is kept: a sweep of 1,000 nodes asks once, not 1,000 times.
pub const KEYRING_TTL: Duration = Duration::from_mins(1);
/// How long a failure to get a token, a client or a tunnel is remembered before the next try.
pub const FAILURE_TTL: Duration = Duration::from_secs(10);

/// How long a tunnel command may take until something listens.
pub const TUNNEL_START_TIME_MAX: Duration = Duration::from_secs(15);
/// Bytes of a tunnel's or token command's complaints that are kept.
pub const COMMAND_OUTPUT_BYTES_MAX: usize = 16 << 10;
/// How long an unused connection is kept: longer than the slowest sweep interval in use.
pub const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(150);
/// Idle connections kept per node: one per request of a sweep.
pub const IDLE_CONNECTIONS_PER_NODE: usize = 3;
/// Fleets of more nodes than this do not keep connections open between sweeps: 3 each would pass
/// the usual limit of 20,000 or fewer open files.
pub const WARM_NODES_MAX: usize = 4_000;

/// Longest line of a metrics document.
pub const METRICS_LINE_BYTES_MAX: usize = 64 << 10;
/// Lines of a metrics document whose errors are kept.
pub const METRICS_ERRORS_MAX: usize = 100;
/// Samples read of one metrics document.
pub const METRICS_SAMPLES_MAX: usize = 200_000;
/// Labels of one sample.
pub const METRICS_LABELS_MAX: usize = 64;

/// Settings read of one agent's status: it has three.
pub const SETTINGS_MAX: usize = 64;
/// Checks of one verification that are kept: Sigstore has 27.
pub const CHECKS_MAX: usize = 64;
/// How long it is remembered whether a node's reload asks for a credential: a gateway is put before a
/// node by people, not by the minute.
pub const OPEN_RELOAD_TTL_S: i64 = 3_600;
