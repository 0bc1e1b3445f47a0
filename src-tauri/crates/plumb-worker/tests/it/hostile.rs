//! Policies that hold up, end or fill an evaluator. Each case names its reason, and the next
//! question is answered.

use std::time::Duration;

use plumb_decide::{Answer, ProcessEnd, Reason};
use plumb_worker::{ProcessLimits, child};
use serde_json::json;

use crate::world::{ask, end, pool, pool_of, question, short, source};

/// The pool still answers.
async fn goes_on(pool: &plumb_worker::WorkerPool) {
    assert_eq!(ask(pool, "allow if input.x == 1", &[json!(1)]).await, [Answer::Allow]);
}

async fn not_evaluated(text: &str) -> Reason {
    not_evaluated_within(short(), text).await
}

async fn not_evaluated_within(limits: ProcessLimits, text: &str) -> Reason {
    let pool = pool_of(child::SUBCOMMAND, limits);
    let mut answers = ask(&pool, text, &[json!("")]).await;
    goes_on(&pool).await;
    pool.close().await;
    match answers.pop() {
        Some(Answer::NotEvaluated { reason }) => reason,
        other => panic!("{other:?} is an answer"),
    }
}

#[tokio::test]
async fn nested_brackets_are_refused_before_the_parser_sees_them() {
    let text = format!("allow := {}{}", "[".repeat(40), "]".repeat(40));
    let reason = not_evaluated(&text).await;
    assert!(matches!(reason, Reason::BracketsTooDeep { depth_max: 16, .. }), "{reason}");
}

#[tokio::test]
async fn a_parser_held_up_by_many_allowed_brackets_is_killed() {
    let one = format!("{}{}", "{\"a\":".repeat(16), "}".repeat(16)).replace(":}", ":1}");
    let rules: Vec<String> = (0..500).map(|n| format!("x{n} := {one}")).collect();
    let reason = not_evaluated(&rules.join("\n")).await;
    assert_eq!(reason, Reason::Process { end: ProcessEnd::Hung { limit_ms: 1_500 } });
}

#[tokio::test]
async fn a_stack_that_overflows_ends_the_process_only() {
    let recursion = "f(x) := f(x)\nallow if f(1)";
    let reason = not_evaluated(recursion).await;
    assert_eq!(reason, Reason::Process { end: ProcessEnd::StackOverflow });
    // No bracket at all: a sum of twenty thousand is a tree as deep.
    let sum = format!("allow := {}1", "1 +\n".repeat(20_000));
    let limits = ProcessLimits { prepare: Duration::from_mins(1), ..short() };
    let reason = not_evaluated_within(limits, &sum).await;
    assert_eq!(reason, Reason::Process { end: ProcessEnd::StackOverflow });
}

#[tokio::test]
async fn a_builtin_that_panics_is_told() {
    let reason = not_evaluated("allow if strings.count(\"abc\", input.x) > 0").await;
    assert!(matches!(reason, Reason::Panicked { .. }), "{reason}");
}

#[tokio::test]
async fn an_endless_comprehension_is_ended_by_its_time() {
    let text = "n := numbers.range(1, 4000)\n\
                allow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    assert_eq!(not_evaluated(text).await, Reason::TimeOver { limit_ms: 500 });
}

#[tokio::test]
async fn a_builtin_that_never_looks_at_the_time_is_killed() {
    let text = "allow if count(numbers.range(1, 3000000)) + count(numbers.range(1, 3000001)) + \
                count(numbers.range(1, 3000002)) > 0";
    let limits = ProcessLimits { memory_mb: 4_096, answer: Duration::from_millis(50), ..short() };
    let pool = pool_of(child::SUBCOMMAND, limits);
    let answers = ask(&pool, text, &[json!(1)]).await;
    assert_eq!(end(&answers[0]), &ProcessEnd::Hung { limit_ms: 50 });
    pool.close().await;
}

#[tokio::test]
async fn processor_time_has_its_own_limit() {
    let text = "n := numbers.range(1, 4000)\n\
                allow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let forever = Duration::from_mins(1);
    let limits = ProcessLimits {
        step_processor_s: 0,
        answer: forever,
        evaluation: forever,
        ..ProcessLimits::default()
    };
    let pool = pool_of(child::SUBCOMMAND, limits);
    let answers = ask(&pool, text, &[json!(1)]).await;
    assert_eq!(end(&answers[0]), &ProcessEnd::ProcessorTime { limit_s: 0 });
    pool.close().await;
}

#[tokio::test]
async fn memory_ends_where_the_limit_is() {
    // Each rule is twice the one before: 32 KB, 64 KB, and so on to 16 GB.
    let doubled: Vec<String> =
        (1..20).map(|n| format!("x{n} := concat(\"\", [x{0}, x{0}])", n - 1)).collect();
    let first = "x".repeat(16_384);
    let text = format!("x0 := \"{first}\"\n{}\nallow if count(x19) > 0", doubled.join("\n"));
    let limits = ProcessLimits {
        answer: Duration::from_mins(1),
        evaluation: Duration::from_mins(1),
        ..ProcessLimits::default()
    };
    let pool = pool_of(child::SUBCOMMAND, limits);
    let answers = ask(&pool, &text, &[json!(1)]).await;
    assert_eq!(end(&answers[0]), &ProcessEnd::Memory { limit_mb: 256 });
    goes_on(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let text = "allow := numbers.range(1, 200000)";
    let reason = not_evaluated(text).await;
    assert!(matches!(reason, Reason::TooLarge { .. }), "{reason}");
}

#[tokio::test]
async fn neither_network_nor_files_are_reached() {
    for (call, name) in [
        (
            "http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1:1\"}).status_code == 200",
            "http.send",
        ),
        ("net.lookup_ip_addr(\"localhost\")", "net.lookup_ip_addr"),
        ("opa.runtime().env", "opa.runtime"),
    ] {
        let reason = not_evaluated(&format!("allow if {call}")).await;
        let told = match &reason {
            Reason::MissingBuiltin { name } | Reason::DiffersByMachine { name } => name.as_str(),
            _ => "",
        };
        assert_eq!(told, name, "{reason}");
    }
}

#[tokio::test]
async fn only_the_question_that_ends_a_process_is_not_answered() {
    let text = "f(x) := f(x)\nallow if input.x == 1\nallow if { input.x == 2; f(1) }";
    let pool = pool();
    let inputs = [json!(1), json!(2), json!(1), json!(3), json!(2), json!(1)];
    let answers = ask(&pool, text, &inputs).await;
    let over = Answer::NotEvaluated { reason: Reason::Process { end: ProcessEnd::StackOverflow } };
    assert_eq!(
        answers,
        [Answer::Allow, over.clone(), Answer::Allow, Answer::Undefined, over, Answer::Allow]
    );
    pool.close().await;
}

#[tokio::test]
async fn a_policy_that_ends_every_process_is_given_up() {
    let pool = pool();
    let inputs: Vec<_> = (0..20).map(|n| json!(n)).collect();
    let answers = ask(&pool, "f(x) := f(x)\nallow if f(1)", &inputs).await;
    assert_eq!(end(&answers[7]), &ProcessEnd::StackOverflow);
    assert_eq!(end(&answers[8]), &ProcessEnd::TooOften { times: 8 });
    assert_eq!(answers.len(), 20);
    pool.close().await;
}

#[tokio::test]
async fn a_policy_that_ends_the_process_does_not_pass() {
    let pool = pool();
    let hostile = source("f(x) := f(x)\nallow if { input.x == 7; f(1) }");
    let passed = pool.prepare(&hostile, &[question(json!({ "x": 1 }))]).await.unwrap();
    assert_eq!(passed.probes, [Answer::Undefined]);
    let refused = pool.prepare(&hostile, &[question(json!({ "x": 7 }))]).await;
    assert_eq!(refused, Err(Reason::Process { end: ProcessEnd::StackOverflow }));
    let broken = pool.prepare(&source("allow if"), &[]).await;
    assert!(matches!(broken, Err(Reason::NotUnderstood { .. })));
    pool.close().await;
}
