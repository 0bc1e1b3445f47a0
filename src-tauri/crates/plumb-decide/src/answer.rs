//! What an evaluation here ended with, and why one did not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The end of one evaluation. *Not evaluated here* is neither allow nor deny: nobody may act on it
/// as if it were one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The entry point is `true`.
    Allow,
    /// The entry point is `false`.
    Deny,
    /// The entry point is something else.
    Value { value: Value },
    /// The entry point has no value for this input, or does not exist.
    Undefined,
    /// The policy itself failed for this input, as with two values for one rule.
    Error { message: String },
    /// This program cannot say what a node would answer.
    NotEvaluated { reason: Reason },
}

/// Why a case was not evaluated here.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize, Deserialize,
)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    #[error("the policy calls {name}, which the evaluator here does not have")]
    MissingBuiltin { name: String },
    #[error("the policy calls {name}, whose answer differs from machine to machine")]
    DiffersByMachine { name: String },
    #[error("line {line} of {module} uses {feature}, which the evaluator here does not have")]
    Unsupported { module: String, line: usize, feature: String },
    #[error("the evaluator here does not understand the policy: {message}")]
    NotUnderstood { message: String },
    #[error("brackets of {module} are nested deeper than {depth_max} at line {line}")]
    BracketsTooDeep { module: String, line: usize, depth_max: usize },
    #[error("the {what} is nested deeper than {depth_max}")]
    TooDeep { what: Part, depth_max: usize },
    #[error("the {what} has {size} {}, more than the limit of {size_max}", what.unit())]
    TooLarge { what: Part, size: usize, size_max: usize },
    #[error("{entrypoint:?} is no entry point; write data.package.rule")]
    NoEntrypoint { entrypoint: String },
    #[error("the evaluation took longer than {limit_ms} ms")]
    TimeOver { limit_ms: u64 },
    #[error("the evaluator panicked: {message}")]
    Panicked { message: String },
    #[error("the evaluation process {end}")]
    Process { end: ProcessEnd },
}

/// What was too large or too deep. Sizes are in bytes of compact JSON or text, except `modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Module,
    Modules,
    Source,
    Data,
    Input,
    Output,
}

impl Part {
    fn unit(self) -> &'static str {
        if self == Self::Modules { "modules" } else { "bytes" }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Module => "module",
            Self::Modules => "list of modules",
            Self::Source => "policy",
            Self::Data => "data",
            Self::Input => "input",
            Self::Output => "answer",
        })
    }
}

/// How an evaluation process ended, or why there is none.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize, Deserialize,
)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum ProcessEnd {
    #[error("did not start: {message}")]
    NotStarted { message: String },
    #[error("did not answer within {limit_ms} ms and was killed")]
    Hung { limit_ms: u64 },
    #[error("used more than its {limit_s} s of processor time")]
    ProcessorTime { limit_s: u64 },
    #[error("wanted more memory than its limit of {limit_mb} MB")]
    Memory { limit_mb: u64 },
    #[error("overflowed its stack")]
    StackOverflow,
    #[error("was ended by signal {signal}")]
    Signal { signal: i32 },
    #[error("ended by itself with code {code}")]
    Exited { code: i32 },
    #[error("answered with something that is no answer: {message}")]
    Garbage { message: String },
    #[error("answered with {bytes} bytes, more than the limit of {bytes_max}")]
    AnswerTooLong { bytes: u64, bytes_max: u64 },
    #[error("ended {times} times over this policy, so the rest was not tried")]
    TooOften { times: usize },
    #[error("was stopped because the program is closing")]
    Closing,
}
