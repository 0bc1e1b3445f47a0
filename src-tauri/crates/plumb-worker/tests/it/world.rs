//! A pool, policies to ask it about, and what can be seen of processes from outside.

use std::{path::PathBuf, time::Duration};

use plumb_decide::{Answer, Module, ProcessEnd, Question, Reason, RegoSource, RegoVersion};
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool, child};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The program that is the child of these tests.
pub(crate) fn stand_in() -> PathBuf {
    env!("CARGO_BIN_EXE_evaluation-stand-in").into()
}

pub(crate) fn options(part: &str, limits: ProcessLimits) -> PoolOptions {
    PoolOptions { program: Program::new(stand_in(), [part.into()]), limits, size: 1 }
}

/// Limits of a second or less, so that a test of one is short.
pub(crate) fn short() -> ProcessLimits {
    ProcessLimits {
        prepare: Duration::from_millis(1_500),
        answer: Duration::from_secs(1),
        ..ProcessLimits::default()
    }
}

pub(crate) fn pool_of(part: &str, limits: ProcessLimits) -> WorkerPool {
    WorkerPool::start(options(part, limits), CancellationToken::new())
}

pub(crate) fn pool() -> WorkerPool {
    pool_of(child::SUBCOMMAND, ProcessLimits::default())
}

pub(crate) fn source(text: &str) -> RegoSource {
    let module = Module { name: "a.rego".to_owned(), text: format!("package a\n{text}") };
    RegoSource { modules: vec![module], data: json!({}), version: RegoVersion::V1 }
}

pub(crate) fn question(input: Value) -> Question {
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    Question { entrypoint: "data.a.allow".parse().expect("an entry point"), input, now }
}

/// The answers of a policy for each value of `input.x`.
pub(crate) async fn ask(pool: &WorkerPool, text: &str, inputs: &[Value]) -> Vec<Answer> {
    let questions: Vec<Question> = inputs.iter().map(|x| question(json!({ "x": x }))).collect();
    pool.evaluate(&source(text), &questions).await
}

pub(crate) fn end(answer: &Answer) -> &ProcessEnd {
    match answer {
        Answer::NotEvaluated { reason: Reason::Process { end } } => end,
        other => panic!("{other:?} is no end of a process"),
    }
}

/// Waits for something that another process does, as long as the test runner lets it.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

/// Whether a process ended, all of it; one that nobody waited for yet counts. Its first thread ends
/// before others do, and it cannot be waited for until the last did.
pub(crate) fn has_ended(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    !is_there(id) || (stat.contains(") Z ") && threads <= 1)
}

/// Whether a process is there; one that ended and was not waited for counts.
pub(crate) fn is_there(id: u32) -> bool {
    std::fs::metadata(format!("/proc/{id}")).is_ok()
}

pub(crate) fn kill(id: u32) {
    let status = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {id} is there to be killed");
}
