//! Policies that hold up, end or fill an evaluator: each is told, and nothing outlives its limit for long.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use plumb_decide::{Answer, Module, RegoSource, RegoVersion};
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::question;
use crate::report::Report;

/// What a process may outlive its limit by, in milliseconds.
const LATER_MS_MAX: f64 = 1_000.0;
/// Short enough that the whole set takes seconds.
const LIMIT: Duration = Duration::from_millis(500);

pub(super) async fn measure(report: &mut Report) -> Result<()> {
    let limits = ProcessLimits {
        prepare: LIMIT,
        answer: LIMIT,
        evaluation: LIMIT,
        ..ProcessLimits::default()
    };
    let program = Program::current().context("finding this program")?;
    let options = PoolOptions { program, limits, size: 1 };
    let pool = WorkerPool::start(options, CancellationToken::new());
    let good = source("default allow := true");
    let mut slowest: f64 = 0.0;
    for Hostile { name, text, right } in policies() {
        let began = Instant::now();
        let answers = pool.evaluate(&source(&text), &[question(1)]).await;
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        let told = match answers.as_slice() {
            [Answer::NotEvaluated { .. } | Answer::Error { .. }] => true,
            // A stack that holds all of it may answer, if it answers rightly.
            [Answer::Value { value }] => right.is_some_and(|right| *value == json!(right)),
            _ => false,
        };
        ensure!(told, "{name} is answered wrongly: {answers:?}");
        slowest = slowest.max(took);
        let answers = pool.evaluate(&good, &[question(1)]).await;
        ensure!(answers == [Answer::Allow], "after {name} the next one is answered: {answers:?}");
    }
    pool.close().await;
    // A process takes a policy and then a question, each under its limit.
    let limit = 2.0 * LIMIT.as_secs_f64() * 1_000.0;
    let name = format!("decisions: {} hostile policies: the slowest", policies().len());
    report.shown(&name, slowest, "ms");
    report.counted(
        &format!("{name} beyond its limits"),
        (slowest - limit).max(0.0),
        "ms",
        LATER_MS_MAX,
    );
    Ok(())
}

struct Hostile {
    name: &'static str,
    text: String,
    /// What it comes to, where it comes to anything.
    right: Option<u32>,
}

fn policies() -> Vec<Hostile> {
    const DEEP: u32 = 20_000;
    let nested = format!("{}{}", "{\"a\":".repeat(16), "}".repeat(16)).replace(":}", ":1}");
    let held_up: Vec<String> = (0..500).map(|n| format!("x{n} := {nested}")).collect();
    let doubled: Vec<String> =
        (1..20).map(|n| format!("x{n} := concat(\"\", [x{0}, x{0}])", n - 1)).collect();
    let first = "x".repeat(16_384);
    let endless = "n := numbers.range(1, 4000)\nallow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let doubled = format!("x0 := \"{first}\"\n{}\nallow if count(x19) > 0", doubled.join("\n"));
    let one = |name, text: &str| Hostile { name, text: text.to_owned(), right: None };
    let tower = format!("allow := {}{}", "[".repeat(4_000), "]".repeat(4_000));
    let sum = format!("allow := {}1", "1 +\n".repeat(DEEP as usize));
    vec![
        one("a tower of brackets", &tower),
        one("brackets that hold up a parser", &held_up.join("\n")),
        one("a recursion without end", "f(x) := f(x)\nallow if f(1)"),
        Hostile { right: Some(DEEP + 1), ..one("a sum that is a deep tree", &sum) },
        one(
            "a function that panics",
            "allow if strings.count(\"abc\", trim(input.user.name, \"ad\")) > 0",
        ),
        one("a comprehension without end", endless),
        one("strings that double", &doubled),
        one("an answer of megabytes", "allow := numbers.range(1, 200000)"),
    ]
}

fn source(text: &str) -> RegoSource {
    let text = format!("package a\nimport rego.v1\n{text}\n");
    let modules = vec![Module { name: "a.rego".to_owned(), text }];
    RegoSource { modules, data: json!({}), version: RegoVersion::V1 }
}
