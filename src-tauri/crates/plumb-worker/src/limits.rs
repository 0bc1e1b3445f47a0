//! How much an evaluation process may take, each with its reason.

use std::time::Duration;

/// Memory of one process that it may write to. What a policy of 500 rules and its requests need is
/// below 60 MB.
pub const MEMORY_MB: u64 = 256;
/// Processor time of one step: preparing a policy, or one question.
pub const STEP_PROCESSOR_S: u64 = 5;
/// Processor time of a whole process, above any sum of steps a healthy one makes.
pub const LIFE_PROCESSOR_S: u64 = 3_600;
/// Stack of the thread that evaluates; it counts as memory. Bracket depths that are accepted need a
/// quarter of it where nothing is optimised.
pub const STACK_BYTES: usize = 32 << 20;
/// Open files of a process: its three pipes.
pub const FILES_MAX: u64 = 3;

/// From the start of a process to its readiness: 5 ms where it was measured, with room for a
/// machine under load.
pub const START_TIME_MAX: Duration = Duration::from_secs(10);
/// Reading, checking, parsing and compiling one policy.
pub const PREPARE_TIME_MAX: Duration = Duration::from_secs(5);
/// From one report of parsed modules to the next: a report costs 20 us on both sides together, and
/// whoever parses behind is late by this much.
pub const REPORT_EVERY: Duration = Duration::from_millis(2);
/// One answer, from the last one to this one. Longer than the evaluator's own limit, which ends
/// most cases and keeps the process.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// From a killed process to its end.
pub const END_TIME_MAX: Duration = Duration::from_secs(1);

/// One call: a policy with its data, both at their limits, escaped as JSON.
pub const CALL_BYTES_MAX: usize = 96 << 20;
/// One reply: an answer at its limit and what stands around it.
pub const REPLY_BYTES_MAX: usize = plumb_decide::limits::OUTPUT_BYTES_MAX + (64 << 10);
/// What a process says on standard error; only its end is looked at.
pub const LAST_WORDS_BYTES_MAX: usize = 8 << 10;

/// Questions sent at once: enough that a call costs nothing beside its answers, and few enough that
/// their inputs are a small part of the memory.
pub const BATCH_QUESTIONS_MAX: usize = 256;
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Calls after which a process is replaced: what leaks or fragments does so a little.
pub const CALLS_MAX: usize = 1_000;
/// Ends of processes within one list of questions, after which the rest is not tried: each costs up
/// to [`ANSWER_TIME_MAX`], and a policy that ended eight of them ends the ninth.
pub const ENDS_MAX: usize = 8;
/// Processes of one pool: more than any machine this runs on has use for.
pub const POOL_SIZE_MAX: usize = 64;
