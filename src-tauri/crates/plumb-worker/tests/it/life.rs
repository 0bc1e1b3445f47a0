//! How processes start, end and are replaced.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use plumb_decide::{Answer, ProcessEnd, Reason};
use plumb_worker::{ProcessLimits, Program, WorkerPool, child};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::{
    ask, end, has_ended, is_there, kill, options, pool, pool_of, question, short, source, stand_in,
    until,
};

#[tokio::test]
async fn a_policy_is_asked_many_times() {
    let pool = pool();
    let inputs: Vec<Value> = (0..1_000).map(|n| json!(n % 3)).collect();
    let text = "default allow := false\nallow if input.x == 1";
    let answers = ask(&pool, text, &inputs).await;
    let expected = |n: usize| if n % 3 == 1 { Answer::Allow } else { Answer::Deny };
    assert!(answers.iter().enumerate().all(|(n, answer)| *answer == expected(n)));
    assert_eq!(answers.len(), 1_000);
    pool.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_guard_was_tried_out_and_holds() {
    let pool = pool();
    until(|| pool.guards().is_some()).await;
    let guards = pool.guards().unwrap();
    assert!(guards.all(), "{guards:?}");
    pool.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_has_no_environment_and_three_pipes() {
    let pool = pool();
    until(|| !pool.idle().is_empty()).await;
    let id = pool.idle()[0];
    // Root may look; a process that cannot be dumped hides both from everybody else.
    if let Ok(open) = std::fs::read_dir(format!("/proc/{id}/fd")) {
        assert_eq!(open.count(), 3);
        assert_eq!(std::fs::read(format!("/proc/{id}/environ")).unwrap(), b"");
    }
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let memory = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert!(memory.contains("268435456"), "{memory}");
    pool.close().await;
}

#[tokio::test]
async fn a_process_killed_from_outside_is_replaced() {
    let pool = pool();
    until(|| !pool.idle().is_empty()).await;
    let first = pool.idle()[0];
    kill(first);
    until(|| has_ended(first)).await;
    assert_eq!(ask(&pool, "allow if input.x == 1", &[json!(1)]).await, [Answer::Allow]);
    assert_ne!(pool.idle(), [first]);
    until(|| !is_there(first)).await;
    pool.close().await;
}

#[tokio::test]
async fn a_process_killed_at_work_is_named() {
    let limits = ProcessLimits {
        answer: Duration::from_mins(1),
        evaluation: Duration::from_mins(1),
        ..ProcessLimits::default()
    };
    let pool = pool_of(child::SUBCOMMAND, limits);
    until(|| !pool.idle().is_empty()).await;
    let id = pool.idle()[0];
    let text = "n := numbers.range(1, 9000)\n\
                allow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let working = {
        let pool = pool.clone();
        tokio::spawn(async move { ask(&pool, text, &[json!(1)]).await })
    };
    until(|| pool.idle().is_empty()).await;
    kill(id);
    assert_eq!(end(&working.await.unwrap()[0]), &ProcessEnd::Signal { signal: 9 });
    assert!(!is_there(id), "it was waited for");
    // The next one is made ready without being asked for.
    until(|| !pool.idle().is_empty()).await;
    assert_ne!(pool.idle(), [id]);
    pool.close().await;
}

#[tokio::test]
async fn what_is_no_answer_ends_the_process() {
    let cases = [
        ("garbage", "answered with something that is no answer: a frame is no document"),
        ("liar", "answered with something that is no answer: a reply to another call"),
        ("flood", "answered with 2147483647 bytes, more than the limit of 1114112"),
        ("deaf", "did not answer within 1500 ms and was killed"),
        ("absent", "did not start: ended by itself with code 0"),
    ];
    for (part, told) in cases {
        let pool = pool_of(part, short());
        let answers = ask(&pool, "allow if input.x", &[json!(1)]).await;
        assert_eq!(end(&answers[0]).to_string(), told, "{part}");
        pool.close().await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let mut options = options("", ProcessLimits::default());
    options.program = Program::new("/nowhere/evaluation", []);
    let pool = WorkerPool::start(options, CancellationToken::new());
    let answers = ask(&pool, "allow if input.x", &[json!(1), json!(2)]).await;
    let ProcessEnd::NotStarted { message } = end(&answers[1]) else { panic!("{answers:?}") };
    assert!(message.starts_with("/nowhere/evaluation: "), "{message}");
    pool.close().await;
}

#[tokio::test]
async fn closing_leaves_no_process_and_answers_what_is_going_on() {
    let mut options = options(child::SUBCOMMAND, ProcessLimits::default());
    options.size = 3;
    let pool = WorkerPool::start(options, CancellationToken::new());
    until(|| pool.idle().len() == 3).await;
    let ids = pool.idle();
    let text = "n := numbers.range(1, 9000)\n\
                allow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let working = {
        let pool = pool.clone();
        tokio::spawn(async move { ask(&pool, text, &[json!(1)]).await })
    };
    until(|| pool.idle().len() == 2).await;
    pool.close().await;
    let answers = working.await.unwrap();
    assert_eq!(end(&answers[0]), &ProcessEnd::Closing);
    assert!(ids.iter().all(|id| !is_there(*id)), "ended and waited for");
    let after = pool.prepare(&source("allow := true"), &[question(json!({}))]).await;
    assert_eq!(after, Err(Reason::Process { end: ProcessEnd::Closing }));
}

#[tokio::test]
async fn the_end_of_the_parent_is_the_end_of_its_processes() {
    let mut parent = Command::new(stand_in()).arg("parent").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ids: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| is_there(*id)));
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Whoever adopts them waits for them in its own time: ended is enough.
    until(|| ids.iter().all(|id| has_ended(*id))).await;
}
