//! Limits on what is written and read, each with its reason.

/// Largest archive, in bytes: what the plain form of the format can say. A larger one would have to be
/// written in a second form that fewer programs open.
pub const ARCHIVE_BYTES_MAX: u64 = u32::MAX as u64 - 1;
/// Largest entry, unpacked, in bytes, for the same reason.
pub const ENTRY_BYTES_MAX: u64 = u32::MAX as u64 - 1;
/// Most bytes of all entries together, unpacked: text packs twentyfold at best.
pub const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// Most entries; the plain form ends at 65,535. A run of 10,000 nodes has some dozens.
pub const ENTRIES_MAX: usize = 50_000;
/// Longest name of an entry, in bytes: unpacked under a folder it still fits where paths end at 260.
pub const NAME_BYTES_MAX: usize = 180;
/// Deepest folder of an entry.
pub const DEPTH_MAX: usize = 8;
/// An entry above [`RATIO_FROM_BYTES`] that packs better than this is stored as it is, so that a reader
/// can refuse it as a bomb.
pub const RATIO_MAX: u64 = 200;
/// Entries below this, in bytes, are not judged by their ratio: a page of zeros harms nobody.
pub const RATIO_FROM_BYTES: u64 = 1 << 20;
/// Largest list of entries at the end of an archive, in bytes.
pub const DIRECTORY_BYTES_MAX: u64 = 32 << 20;
/// Largest document that is read in one piece, in bytes: the plan of the largest fleet has 30 MB.
pub const DOCUMENT_BYTES_MAX: u64 = 64 << 20;
/// Most approvals of one run that are looked at.
pub const APPROVALS_MAX: usize = 256;
/// Runs of one archive: a capture takes those of its window, of which a busy fleet has some dozens.
pub const RUNS_MAX: usize = 1_000;
/// Bytes of journals, unpacked, from which facts are taken for a comparison: all of it may stay in memory, and a run
/// over 10,000 nodes has 70 MB.
pub const COMPARED_BYTES_MAX: u64 = 512 << 20;
/// Bytes of what is known of one run, written out, while its journal is folded: it stays in memory, and a run over the
/// 20,000 nodes of the largest fleet comes to a quarter of it.
pub const STATE_BYTES_MAX: u64 = 64 << 20;
/// How much may be hashed to fold a journal, as a multiple of its bytes: an event leaves two or three times its own.
pub const STATE_WORK_MAX: u64 = 32;
/// What may be hashed in any case, in bytes: a short journal is soon folded, whatever is in it.
pub const STATE_WORK_FROM_BYTES: u64 = 1 << 20;
/// Events of one run about what was kept of it: one at each gate, halt and end.
pub const KEPT_EVENTS_MAX: usize = 100_000;
/// Bytes that are read at once.
pub(crate) const PIECE_BYTES: usize = 128 << 10;
