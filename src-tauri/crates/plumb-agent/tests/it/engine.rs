//! The embedded engine: what is loaded, what is refused, and what a question can do to it.

use std::{sync::LazyLock, time::Duration};

use plumb_agent::engine::{
    EngineError, EngineThreads, EngineUnavailable, LoadedPolicy, Probe, Vouched,
};
use plumb_bundle::{
    OpaArchive,
    formats::{archive::Members, opa_archive},
};
use plumb_decide::{Answer, ProcessEnd, Question, Reason};
use plumb_trust::{JwtAlgorithm, KeySet, SigningKey, sign_opa_files};
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool, child};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

static SIGNER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate_p256().expect("a key can be made"));

fn keys() -> KeySet {
    let mut keys = KeySet::new();
    let key = SIGNER.trusted("publisher", Some(JwtAlgorithm::Es256)).expect("a key");
    keys.add(key).expect("the first of its name");
    keys
}

fn pool() -> WorkerPool {
    let program =
        Program::new(env!("CARGO_BIN_EXE_agent-evaluation-stand-in"), [child::SUBCOMMAND.into()]);
    let limits = ProcessLimits::default();
    WorkerPool::start(PoolOptions { program, limits, size: 1 }, CancellationToken::new())
}

fn members(text: &str) -> Members {
    Members::from([
        (".manifest".to_owned(), br#"{"revision": "r1"}"#.to_vec()),
        ("a.rego".to_owned(), format!("package a\n{text}").into_bytes()),
        ("data.json".to_owned(), br#"{"users": ["ada"]}"#.to_vec()),
    ])
}

fn signed(text: &str) -> OpaArchive {
    let mut seed = 0_u8;
    let mut fill = |bytes: &mut [u8]| {
        for byte in bytes {
            seed = seed.wrapping_add(89);
            *byte = seed;
        }
    };
    let algorithm = JwtAlgorithm::Es256;
    let members = sign_opa_files(&members(text), &SIGNER, algorithm, "default", None, &mut fill);
    archive(&members.expect("it can be signed"))
}

fn archive(members: &Members) -> OpaArchive {
    OpaArchive::read(&opa_archive::write(members).expect("an archive")).expect("an archive")
}

fn question(input: Value) -> Question {
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    Question { entrypoint: "data.a.allow".parse().expect("an entry point"), input, now }
}

fn probe(input: Value, expected: Option<Answer>) -> Probe {
    Probe { question: question(input), expected }
}

async fn load(archive: &OpaArchive, probes: &[Probe]) -> Result<LoadedPolicy, EngineError> {
    let pool = pool();
    let loaded = LoadedPolicy::load(archive, &keys(), &pool, probes).await;
    pool.close().await;
    loaded
}

const USERS: &str = "default allow := false\nallow if input.user in data.users";

#[tokio::test]
async fn a_verified_bundle_that_passed_is_asked_in_process() {
    let archive = signed(USERS);
    let probes = [probe(json!({ "user": "eve" }), Some(Answer::Deny)), probe(json!({}), None)];
    let policy = load(&archive, &probes).await.unwrap();
    assert_eq!(policy.digest(), archive.digest());
    let carried = matches!(policy.vouched(), Vouched::Signature(v) if v.is_trusted());
    assert!(carried);
    let threads = EngineThreads::start(2).unwrap();
    let ask = |user: &str| threads.ask(&policy, question(json!({ "user": user })), SECOND);
    assert_eq!(ask("ada").await, Ok(Answer::Allow));
    assert_eq!(ask("eve").await, Ok(Answer::Deny));
}

#[tokio::test]
async fn an_unsigned_or_changed_bundle_never_reaches_the_engine() {
    let unsigned = load(&archive(&members(USERS)), &[]).await.unwrap_err();
    assert!(matches!(unsigned, EngineError::Untrusted { .. }), "{unsigned}");
    let mut changed = signed(USERS).files().clone();
    changed.insert("a.rego".to_owned(), b"package a\nallow := true".to_vec());
    let changed = load(&archive(&changed), &[]).await.unwrap_err();
    assert!(matches!(changed, EngineError::Untrusted { .. }), "{changed}");
}

#[tokio::test]
async fn a_signed_bundle_that_breaks_the_evaluation_process_is_refused() {
    let nested = signed(&format!("allow := {}{}", "[".repeat(40), "]".repeat(40)));
    let error = load(&nested, &[]).await.unwrap_err();
    assert!(matches!(error, EngineError::Policy(Reason::BracketsTooDeep { .. })), "{error:?}");
    let endless = signed("f(x) := f(x)\nallow if f(1)");
    let error = load(&endless, &[probe(json!({}), None)]).await.unwrap_err();
    let end = ProcessEnd::StackOverflow;
    assert!(matches!(&error, EngineError::Policy(Reason::Process { end: e }) if *e == end));
}

#[tokio::test]
async fn a_probe_that_is_answered_otherwise_refuses_the_bundle() {
    let probes = [probe(json!({}), None), probe(json!({ "user": "eve" }), Some(Answer::Allow))];
    let error = load(&signed(USERS), &probes).await.unwrap_err();
    assert!(matches!(error, EngineError::Probe { number: 2, answer: Answer::Deny }), "{error:?}");
    let lacking = signed("allow if http.send({\"url\": input.url}).status_code == 200");
    let error = load(&lacking, &[probe(json!({ "url": "http://x" }), None)]).await.unwrap_err();
    assert!(matches!(error, EngineError::Probe { number: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn time_input_and_panics_end_one_question_only() {
    let text = "n := numbers.range(1, 4000)\n\
        allow if input.user == \"ada\"\n\
        allow if { input.slow; count([1 | some i in n; some j in n; i * j == -1]) > 0 }\n\
        allow if strings.count(input.text, input.of) > 0";
    let policy = load(&signed(text), &[]).await.unwrap();
    let threads = EngineThreads::start(1).unwrap();
    let limit = Duration::from_millis(50);
    let ask = |input: Value| threads.ask(&policy, question(input), limit);
    let reason = |answer| match answer {
        Ok(Answer::NotEvaluated { reason }) => reason,
        other => panic!("{other:?} is an answer"),
    };
    let slow = reason(ask(json!({ "slow": true })).await);
    assert_eq!(slow, Reason::TimeOver { limit_ms: 50 });
    let panicked = reason(ask(json!({ "text": "abc", "of": "" })).await);
    assert!(matches!(panicked, Reason::Panicked { .. }), "{panicked}");
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(reason(ask(deep).await), Reason::TooDeep { .. }));
    assert_eq!(ask(json!({ "user": "ada" })).await, Ok(Answer::Allow));
}

#[tokio::test]
async fn more_questions_than_may_wait_are_refused() {
    let text = "n := numbers.range(1, 4000)\n\
        allow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let policy = load(&signed(text), &[]).await.unwrap();
    let threads = EngineThreads::start(1).unwrap();
    let asked: Vec<_> = (0..1_100)
        .map(|_| {
            let (threads, policy) = (threads.clone(), policy.clone());
            async move { threads.ask(&policy, question(json!({})), Duration::from_millis(1)).await }
        })
        .collect();
    let answers = futures::future::join_all(asked).await;
    let busy = answers.iter().filter(|answer| **answer == Err(EngineUnavailable::Busy)).count();
    assert!(busy > 0 && busy < answers.len(), "{busy} of {}", answers.len());
}
