//! How much of a policy, its input and its answer is accepted before evaluation, each with its reason.

use std::time::Duration;

/// One Rego module. Hand-written ones are below 100 KB; this is the engine's own default.
pub const MODULE_BYTES_MAX: usize = 1 << 20;
/// Longest line of a module, in columns: long lists of data are written on one line by generators.
pub const MODULE_COLUMNS_MAX: u32 = 65_536;
/// Lines of a module: what [`MODULE_BYTES_MAX`] holds of the shortest lines anybody writes.
pub const MODULE_LINES_MAX: usize = 100_000;
/// Modules of one policy.
pub const MODULES_MAX: usize = 2_000;
/// All modules of one policy: sixteen times the largest single one.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;
/// Data beside the modules, as compact JSON: a worker of 256 MB holds it three times.
pub const DATA_BYTES_MAX: usize = 16 << 20;
/// Brackets `[` and `{` within each other. The engine's parse time doubles with each: 16 take
/// 60 ms where it was measured, 25 half a minute. Real policies nest six or seven.
pub const BRACKETS_DEPTH_MAX: usize = 16;
/// Brackets of every kind within each other. `(` costs no time but stack.
pub const PARENTHESES_DEPTH_MAX: usize = 64;
/// Nesting of an input or of data: what the JSON reader of the field stops at, halved.
pub const INPUT_DEPTH_MAX: usize = 64;
/// One input as compact JSON. Requests of the field are below 10 KB.
pub const INPUT_BYTES_MAX: usize = 1 << 20;
/// One answer as compact JSON.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Segments of an entry point, and its length: it stands in tables and messages.
pub const ENTRYPOINT_SEGMENTS_MAX: usize = 32;
pub const ENTRYPOINT_BYTES_MAX: usize = 512;
/// Longest message of the engine that is kept, and its longest line: it quotes the policy's text.
pub const MESSAGE_BYTES_MAX: usize = 2_000;
pub const MESSAGE_LINE_BYTES_MAX: usize = 160;
/// One decision. A large policy takes a millisecond; a caller over HTTP waits a few seconds.
pub const DECISION_TIME_MAX: Duration = Duration::from_millis(500);
/// Steps of the engine between two looks at the clock: a look costs 25 ns, a step about as much.
pub const STEPS_BETWEEN_LOOKS: u32 = 256;
/// Prepared policies kept by their digest: two versions of a few bundles.
pub const PREPARED_MAX: usize = 8;
/// Definitions an index must spare a request, or none is made: so many are looked at in 20 us.
pub const INDEX_DEFINITIONS_MIN: usize = 32;
/// Parts of an indexed policy. Each holds everything the index cannot leave out.
pub const INDEX_PARTS_MAX: usize = 32;
/// Text of all parts together: parsed it takes fifty times the memory.
pub const INDEX_TEXT_BYTES_MAX: usize = 1 << 20;
/// Questions asked together from which on an index pays.
pub const INDEX_QUESTIONS_MIN: usize = 64;
/// Steps in which an example is made smaller: each takes away one thing of an input.
pub const SHRINK_ROUNDS_MAX: usize = 64;
/// Smaller inputs tried in one step, the smallest first.
pub const SHRINK_CANDIDATES_MAX: usize = 128;
/// Cases generated for one comparison: what is asked of two policies of 500 rules in 2 s.
pub const GENERATED_CASES_MAX: usize = 10_000;
/// Cases for one capability: its own conditions in all their combinations, where they are few.
pub const CASES_OF_CAPABILITY_MAX: usize = 96;
/// Values of one collection that are tried: the edges are what tells, and lists have thousands.
pub const OUTLINE_VALUES_MAX: usize = 16;
/// Inputs of a policy's own tests that are asked.
pub const OUTLINE_TESTS_MAX: usize = 1_000;
/// Inputs drawn for each definition beside those made from its own conditions.
pub const CASES_OF_DEFINITION_MAX: usize = 32;
/// How far a definition is followed through the rules it asks.
pub const USES_DEPTH_MAX: usize = 4;
