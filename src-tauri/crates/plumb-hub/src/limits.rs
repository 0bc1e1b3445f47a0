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
/// Documents or entries of one answer; a fleet of 10,000 nodes may have a pin each.
pub(crate) const DOCUMENTS_MAX: usize = 20_000;
/// Name of whoever a token is for.
pub(crate) const NAME_BYTES_MAX: usize = 200;
/// Longest name in a certificate: a URI of a workload.
pub(crate) const CERTIFICATE_NAME_BYTES_MAX: usize = 2_000;
/// Longest life of a token: what nobody looks at for two years should stop to work.
pub(crate) const EXPIRES_AFTER_MAX_S: u64 = 2 * 366 * 86_400;
/// A first token that can be guessed is none.
pub(crate) const BOOTSTRAP_CHARS_MIN: usize = 16;
/// Callers whose rate is known at once: every node of a large fleet, and then some addresses.
pub(crate) const BUCKETS_MAX: usize = 32_768;
/// Requests of one caller: a storm of alerts comes from one monitor.
pub(crate) const CALLER_RATE: crate::Rate = crate::Rate { per_second: 4_000.0, burst: 8_000.0 };
/// Refusals of one address that are written down; more are only answered.
pub(crate) const REFUSAL_RATE: crate::Rate = crate::Rate { per_second: 1.0, burst: 30.0 };
/// A request with its body and answer; those that wait for a change are held shorter ([`WAIT_MAX`]).
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(75);
/// Body of a request that is JSON.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// How often the hub looks whether another process changed its state.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it looks whether alerts or incidents changed, while somebody waits for that.
pub(crate) const TIP_EVERY: Duration = Duration::from_millis(200);
/// How long whoever follows them waits for an answer at most: they ask again at once.
pub(crate) const CHANGES_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks for sources that have gone quiet: a policy counts in minutes.
pub(crate) const SOURCES_EVERY: Duration = Duration::from_mins(1);
/// How often it removes what its policy keeps no longer: that counts in days.
pub(crate) const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// Entries of a log in one answer, where nobody says how many.
pub(crate) const ENTRIES_DEFAULT: u32 = 200;
pub(crate) const ENTRIES_MAX: u32 = 5_000;
/// Versions of one pack: one a day for almost three years.
pub(crate) const VERSIONS_MAX: usize = 1_000;
pub(crate) const VERSION_BYTES_MAX: usize = 128;
/// Nodes of one fleet.
pub(crate) const NODES_MAX: usize = 20_000;
pub(crate) const REASON_BYTES_MAX: usize = 16 << 10;
/// Longest lease of a lock: what holds it longer says so again.
pub(crate) const LEASE_S_MAX: u32 = 24 * 3_600;
/// One signed document: an approval, or the list of what is refused.
pub(crate) const MAIL_BYTES_MAX: usize = 256 << 10;
/// Files in the mailbox of one plan: requests, approvals and refusals of everybody.
pub(crate) const MAIL_FILES_MAX: usize = 200;
/// A status of OPA is 50 to 100 kB.
pub(crate) const STATUS_BYTES_MAX: usize = 2 << 20;
/// Labels and bundles kept of one status.
pub(crate) const STATUS_PARTS_MAX: usize = 64;
/// A batch of decisions, packed and unpacked; OPA sends 32 kB at once by default.
pub(crate) const DECISIONS_PACKED_MAX: usize = 4 << 20;
pub(crate) const DECISIONS_UNPACKED_MAX: u64 = 32 << 20;
pub(crate) const DECISIONS_COUNT_MAX: usize = 10_000;
/// One decision with its input.
pub(crate) const DECISION_BYTES_MAX: usize = 64 << 10;
/// Decisions that are kept; the newest.
pub(crate) const DECISIONS_KEPT: usize = 10_000;
/// A notification of Alertmanager: 2,000 alerts with their labels and annotations.
pub(crate) const NOTIFICATION_BYTES_MAX: usize = 8 << 20;
/// What a triage freezes, with its frame.
pub(crate) const FROZEN_BODY_BYTES_MAX: usize = plumb_alert::limits::FROZEN_BYTES_MAX + (64 << 10);
