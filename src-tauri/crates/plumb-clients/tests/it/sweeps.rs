//! Sweeps over many nodes: each alone with its fate.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use plumb_clients::{SweepOptions, SweepResult, sweep};
use plumb_fleet::{FailureKind, Node, NodeApi, NodeId};
use rand::{SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use crate::support::{Peer, Reply, node, now, pool};

fn named(index: usize, url: &str) -> Arc<Node> {
    Arc::new(Node {
        id: NodeId::new(format!("node-{index:03}")).expect("a valid name"),
        ..node(NodeApi::Reload, url)
    })
}

fn healthy(path: &str) -> Reply {
    match path {
        "/readyz" => Reply::json(
            200,
            r#"{"ready":true,"bundle_version":"2.0.0","bundle_loaded_at":"2026-11-21T05:00:00Z"}"#,
        ),
        "/rules" => {
            Reply::json(200, r#"{"rules":[{"id":"a","effect":"allow"}],"policy_version":"2.0.0"}"#)
        }
        _ => Reply::json(200, r#"{"history":[]}"#),
    }
}

const OPTIONS: SweepOptions =
    SweepOptions { concurrency: 8, deadline: Duration::from_secs(1), jitter: Duration::ZERO };

async fn run(nodes: &[Arc<Node>], options: SweepOptions) -> Vec<SweepResult> {
    let mut results = Vec::new();
    let mut rng = StdRng::seed_from_u64(7);
    let cancel = CancellationToken::new();
    let end = sweep(&pool(), nodes, options, &mut rng, &now(), &cancel, |r| results.push(r)).await;
    assert_eq!(end.answered + end.failed, results.len());
    assert_eq!(end.skipped, 0);
    results.sort_by(|a, b| a.node.id.cmp(&b.node.id));
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_nodes_leave_the_others_alone() {
    let good = Peer::start(healthy).await;
    let endless = Peer::start(|_| Reply::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned())).await;
    let silent = Peer::start(|_| Reply::Silence).await;
    let garbage = Peer::start(|_| Reply::Bytes(vec![0xff; 999])).await;
    let nodes: Vec<Arc<Node>> = (0..60)
        .map(|index| {
            let peer = match index % 6 {
                1 => &endless,
                2 => &silent,
                3 => &garbage,
                _ => &good,
            };
            named(index, &peer.url())
        })
        .collect();
    let options = SweepOptions { jitter: Duration::from_millis(20), ..OPTIONS };
    for (index, result) in run(&nodes, options).await.into_iter().enumerate() {
        let kind = result.result.as_ref().err().map(|failure| failure.kind);
        let expected = match index % 6 {
            1 => Some(FailureKind::TooLarge),
            2 => Some(FailureKind::TimedOut),
            3 => Some(FailureKind::Malformed),
            _ => None,
        };
        assert_eq!(kind, expected, "{}: {:?}", result.node.id, result.result);
    }
    // Three requests a node, and one more for what its rules were made of where that is not known yet.
    let asked = good.count();
    assert!((30 * 3..=30 * 4).contains(&asked), "{asked} requests");
}

#[tokio::test]
async fn no_nodes_are_no_work() {
    assert!(run(&[], OPTIONS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_sweep_starts_no_further_node() {
    let good = Peer::start(healthy).await;
    let nodes: Vec<Arc<Node>> = (0..100).map(|index| named(index, &good.url())).collect();
    let cancel = CancellationToken::new();
    let mut seen = 0;
    let options = SweepOptions { concurrency: 2, ..OPTIONS };
    let mut rng = StdRng::seed_from_u64(7);
    let end = sweep(&pool(), &nodes, options, &mut rng, &now(), &cancel, |_| {
        seen += 1;
        cancel.cancel();
    })
    .await;
    assert_eq!(end.answered + end.failed, seen);
    assert!(end.skipped > 50, "{end:?}");
    assert!(good.requests.load(Ordering::Relaxed) < 100);
}
