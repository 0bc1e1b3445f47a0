//! How much of a hostile file is read before it is refused, each with its reason.

/// A signed JSON bundle. The field calls 10 MB large (R272); more than this is not a policy file.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Nesting of JSON. Policies nest four or five levels; CPython's reader stops near 1,000 and we
/// recurse, so a limit far below any thread's stack.
pub const JSON_DEPTH_MAX: usize = 128;
/// Values in one document: bounds memory at about 64 bytes each, four per 100 bytes of a real file.
pub const JSON_VALUES_MAX: usize = 8_000_000;
/// Longest number. CPython 3.11 refuses integers of more than 4,300 digits (`sys.int_info`), so a
/// longer one could not have been signed by the field's tools.
pub const NUMBER_BYTES_MAX: usize = 4_300;
/// Policies in one bundle: twenty times the largest bundle anybody measured.
pub const POLICIES_MAX: usize = 100_000;
/// Longest policy name: it stands in tables and file names.
pub const POLICY_ID_BYTES_MAX: usize = 512;

/// A gzip archive as it travels.
pub const ARCHIVE_BYTES_MAX: usize = 64 << 20;
/// What an archive may unpack to: four times the largest compressed file, so a bomb of ratio 1,000
/// stops early.
pub const ARCHIVE_UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Members of an archive.
pub const ARCHIVE_ENTRIES_MAX: usize = 20_000;
/// Longest member name; POSIX `ustar` ends at 255 and the longest real one is below 200.
pub const ARCHIVE_PATH_BYTES_MAX: usize = 255;
/// Folders above a member.
pub const ARCHIVE_PATH_DEPTH_MAX: usize = 32;

/// Text given to the line diff; Myers' algorithm is quadratic in the number of differences.
pub const DIFF_TEXT_BYTES_MAX: usize = 1 << 20;
/// Lines of one side of a text diff: two wholly different texts of this length take half a second.
pub const DIFF_LINES_MAX: usize = 5_000;
/// Characters of a pair of lines within which changed words are marked.
pub const DIFF_INLINE_CHARS_MAX: usize = 2_000;

/// Above this a bundle draws a warning: the field advises to stay below 1 MB (R271).
pub const LINT_BYTES_LARGE: usize = 1_000_000;
