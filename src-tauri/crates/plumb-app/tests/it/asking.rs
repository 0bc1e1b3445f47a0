//! Nodes that are asked: what they recorded of others' questions, and whether they agree.

use std::{fs, net::SocketAddr};

use plumb_app::{
    error::Code,
    impact::{self, Evaluators, ImpactRequest, Reading, RequestSource, SEED, Side},
    views::alerts::AlertsPage,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::world::World;

const BOTH: [(&str, &str); 2] = [("gw-1", "v2.signed.json"), ("gw-2", "v2.signed.json")];

/// Sends one request to a node, and waits for its answer.
async fn ask(node: SocketAddr, capability: &str, user: &str) {
    let body =
        format!(r#"{{"capability_id":"{capability}","context":{{"user":"{user}","amount":5}}}}"#);
    let request = format!(
        "POST /evaluate HTTP/1.1\r\nhost: {node}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(node).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Stands before a node and says of every decision that it has to be confirmed.
async fn stand_before(node: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut upstream = TcpStream::connect(node).await.expect("the node listens");
                let (mut from, mut to) = client.into_split();
                let (mut answers, mut asks) = upstream.split();
                let there = tokio::io::copy(&mut from, &mut asks);
                let back = async {
                    let mut bytes = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = answers.read(&mut bytes).await {
                        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                        // As long as before, so that the head stays right.
                        let text = text.replace(
                            r#""require_confirmation":false"#,
                            r#""require_confirmation":true "#,
                        );
                        if to.write_all(text.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! { _ = there => {}, () = back => {} }
            });
        }
    });
    own
}

#[tokio::test]
async fn nodes_with_equal_digests_that_answer_differently_raise_an_alert() {
    let world = World::start(&BOTH).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    assert_eq!(app.look_for_disagreement("eu").await.expect("both are asked"), 0);
    app.close().await;

    let node = world.agents[1].1.address();
    let before = stand_before(node).await;
    let file = world.path("fleet.toml");
    let text = fs::read_to_string(&file).expect("the fleet file");
    fs::write(&file, text.replace(&node.to_string(), &before.to_string())).expect("written");
    let app = world.app_of("another").await;
    app.sweep("eu").await.expect("a sweep");
    assert_eq!(app.look_for_disagreement("eu").await.expect("both are asked"), 1);
    app.sweep("eu").await.expect("a sweep");
    let page = AlertsPage { limit: 100, ..AlertsPage::default() };
    let told = format!("{:?}", app.alerts("eu", &page).await.expect("the inbox"));
    assert!(told.contains("nodes with the same content answer requests differently"), "{told}");
    app.close().await;
}

#[tokio::test]
async fn what_was_really_asked_weighs_what_another_version_answers_differently() {
    let world = World::start(&BOTH).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let nodes = RequestSource::Nodes(None);
    let nothing = app.recorded("eu", &nodes).await.expect_err("nobody asked anything");
    assert_eq!(nothing.code, Code::NotFound);
    for user in ["ada", "bo", "cy"] {
        ask(world.agents[0].1.address(), "payments.refund.partial", user).await;
    }
    ask(world.agents[1].1.address(), "payments.read", "ada").await;

    let (requests, view) = app.recorded("eu", &nodes).await.expect("what was recorded");
    assert_eq!((view.requests, view.asked, view.masked), (2, 4, 2), "{view:?}");
    assert_eq!(requests[0].input["context"], serde_json::json!({ "amount": 5 }));
    // A node itself is asked, and what runs there is compared with what would.
    let from = Side::Node(app.asked_node("eu", "gw-1").await.expect("a node"));
    let to = Side::Bundle(app.bundle_of_version("eu", "1.0.0").await.expect("a bundle"));
    let (entrypoint, reading) = (None, Reading::Documented);
    let request = ImpactRequest { from, to, requests, entrypoint, reading, seed: SEED };
    let evaluators = Evaluators::none();
    let view = impact::impact(&evaluators, &request, |_| {}).await.expect("both are asked");
    evaluators.close().await;
    assert_eq!((view.from.format.as_str(), view.from.label.as_str()), ("node", "node gw-1"));
    assert_eq!((view.requests.recorded, view.requests.masked), (2, 2), "{view:?}");
    let wider =
        view.flips.iter().find(|flip| flip.change == "wider").expect("refunds are let through");
    assert_eq!(wider.before.rule.as_deref(), Some("payments.refund"), "{wider:?}");
    assert!(wider.weight >= 3, "three people asked for one: {wider:?}");
    assert_eq!(view.not_evaluated, Vec::new());
    app.close().await;
}
