//! A policy prepared in a process and, one step behind, in this one.

use std::sync::Arc;

use plumb_decide::{Answer, Module, ProcessEnd, Reason, RegoPolicy, RegoSource, RegoVersion};
use plumb_worker::{ProcessLimits, WorkerPool, child};
use serde_json::json;

use crate::world::{pool, pool_of, question, short, source};

const LIMIT: std::time::Duration = plumb_decide::limits::DECISION_TIME_MAX;

/// Modules that take a while together, each called by the one before.
fn chain(modules: usize) -> RegoSource {
    let module = |n: usize| {
        let package = if n == 0 { "a".to_owned() } else { format!("m{n}") };
        let filling = "deny if input.x == 77\n".repeat(40);
        let last = format!("allow if input.x == {}", modules - 1);
        let rule = if n + 1 == modules { last } else { format!("allow if data.m{}.allow", n + 1) };
        let text = format!("package {package}\n{rule}\n{filling}");
        Module { name: format!("{package}.rego"), text }
    };
    let data = json!({ "users": ["ada"] });
    RegoSource { modules: (0..modules).map(module).collect(), data, version: RegoVersion::V1 }
}

async fn followed(pool: &WorkerPool, source: RegoSource) -> Result<RegoPolicy, Reason> {
    let (_, follower) = pool.prepare_followed(Arc::new(source), &[question(json!({}))]).await?;
    follower.analyse().await
}

#[tokio::test]
async fn what_is_prepared_behind_is_what_is_prepared_alone() {
    let pool = pool();
    let refusing = source("allow if http.send({\"url\": input.x}).status_code == 200");
    for source in [chain(1), chain(60), source("allow := input.x"), refusing] {
        let alone = RegoPolicy::prepare(&source).unwrap();
        let probes = [question(json!({ "x": 59 })), question(json!({ "x": 1 }))];
        // Twice: the process knows it the second time, and has nothing to report.
        for _ in 0..2 {
            let asked = pool.prepare_followed(Arc::new(source.clone()), &probes).await;
            let (passed, follower) = asked.unwrap();
            assert_eq!(passed, pool.prepare(&source, &probes).await.unwrap());
            let behind = follower.analyse().await.unwrap();
            assert_eq!(behind.digest(), alone.digest());
            assert_eq!(behind.refused_builtins(), alone.refused_builtins());
            let answers = |policy: &RegoPolicy| probes.clone().map(|q| policy.ask(&q, LIMIT));
            assert_eq!(answers(&behind), answers(&alone));
            assert_eq!(answers(&behind).to_vec(), passed.probes);
        }
    }
    pool.close().await;
}

#[tokio::test]
async fn what_is_refused_there_is_refused_with_the_same_reason() {
    let pool = pool();
    let mut broken = chain(60);
    broken.modules[40].text.push_str("\nallow if");
    let mut nested = chain(60);
    nested.modules[59].text += "\ny := ";
    nested.modules[59].text += &"[".repeat(40);
    let mut two_functions = chain(60);
    two_functions.modules[10].text.push_str("\nf(x) := 1\nf(x, y) := 2");
    for source in [broken, nested, two_functions] {
        let alone = RegoPolicy::prepare(&source).unwrap_err();
        assert_eq!(followed(&pool, source).await.unwrap_err(), alone);
    }
    pool.close().await;
}

#[tokio::test]
async fn a_process_that_ends_in_the_middle_is_the_answer() {
    for (part, told) in [
        ("dying", "ended by itself with code 0"),
        ("stuck", "did not answer within 1500 ms and was killed"),
        ("boasting", "answered with something that is no answer: a reply to another call"),
        ("repeating", "answered with something that is no answer: a reply to another call"),
    ] {
        let pool = pool_of(part, short());
        let mut source = chain(6);
        // Nobody reported it, so nobody here finds out.
        source.modules[3].text.push_str("\nallow if");
        let refused = followed(&pool, source).await.unwrap_err();
        let Reason::Process { end } = refused else { panic!("{part}: {refused}") };
        assert_eq!(end.to_string(), told, "{part}");
        pool.close().await;
    }
}

#[tokio::test]
async fn a_probe_that_ends_the_process_leaves_nothing_here() {
    let pool = pool();
    let refused = followed(&pool, source("f(x) := f(x)\nallow if f(1)")).await.unwrap_err();
    assert_eq!(refused, Reason::Process { end: ProcessEnd::StackOverflow });
    let next = followed(&pool, source("allow := true")).await.unwrap();
    assert_eq!(next.ask(&question(json!({})), LIMIT), Answer::Allow);
    pool.close().await;
}

/// A tree that needs more than the two megabytes of a usual thread where nothing is optimised.
#[tokio::test]
async fn what_fits_the_stack_of_the_process_fits_here() {
    let limits =
        ProcessLimits { prepare: std::time::Duration::from_mins(1), ..ProcessLimits::default() };
    let pool = pool_of(child::SUBCOMMAND, limits);
    let sum = source(&format!("allow := {}1", "1 +\n".repeat(3_000)));
    followed(&pool, sum).await.unwrap();
    pool.close().await;
}
