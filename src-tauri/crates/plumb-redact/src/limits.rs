//! Limits on what is read, each with its reason.

/// Longest text or JSON document that is redacted in one piece: the answer of the largest node has 8 MB.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// Most that is held of a stream, in bytes: a line of a journal may have as much.
pub const HELD_BYTES_MAX: usize = 32 << 20;
/// Most own patterns and paths of one fleet: a page of them is already hard to review.
pub const CUSTOM_MAX: usize = 64;
/// Longest own pattern or path.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// What one compiled pattern may take, so that `(x{1000}){1000}` is refused instead of built.
pub const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Deepest JSON, as deep as `serde_json` reads into values: a walk over more would exhaust the stack.
pub const DEPTH_MAX: usize = 128;
/// Most passes over one text. Each one hides more or ends it; three are the most that were ever seen.
pub const PASSES_MAX: usize = 16;
/// Most compressed streams followed at once inside one file.
pub const STREAMS_MAX: usize = 8;
/// What is unpacked of one of them: a secret behind more is one of a file that is not evidence.
pub const UNPACKED_BYTES_MAX: u64 = 64 << 20;
