//! Peers that mean harm, for every adapter: a failure with a sentence, in bounded time and memory.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use plumb_fleet::{CredentialRef, FailureKind, Node, NodeApi};
use proptest::prelude::*;

use crate::support::{PATIENT, Peer, Reply, http, node, observed, observed_within};

const APIS: [NodeApi; 3] = [NodeApi::Reload, NodeApi::Opa, NodeApi::Agent];
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// Every adapter gives this kind of failure, with these words.
async fn check(reply: Reply, deadline: Duration, kind: FailureKind, words: &str) {
    for api in APIS {
        let answer = reply.clone();
        let peer = Peer::start(move |_| answer.clone()).await;
        let failure = observed_within(&node(api, &peer.url()), deadline)
            .await
            .expect_err("there is nothing to report");
        assert_eq!(failure.kind, kind, "{api:?}: {}", failure.message);
        assert!(failure.message.contains(words), "{api:?}: {}", failure.message);
        assert!(!failure.message.chars().any(char::is_control), "{:?}", failure.message);
        assert!(failure.message.len() < 2_000, "{} bytes", failure.message.len());
    }
}

#[tokio::test]
async fn nobody_listens() {
    for api in APIS {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = closed.local_addr().expect("an address");
        drop(closed);
        let failure = observed(&node(api, &format!("http://{address}"))).await.expect_err("nobody");
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(failure.message, "nobody listens there (connection refused)");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_given_up_at_its_deadline() {
    check(Reply::Silence, Duration::from_secs(5), FailureKind::TimedOut, "no answer within 5 s")
        .await;
}

#[tokio::test]
async fn a_connection_that_closes_is_no_answer() {
    check(Reply::Close, PATIENT, FailureKind::Refused, "closed the connection").await;
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let check_status = |status, body: &'static str, kind, words| {
        check(Reply::json(status, body), PATIENT, kind, words)
    };
    check_status(401, "{}", FailureKind::Auth, "asks for a credential (401)").await;
    check_status(403, r#"{"detail":"no\u001b[2J"}"#, FailureKind::Auth, "no\\u{1b}[2J").await;
    check_status(
        404,
        r#"{"detail":"Not Found"}"#,
        FailureKind::HttpStatus,
        "answered 404: Not Found",
    )
    .await;
    check_status(500, r#"{"detail":"boom"}"#, FailureKind::HttpStatus, "answered 500: boom").await;
    check_status(
        500,
        r#"{"success":false,"error":"bang"}"#,
        FailureKind::HttpStatus,
        "answered 500: bang",
    )
    .await;
    check_status(418, "<h1>\u{7}tea</h1>", FailureKind::HttpStatus, "<h1>\\u{7}tea</h1>").await;
    check_status(999, "", FailureKind::HttpStatus, "answered 999").await;
}

#[tokio::test]
async fn garbage_is_not_http() {
    check(
        Reply::Bytes(b"\x16\x03\x01 what?\r\n\r\n".to_vec()),
        PATIENT,
        FailureKind::Malformed,
        "not HTTP",
    )
    .await;
    check(Reply::json(200, "<html>"), PATIENT, FailureKind::Malformed, "unexpected document").await;
    check(Reply::json(200, "[1,2"), PATIENT, FailureKind::Malformed, "unexpected document").await;
    check(Reply::json(200, "\u{0}"), PATIENT, FailureKind::Malformed, "unexpected document").await;
    let deep = format!("{{\"ready\":{}", "[".repeat(1_000_000));
    check(Reply::json(200, &deep), PATIENT, FailureKind::Malformed, "unexpected document").await;
}

#[tokio::test]
async fn bodies_end_at_their_limit() {
    let announced = format!("{OK}content-length: 104857600\r\n\r\n");
    check(Reply::Endless(announced), PATIENT, FailureKind::TooLarge, "larger than").await;
    check(Reply::Endless(format!("{OK}\r\n")), PATIENT, FailureKind::TooLarge, "larger than").await;
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_at_the_deadline() {
    check(
        Reply::Drip(format!("{OK}content-length: 1000\r\n\r\n")),
        Duration::from_millis(300),
        FailureKind::TimedOut,
        "no answer within 300 ms",
    )
    .await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let many = "x-filler: y\r\n".repeat(5_000);
    check(Reply::Bytes(http(200, &many, b"{}")), PATIENT, FailureKind::Malformed, "not HTTP").await;
    let endless = format!("{OK}x: ");
    check(Reply::Endless(endless), PATIENT, FailureKind::Malformed, "not HTTP").await;
}

#[tokio::test]
async fn a_compressed_bomb_ends_at_the_limit() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..100 {
        bomb.write_all(&vec![b' '; 1 << 20]).expect("memory");
    }
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 200_000);
    let reply = Reply::Bytes(http(200, "content-encoding: gzip\r\n", &bomb));
    check(reply, PATIENT, FailureKind::TooLarge, "unpacks to more than").await;
    let broken = Reply::Bytes(http(200, "content-encoding: gzip\r\n", b"\x1f\x8b\x08nonsense"));
    check(broken, PATIENT, FailureKind::Malformed, "compressed body is broken").await;
    let unknown = Reply::Bytes(http(200, "content-encoding: br\r\n", b"{}"));
    check(unknown, PATIENT, FailureKind::Malformed, "encoding br was not asked for").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::start(|_| Reply::json(200, "{}")).await;
    let location = format!("location: {}/readyz\r\n", elsewhere.url());
    check(
        Reply::Bytes(http(302, &location, b"")),
        PATIENT,
        FailureKind::HttpStatus,
        "answered a redirect (302), which is not followed",
    )
    .await;
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_token_does_not_travel_over_plain_http() {
    let token = CredentialRef::Env("PATH".to_owned());
    let remote = |allow_plain_token| Node {
        credential: Some(token.clone()),
        allow_plain_token,
        ..node(NodeApi::Agent, "http://192.0.2.1:8083")
    };
    let failure = observed(&remote(false)).await.expect_err("refused by us");
    assert_eq!(failure.kind, FailureKind::Policy);
    assert!(failure.message.contains("allow_plain_token = true"), "{}", failure.message);
}

#[tokio::test]
async fn half_an_answer_is_a_report_with_gaps() {
    let peer = Peer::start(|path| match path {
        "/readyz" => Reply::json(200, r#"{"ready":true,"bundle_version":"2.0.0"}"#),
        "/rules" => Reply::Silence,
        _ => Reply::Close,
    })
    .await;
    let report = observed_within(&node(NodeApi::Reload, &peer.url()), Duration::from_millis(500))
        .await
        .expect("one document is enough");
    assert_eq!(report.version.expect("a version").value.as_str(), "2.0.0");
    let gaps: Vec<_> =
        report.gaps.iter().map(|gap| (gap.source.as_str(), gap.failure.kind)).collect();
    assert_eq!(
        gaps,
        [("/rules", FailureKind::TimedOut), ("/reload/history", FailureKind::Refused)]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_bytes_arrive_there_is_a_value(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        head in any::<bool>(),
        api in 0..3_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let answer = if head { http(200, "", &bytes) } else { bytes };
            let peer = Peer::start(move |_| Reply::Bytes(answer.clone())).await;
            // Returns at all, and what it returns can be printed.
            let seen = observed(&node(APIS[api], &peer.url())).await;
            let text = format!("{:?}", seen.err().map(|failure| failure.message));
            assert!(text.len() < 4_000, "bounded");
        });
    }
}
