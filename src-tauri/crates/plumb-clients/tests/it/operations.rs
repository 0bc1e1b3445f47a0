//! What is sent for each operation, and what is known afterwards.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use plumb_clients::{
    Attempt, Operation, Outcome,
    operations::{config, curl, curl_reads, evaluate, logs, raw},
    perform,
};
use plumb_fleet::{CredentialRef, FailureKind, Node, NodeApi, Route, TlsFiles, Version};
use plumb_wire::v1;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json_string, header, method, path, query_param},
};

use crate::support::{PATIENT, Peer, Reply, node, now, pool, recorded};

fn attempt() -> Attempt<'static> {
    Attempt { deadline: PATIENT, idempotency_key: Some("run-1/2/3"), step: None }
}

async fn run(node: &Node, operation: &Operation) -> Outcome {
    perform(&pool(), node, operation, &attempt(), &now()).await
}

fn reload() -> Operation {
    Operation::Reload { path: Some("/srv/payments 2.signed.json".to_owned()) }
}

/// The outcome of a reload that is answered so.
async fn answered(status: u16, body: &str) -> Outcome {
    let answer = Reply::json(status, body);
    let peer = Peer::start(move |_| answer.clone()).await;
    let outcome = run(&node(NodeApi::Reload, &peer.url()), &reload()).await;
    assert_eq!(peer.count(), 1, "sent once");
    outcome
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { detail: text }
        | Outcome::Refused { message: text }
        | Outcome::Missing { message: text }
        | Outcome::InDoubt { message: text } => format!("{}: {text}", outcome.name()),
        Outcome::NotSent { failure } => format!("{}: {}", outcome.name(), failure.message),
    }
}

#[tokio::test]
async fn a_reload_is_accepted_refused_missing_or_in_doubt() {
    let check = async |status, body: &str, expected: &str| {
        assert_eq!(text(&answered(status, body).await), expected);
    };
    let good = r#"{"success":true,"version":"2.0.0","duration_ms":45.23,"policies_loaded":12,"error":null}"#;
    check(200, good, "accepted: loaded 2.0.0, 12 policies, in 45.23 ms").await;
    let bad = r#"{"success":false,"version":"1.0.0","duration_ms":23.45,"policies_loaded":0,"error":"Bundle verification failed"}"#;
    check(500, bad, "refused: Bundle verification failed").await;
    check(200, bad, "refused: Bundle verification failed").await;
    check(
        500,
        r#"{"detail":"Failed to load bundle from file"}"#,
        "refused: Failed to load bundle from file",
    )
    .await;
    check(
        404,
        r#"{"detail":"Bundle file not found: /nope"}"#,
        "missing: Bundle file not found: /nope",
    )
    .await;
    check(
        401,
        "{}",
        "refused: /reload: the node asks for a credential (401): {}; set one for this node",
    )
    .await;
    check(504, "", "in doubt: /reload: answered 504").await;
    check(302, "", "refused: /reload: answered a redirect (302), which is not followed; correct the node's URL").await;
    let unread = answered(200, "<html>").await;
    assert!(
        text(&unread).starts_with("in doubt: /reload: answered with success and a document"),
        "{unread:?}"
    );
}

#[tokio::test]
async fn what_may_have_arrived_is_in_doubt_and_what_never_left_is_not() {
    let silent = Peer::start(|_| Reply::Silence).await;
    let short = Attempt { deadline: Duration::from_millis(200), ..attempt() };
    let outcome =
        perform(&pool(), &node(NodeApi::Reload, &silent.url()), &reload(), &short, &now()).await;
    assert_eq!(text(&outcome), "in doubt: /reload: no answer within 200 ms");
    let closing = Peer::start(|_| Reply::Close).await;
    let outcome = run(&node(NodeApi::Reload, &closing.url()), &reload()).await;
    assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    assert_eq!(closing.count(), 1, "never sent twice");
    let cut =
        Peer::start(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()))
            .await;
    let outcome = run(&node(NodeApi::Reload, &cut.url()), &reload()).await;
    assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let outcome = run(&node(NodeApi::Reload, &format!("http://{closed}")), &reload()).await;
    assert_eq!(text(&outcome), "not sent: nobody listens there (connection refused)");
}

#[tokio::test]
async fn what_a_node_cannot_do_is_not_sent() {
    let peer = Peer::start(|_| Reply::Close).await;
    for (api, operation, words) in [
        (NodeApi::Opa, Operation::Sync { force: true }, "a opa node cannot sync"),
        (NodeApi::Reload, Operation::Restart, "a reload node cannot restart"),
    ] {
        let outcome = run(&node(api, &peer.url()), &operation).await;
        assert_eq!(text(&outcome), format!("not sent: {words}"));
    }
    assert_eq!(peer.count(), 0);
}

/// An agent that expects exactly one request.
async fn agent(verb: &str, at: &str, body: Option<&str>, answer: &str) -> MockServer {
    let server = MockServer::start().await;
    let mut mock =
        Mock::given(method(verb)).and(path(at)).and(header("idempotency-key", "run-1/2/3"));
    if let Some(body) = body {
        mock = mock.and(header("content-type", "application/json")).and(body_json_string(body));
    }
    let answer = ResponseTemplate::new(200).set_body_raw(answer, "application/json");
    mock.respond_with(answer).expect(1).mount(&server).await;
    server
}

/// Asks an agent once and compares what was sent and what is known then.
async fn asked(
    operation: Operation,
    (verb, at, body): (&str, &str, Option<&str>),
    answer: &str,
    expected: &str,
) {
    let server = agent(verb, at, body, answer).await;
    let outcome = run(&node(NodeApi::Agent, &server.uri()), &operation).await;
    assert_eq!(text(&outcome), expected);
}

fn version() -> Version {
    Version::new("2.0.0").expect("a version")
}

#[tokio::test]
async fn an_agent_loads_with_a_key() {
    let loaded = r#"{"changed":true,"version":"2.0.0","digest":"a","content":"b","path":"/srv/p.signed.json","policies_loaded":3,"duration_ms":1.5,"loaded_at":"2026-11-21T05:00:00Z","confirmed_at":"2026-11-21T05:00:00Z","pinned":null}"#;
    let expected = "accepted: loaded 2.0.0, 3 policies, from /srv/p.signed.json";
    let sync = ("POST", "/v1/agent/sync", Some(r#"{"force":true}"#));
    asked(Operation::Sync { force: true }, sync, loaded, expected).await;
    let to = ("POST", "/v1/agent/rollback", Some(r#"{"to":"2.0.0"}"#));
    asked(Operation::Rollback { to: Some(version()) }, to, loaded, expected).await;
    let back = ("POST", "/v1/agent/rollback", Some("{}"));
    asked(Operation::Rollback { to: None }, back, loaded, expected).await;
}

#[tokio::test]
async fn an_agent_pins_with_a_key() {
    let digest = "b".repeat(64);
    let pinned = format!(
        r#"{{"pinned":{{"version":"2.0.0","digest":null,"content":"{digest}","since":"2026-11-21T05:00:00Z"}},"previous":null}}"#
    );
    let content = Some(digest.parse().expect("a digest"));
    let body = format!(r#"{{"version":"2.0.0","content":"{digest}"}}"#);
    let pin = ("POST", "/v1/agent/pin", Some(body.as_str()));
    let expected = "accepted: pinned 2.0.0, before nothing";
    asked(Operation::Pin { version: version(), content }, pin, &pinned, expected).await;
    let unpin = ("DELETE", "/v1/agent/pin", None);
    let none = r#"{"pinned":null,"previous":null}"#;
    asked(Operation::Unpin, unpin, none, "accepted: pinned nothing, before nothing").await;
}

#[tokio::test]
async fn an_agent_restarts_and_is_configured_with_a_key() {
    let restart = ("POST", "/v1/agent/restart", None);
    let up = r#"{"started_at":"2026-11-21T05:00:00Z","version":null,"content":null}"#;
    let expected = "accepted: restarted at 2026-11-21T05:00:00Z with no verified bundle";
    asked(Operation::Restart, restart, up, expected).await;
    let key = "deployment.locking".to_owned();
    let set = Operation::ConfigSet { key, value: v1::ConfigValue::Flag(true) };
    let put = ("PUT", "/v1/agent/config", Some(r#"{"key":"deployment.locking","value":true}"#));
    let settings = r#"{"settings":[{"key":"deployment.locking","value":true,"default":false,"description":""}]}"#;
    asked(set, put, settings, "accepted: deployment.locking = true").await;
}

#[tokio::test]
async fn problems_of_an_agent_are_told_in_its_words() {
    let peer = Peer::start(|_| {
        Reply::json(409, r#"{"type":"urn:plumbline:agent:locked","title":"Locked","status":409,"detail":"deployment locking is on","instance":null,"request_id":null}"#)
    })
    .await;
    let outcome = run(&node(NodeApi::Agent, &peer.url()), &Operation::Sync { force: false }).await;
    assert_eq!(text(&outcome), "refused: /v1/agent/sync: answered 409: deployment locking is on");
}

#[tokio::test]
async fn a_bundle_is_verified_on_the_node() {
    let verify = Operation::Verify { path: "/srv/b.signed.json".to_owned() };
    let check = async |body: &'static str, expected: &str| {
        let peer = Peer::start(move |_| Reply::json(200, body)).await;
        assert_eq!(text(&run(&node(NodeApi::Reload, &peer.url()), &verify).await), expected);
    };
    check(
        r#"{"valid":true,"bundle_id":"payments-eu","version":"2.0.0","policies_count":3}"#,
        "accepted: valid: payments-eu 2.0.0, 3 policies",
    )
    .await;
    check(
        r#"{"valid":false,"error":"Bundle contains no policies"}"#,
        "refused: Bundle contains no policies",
    )
    .await;
    check(r#"{"valid":false}"#, "refused: the bundle is not valid").await;
}

#[tokio::test]
async fn logs_and_settings_are_read_escaped() {
    let server = MockServer::start().await;
    let body = r#"{"lines":[{"at":"2026-11-21T05:00:00Z","level":"warn","message":"version \u001b[31m<b>"}],"dropped":4}"#;
    Mock::given(path("/v1/agent/logs"))
        .and(query_param("filter", "version & more"))
        .and(query_param("level", "warn"))
        .and(query_param("max_age_s", "1800"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(body, "application/json"))
        .mount(&server)
        .await;
    let query = v1::LogsQuery {
        filter: Some("version & more".to_owned()),
        level: Some(v1::LogLevel::Warn),
        max_age_s: Some(1_800),
        limit: None,
    };
    let agent = node(NodeApi::Agent, &server.uri());
    let found = logs(&pool(), &agent, &query, PATIENT, &now()).await.expect("answers");
    assert_eq!(found.lines[0].message, "version \\u{1b}[31m<b>");
    assert_eq!(found.dropped, 4);
    let opa = recorded(NodeApi::Opa, "ok").await;
    let settings = config(&pool(), &node(NodeApi::Opa, &opa.uri()), PATIENT, &now()).await;
    assert_eq!(settings.expect("answers")["bundles.authz.polling.min_delay_seconds"], "1");
    let refused = config(&pool(), &node(NodeApi::Reload, &opa.uri()), PATIENT, &now()).await;
    assert_eq!(refused.expect_err("none").kind, FailureKind::Policy);
}

#[tokio::test]
async fn test_requests_are_decided_by_the_node() {
    let decision = r#"{"allowed":false,"require_confirmation":true,"reason":"two\u0007 people","suggested_alternative":null,"risk_level":"high"}"#;
    let cases = [v1::EvaluateCase {
        capability_id: "deploy.production".to_owned(),
        context: BTreeMap::new(),
    }];
    let reply = format!(
        r#"{{"capability_id":"deploy.production","decision":{decision},"policy_version":"2.0.0"}}"#
    );
    let reload = Peer::start(move |_| Reply::json(200, &reply)).await;
    let reply = format!(
        r#"{{"policy_version":"2.0.0","content":null,"results":[{{"capability_id":"deploy.production","decision":{decision},"policy":"deploy"}}]}}"#
    );
    let agent = Peer::start(move |_| Reply::json(200, &reply)).await;
    for node in [node(NodeApi::Reload, &reload.url()), node(NodeApi::Agent, &agent.url())] {
        let decided = evaluate(&pool(), &node, &cases, PATIENT, &now()).await.expect("answers");
        assert_eq!(decided.version, Some(Version::new("2.0.0").expect("a version")));
        assert_eq!(decided.decisions.len(), 1);
        assert_eq!(decided.decisions[0].decision.reason, "two\\u{7} people");
    }
}

#[tokio::test]
async fn raw_documents_come_as_they_were_sent() {
    let server = recorded(NodeApi::Reload, "documented").await;
    let answers = raw(&pool(), &node(NodeApi::Reload, &server.uri()), PATIENT, &now()).await;
    let readyz = answers.iter().find(|answer| answer.path == "/readyz").expect("asked");
    let document = readyz.answer.as_ref().expect("answered");
    assert_eq!((document.status, document.text.contains("\"ready\": true")), (200, true));
    let bundle = answers.iter().find(|answer| answer.path == "/bundle").expect("asked");
    assert_eq!(bundle.answer.as_ref().expect("answered").status, 404);
}

#[test]
fn curl_lines_carry_no_secret_and_quote_everything() {
    let node = Node {
        credential: Some(CredentialRef::Keyring("payments".to_owned())),
        tls: Some(Arc::new(TlsFiles {
            ca: Some("keys/it's ca.pem".to_owned()),
            ..TlsFiles::default()
        })),
        route: Route::Proxy("http://u:s3cret@proxy:3128".to_owned()),
        ..node(NodeApi::Reload, "https://gw-001.example:8083/base")
    };
    insta::assert_snapshot!(curl(&node, &reload()).join("\n"), @r#"curl -sS --proxy http://u@proxy:3128/ --cacert 'keys/it'\''s ca.pem' -H "Authorization: Bearer $PLUMB_TOKEN" -X POST -H 'Content-Type: application/json' --data-raw '{"bundle_path":"/srv/payments 2.signed.json"}' https://gw-001.example:8083/base/reload"#);
    assert!(curl(&node, &Operation::Restart).is_empty());
    assert_eq!(curl_reads(&node).len(), 7);
}
